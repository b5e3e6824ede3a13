"""Simulations made unit after unit without Spark, and what they left, read back."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from conftest import HOME
from lakeshop.engine.run import Run
from lakeshop.pipeline import STAGES, all_contracts, read_settings
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger
from lakeshop_demo.simulator.arguments import Arguments, claim
from lakeshop_demo.simulator.catalogue import write_products
from lakeshop_demo.simulator.dirt import ACCEPTED, DUPLICATE, QUARANTINED, SHAPES
from lakeshop_demo.simulator.events import demand_of, write_events
from lakeshop_demo.simulator.files import Folders, calendar, parquet
from lakeshop_demo.simulator.units import shards_of, units_of

Outcome = tuple[str, str, date | None]  # entity, outcome, day of the drop


@dataclass(frozen=True)
class Simulated:
    """A simulation that lies in two folders."""

    arguments: Arguments
    landing: Path
    truth: Path

    def rows(self, entity: str) -> pd.DataFrame:
        """The delivered rows of an entity that can be read, with the day of their drop."""
        return pd.DataFrame([json.loads(text) | {"drop": day} for day, text in self.lines(entity)])

    def lines(self, entity: str) -> Iterator[tuple[date, str]]:
        for path in sorted((self.landing / entity).glob("*/*.jsonl.gz")):
            for text in gzip.decompress(path.read_bytes()).decode().splitlines():
                yield date.fromisoformat(path.parent.name), text

    def read_truth(self, table: str) -> pd.DataFrame:
        """A table of the truth."""
        parts = [pd.read_parquet(path) for path in sorted((self.truth / table).glob("*.parquet"))]
        return pd.concat(parts, ignore_index=True)


def files_below(*folders: Path) -> dict[str, bytes]:
    """All files of the folders, by folder and name."""
    return {
        f"{number}/{path.relative_to(folder)}": path.read_bytes()
        for number, folder in enumerate(folders)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def simulated_by_hand(arguments: Arguments, home: Path) -> Simulated:
    """A simulation below `home`, one unit after the other, the last one first."""
    landing, truth = claim(arguments, str(home / "landing"), str(home / "truth"))
    folders = Folders(landing, truth)
    wanted = np.zeros((arguments.products, arguments.days * 24), dtype=np.int64)
    for unit in reversed(units_of(arguments)):
        product, hour, units = demand_of(arguments, unit)
        np.add.at(wanted, (product, hour), units)
    sold_until = np.empty((arguments.products, arguments.days), dtype=np.int8)
    for shard in reversed(shards_of(arguments)):
        mine = slice(*shard.products)
        held, _ = write_products(arguments, shard, folders, wanted[mine])
        sold_until[mine] = held.sold_until
    for unit in reversed(units_of(arguments)):
        write_events(arguments, unit, folders, sold_until)
    (truth / "days").mkdir(exist_ok=True)
    (truth / "days" / "days.parquet").write_bytes(parquet(calendar(arguments)))
    return Simulated(arguments, landing, truth)


def cleaned(spark: SparkSession, shop: Simulated, home: Path) -> Lake:
    """Ingest and clean a simulated shop, all days as one range."""
    lake = Lake(spark, str(home), all_contracts(HOME / "schemas"))
    settings = read_settings(HOME / "conf", env="local", shop="simulated")
    own = settings.shop.model_copy(update={"landing": str(shop.landing)})
    quality = settings.quality.model_copy(update={"max_rejected_rows": 0.5})  # of a few labels
    days = shop.arguments
    run = Run(
        job="test",
        lake=lake,
        ledger=Ledger.load(lake),
        settings=settings.model_copy(update={"shop": own, "quality": quality}),
        first=days.start,
        last=days.date_of(days.days - 1),
        key=b"a key for tests, of 32 characters or more",
    )
    for stage in ("ingest", "clean"):
        STAGES[stage](run)
    run.flush()
    return lake


def outcomes(lake: Lake, shop: Simulated) -> tuple[dict[Outcome, int], dict[Outcome, int]]:
    """Rows by entity, outcome and day, as the lake holds them and as the truth tells them.

    Duplicates are counted over all days: the lake knows their number alone.
    """
    days = shop.arguments
    found: dict[Outcome, int] = {
        (entity, outcome, day): content.rows
        for entity in SHAPES
        for layer, outcome in (("silver", ACCEPTED), ("quarantine", QUARANTINED))
        for day, content in lake.content(
            f"{layer}.{entity}", days.start, days.date_of(days.days - 1)
        ).items()
    }
    runs = lake.read("ops.runs").where("table_name LIKE 'silver.%'").toPandas()
    for table, number in runs.groupby("table_name")["duplicates"].sum().items():
        found[str(table).removeprefix("silver."), DUPLICATE, None] = int(number)
    expected: dict[Outcome, int] = {(entity, DUPLICATE, None): 0 for entity in SHAPES}
    recorded = shop.read_truth("rows").groupby(["entity", "outcome", "business_date"])["rows"].sum()
    for (entity, outcome, day), number in recorded.items():
        key = entity, outcome, None if outcome == DUPLICATE else day
        expected[key] = expected.get(key, 0) + int(number)
    return found, expected
