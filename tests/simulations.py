"""Simulations made unit after unit without Spark, and what they left, read back."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from lakeshop.sources.simulator.arguments import Arguments, claim
from lakeshop.sources.simulator.catalogue import write_products
from lakeshop.sources.simulator.events import demand_of, write_events
from lakeshop.sources.simulator.files import Folders, calendar, parquet
from lakeshop.sources.simulator.units import shards_of, units_of


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

    def told(self, table: str) -> pd.DataFrame:
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
