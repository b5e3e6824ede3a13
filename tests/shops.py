"""A tiny shop for tests: its configuration, its drops, and runs on a lake of its own.

Actions and transactions are delivered as JSON lines, products as CSV and only when they change,
and times in the shop's own zone, New York.
"""

import csv
import gzip
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import yaml
from pyspark.sql import SparkSession

from conftest import HOME
from lakeshop.config.settings import Settings
from lakeshop.dates import days_between
from lakeshop.engine.run import Run
from lakeshop.pipeline import STAGES, all_contracts, build_tables, configuration, read_settings
from lakeshop.storage.content import Content
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger

FIRST = date(2026, 3, 5)
LAST = date(2026, 3, 14)  # ten days; the clocks of New York go forward on the 8th
KEY = "a key for tests, of 32 characters or more"
ZONE = "America/New_York"
LOCAL = {"column": "at", "format": "yyyy-MM-dd HH:mm:ss", "zone": ZONE}
ENTITIES: dict[str, object] = {
    "transactions": {
        "path": "transactions/{date}.jsonl*",
        "history": "history/transactions*.jsonl*",
        "format": "json",
        "columns": {
            "transaction_id": "id",
            "order_id": "order",
            "user_id": "user",
            "product_id": "product",
            "store_id": "store",
            "quantity": "quantity",
            "amount": "amount",
            "currency": {"constant": "USD"},
            "occurred_at": LOCAL,
        },
    },
    "user_actions": {
        "path": "user_actions/{date}.jsonl*",
        "history": "history/user_actions*.jsonl*",
        "required": False,
        "format": "json",
        "columns": {
            "action_id": "id",
            "user_id": "user",
            "action": "action",
            "product_id": "product",
            "occurred_at": LOCAL,
        },
    },
    "products": {
        "path": "products/{date}.csv*",
        "history": "history/products*.csv*",
        "required": False,
        "format": "csv",
        "columns": {
            "product_id": "sku",
            "name": "title",
            "department": "department",
            "category": "category",
            "brand": "brand",
        },
    },
}
SHOP = {"name": "Tiny", "zone": ZONE, "landing": "landing", "entities": ENTITIES}
LINES_ALONE = SHOP | {"entities": {"transactions": ENTITIES["transactions"]}}
# What becomes of delivered rows, as columns of ops.runs.
OUTCOMES = ("accepted", "quarantined", "duplicates", "conflicts", "merged", "left_out")
Row = Mapping[str, object]


@dataclass(frozen=True)
class TinyShop:
    """A shop below one folder: conf/, schemas/, landing/ and, once a job ran, lake/."""

    spark: SparkSession
    home: Path

    @property
    def landing(self) -> Path:
        """The folder of the drops."""
        return self.home / "landing"

    @property
    def settings(self) -> Settings:
        """The configuration, with its places below the folder."""
        settings = read_settings(self.home / "conf", env="local", shop="tiny")
        shop = settings.shop.model_copy(update={"landing": str(self.landing)})
        erased = settings.maintenance.model_copy(update={"erased": self.home / "erased.txt"})
        lake = str(self.home / "lake")
        return settings.model_copy(update={"shop": shop, "lake": lake, "maintenance": erased})

    def lake(self, name: str = "lake") -> Lake:
        """A lake of the shop, read anew."""
        return Lake(self.spark, str(self.home / name), all_contracts(self.home / "schemas"))

    def run(
        self, first: date, last: date | None = None, *, lake: str = "lake", **options: bool
    ) -> Run:
        """A run as a job makes it, on the lake of that name: `redo_stale`, `is_history`."""
        conf, schemas = self.home / "conf", self.home / "schemas"
        _, applications, contracts = configuration(conf, schemas, env="local", shop="tiny")
        tables = Lake(self.spark, str(self.home / lake), contracts)
        return Run(
            job="test",
            lake=tables,
            ledger=Ledger.load(tables),
            settings=self.settings,
            applications=applications,
            first=first,
            last=last or first,
            key=KEY.encode(),
            **options,
        )

    def deliver(
        self, entity: str, day: date | str, rows: Sequence[Row], *, zipped: bool = False
    ) -> Path:
        """Write one drop: JSON lines, or CSV with the first row's names as header."""
        name = f"{entity}/{day}" if isinstance(day, date) else f"history/{entity}{day}"
        csv_rows = entity == "products"
        path = self.landing / f"{name}.{'csv' if csv_rows else 'jsonl'}{'.gz' if zipped else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = (csv_text(rows) if csv_rows else json_text(rows)).encode()
        path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
        return path


def tiny_shop(spark: SparkSession, home: Path, **overlay: object) -> TinyShop:
    """Write the configuration and contracts of a tiny shop below `home`.

    Args:
        spark: the session.
        home: an empty folder.
        overlay: keys of the configuration that differ, such as `similarity={"min_support": 1}`.
    """
    (home / "conf" / "shops").mkdir(parents=True)
    (home / "landing").mkdir()
    shutil.copy(HOME / "conf" / "base.yaml", home / "conf")
    shutil.copytree(HOME / "schemas", home / "schemas")
    (home / "conf" / "local.yaml").write_text("")
    (home / "key").write_text(KEY)
    keys = {"shop": SHOP, "pseudonyms": {"key_file": "key"}} | overlay
    (home / "conf" / "shops" / "tiny.yaml").write_text(yaml.safe_dump(keys))
    return TinyShop(spark, home)


def line(number: int, at: str, **overrides: object) -> Row:
    """A transaction as the shop delivers it; `at` is local time."""
    return {
        "id": f"t{number}",
        "order": f"o{number}",
        "user": f"u{number % 3}",
        "product": f"p{number % 4}",
        "store": "s1",
        "quantity": 1,
        "amount": "2.50",
        "at": at,
    } | overrides


def action(number: int, at: str, **overrides: object) -> Row:
    """A user action as the shop delivers it; `at` is local time."""
    base = {
        "id": f"a{number}",
        "user": f"u{number % 3}",
        "action": "view",
        "product": "p1",
        "at": at,
    }
    return base | overrides


def product(number: int, **overrides: object) -> Row:
    """A product as the shop delivers it."""
    base = {"sku": f"p{number}", "title": f"Product {number}", "department": "D", "category": "C"}
    return base | {"brand": "B"} | overrides


def json_text(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def csv_text(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["sku"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


Contents = Mapping[str, Mapping[date, Content]]


# Of a shop so young: its few lines teach a network of fraud on its first Monday.
TAUGHT: dict[str, object] = {
    "fraud": {
        "maturity_days": 1,
        "validation_days": 1,
        "unlabelled": {
            "autoencoder": {
                "arguments": {"width": 8, "bottleneck": 2},
                "batch_size": 8,
                "epochs": 2.0,
                "local_steps": 2,
            }
        },
    }
}


def ten_day_shop(spark: SparkSession, home: Path, **overlay: object) -> TinyShop:
    """Ten days of drops with repeated, late, evening and dirty rows, and a changed product."""
    similarity = {"min_support": 1, "blocks": 2, "linear_ridge": 1}
    keys: dict[str, object] = {"similarity": similarity, "quality": {"max_rejected_rows": 0.4}}
    shop = tiny_shop(spark, home, **keys | overlay)
    for n, day in enumerate(days_between(FIRST, LAST)):
        shop.deliver("transactions", day, lines_of_day(n, day))
        actions = [action(n, f"{day} 09:00:00"), action(n // 2, f"{day} 10:00:00")]
        shop.deliver("user_actions", day, actions)
    shop.deliver("products", FIRST, [product(n) for n in range(4)])
    changed = [product(1, title="Renamed"), product(2)]
    shop.deliver("products", FIRST + timedelta(days=3), changed)
    return shop


def lines_of_day(n: int, day: date) -> list[Row]:
    """Day `n`: fresh lines, one again, one of the day before, one late, one at night, and dirt."""
    fresh = [
        line(
            100 * n + i,
            f"{day} {9 + i:02}:30:00",
            user=f"u{(n + i) % 4}",
            product=f"p{i % 4}",
            order=f"o{n}-{i // 2}",
        )
        for i in range(6)
    ]
    return [
        *fresh,
        dict(fresh[0]) | {"amount": "9.99"},
        line(100 * (n - 1) + 1, f"{day} 10:30:00"),
        line(100 * n + 50, f"{day} 23:45:00", user="u9", product="p1", amount="3.00"),
        line(100 * n + 60, f"{day - timedelta(days=2)} 12:00:00", user="u1"),
        line(100 * n + 70, f"{day} 12:00:00", quantity=-1, amount="1"),
        line(100 * n + 71, f"{day + timedelta(days=1)} 00:10:00"),
        line(100 * n + 72, "yesterday"),
    ]


def run_stages(shop: TinyShop, lake: str, first: date, last: date, stages: Sequence[str]) -> Run:
    """Run stages as a night does, stale days included."""
    run = shop.run(first, last, lake=lake, redo_stale=True)
    for stage in stages:
        STAGES[stage](run)
    run.flush()
    return run


def run_days(shop: TinyShop, lake: str, first: date, last: date) -> None:
    """Run what is made day by day: bronze to features.user_product_days."""
    run = shop.run(first, last, lake=lake, redo_stale=True)
    for stage in ("ingest", "clean"):
        STAGES[stage](run)
    by_day = "features.user_product_days"
    build_tables(run, by_day)
    run.flush()


def reason_of(run: Run, table: str) -> str:
    """Why days of a table were not made; the only failure of the run that no other caused."""
    (failure,) = [f for f in run.failures if not f.because]
    assert failure.table == table
    return failure.reason


def stale_days(shop: TinyShop, day: date) -> set[tuple[str, date]]:
    """Days that a run of that day finds built from other rows than there are now."""
    run = shop.run(day, redo_stale=True)
    return {
        (table, made)
        for table, contract in run.lake.contracts.items()
        for made in run.ledger.days(table)
        if contract.inputs and run.ledger.is_stale(contract, made)
    }


def contents(lake: Lake, first: date, last: date) -> Contents:
    """Content of every table but those of ops, by day, read from the tables."""
    return {
        name: lake.content(name, first, last)
        for name in lake.contracts
        if not name.startswith("ops.") and lake.exists(name)
    }
