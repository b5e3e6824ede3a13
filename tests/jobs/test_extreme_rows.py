"""Extreme but honest rows of every entity through whole nights: none ends a night or is lost.

Each value is one that its column's type and the rules of its contract allow, at their edges.
"""

import json
import logging
import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakeshop.dates import days_between
from lakeshop.pipeline import main
from shops import ENTITIES, OUTCOMES, SHOP, TAUGHT, TinyShop, tiny_shop

FIRST, LAST = date(2026, 3, 8), date(2026, 3, 10)  # Sunday to Tuesday: a training between them
ROWS = 40
TIME = {"column": "occurred_at", "format": "yyyy-MM-dd HH:mm:ss", "zone": "UTC"}


def delivered(entity: str, *columns: str) -> dict[str, object]:
    """An entity of JSON lines whose columns bear our names."""
    mapped: dict[str, object] = {name: TIME if name == "occurred_at" else name for name in columns}
    path = f"{entity}/{{date}}.jsonl"
    return {"path": path, "required": False, "format": "json", "columns": mapped}


MAPPED: dict[str, object] = {
    "transactions": delivered(
        *("transactions", "transaction_id", "order_id", "user_id", "product_id", "store_id"),
        *("quantity", "unit_price", "discount", "amount", "currency", "occurred_at"),
    ),
    "user_actions": ENTITIES["user_actions"],
    "products": delivered(
        *("products", "product_id", "name", "category", "list_price"),
        *("updated_at", "discontinued_on"),
    ),
    "promotions": delivered(
        *("promotions", "product_id", "starts_on", "ends_on", "display_stores", "mailer_stores")
    ),
    "stock": delivered(
        *("stock", "product_id", "store_id", "on_hand", "on_order", "hours_sold_out"),
        *("lead_time_days", "lead_time_deviation_days", "pack_size", "shelf_life_days"),
        "occurred_at",
    ),
    "users": delivered("users", "user_id", "birth_date", "registered_on", "updated_at"),
    "fraud_labels": delivered("fraud_labels", "transaction_id", "is_fraud", "occurred_at"),
}

# -- values at the edges ---------------------------------------------------------------------------

NAMES = ["p1", "p2", "p'3", "p 4", "\N{SNOWMAN}" * 50, 'p"5\\', "p" * 500, "0", "-1", "p%_"]
USERS = [None, "u1", "u2", "u'3", "\N{SNOWMAN}", "u" * 300, "0"]
STORES = [None, "s1", "*", "s 2", "\N{SNOWMAN}"]
MONEY = ["0", "0.01", "1.50", "9.99", "9999999999.99"]
COUNTED = ["0", "0.001", "1", "2.5", "99999.999", "100000"]
STOCKED = ["0", "0.001", "7", "999999999.999"]
DAYS = ["0001-01-01", "1969-12-31", "2026-03-09", "2999-12-31", "9999-12-31"]
WHOLE = [1, 2, 12, 2**31 - 1]
TIMES = ["0", "1e-300", "2.5", "1e9", "1.7976931348623157e308"]
Rows = list[dict[str, object]]


class Draw:
    """Draws rows at random, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def of(self, *pools: Sequence[object]) -> object:
        """A value of one of the pools."""
        return self._random.choice([value for pool in pools for value in pool])

    def moment(self, day: date) -> str:
        """A moment of a day or of the three weeks before it, whose drop comes late."""
        age = self.of([0, 0, 0, 1, 7, 20])
        assert isinstance(age, int)
        return f"{day - timedelta(days=age)} {self.of(['00:00:00', '11:30:00', '23:59:59'])}"

    def line(self, number: int, day: date) -> dict[str, object]:
        """An order line; with a negative quantity the amount is negative, as the contract asks."""
        sign = self.of(["", "", "", "-"])
        return {
            "transaction_id": f"{day}-{number}",
            "order_id": f"{day}-{self.of(range(12))}",
            "user_id": self.of(USERS),
            "product_id": self.of(NAMES),
            "store_id": self.of(STORES),
            "quantity": f"{sign}{self.of(COUNTED)}",
            "unit_price": self.of([None], MONEY),
            "discount": self.of([None, "-1.00"], MONEY),
            "amount": f"{sign}{self.of(MONEY)}",
            "currency": "EUR",
            "occurred_at": self.moment(day),
        }

    def product(self, name: str) -> dict[str, object]:
        """A product of the catalogue."""
        return {
            "product_id": name,
            "name": self.of(["Milk", "\N{SNOWMAN}" * 2000, "x"]),
            "category": self.of([None, "C", "\N{SNOWMAN}" * 300]),
            "list_price": self.of([None], MONEY),
            "updated_at": self.of([None], DAYS),
            "discontinued_on": self.of([None, None, None], DAYS),
        }

    def promotion(self) -> dict[str, object]:
        """A promotion."""
        starts_on, ends_on = sorted(f"{self.of(DAYS)}" for _ in range(2))
        return {
            "product_id": self.of(NAMES),
            "starts_on": starts_on,
            "ends_on": ends_on,
            "display_stores": self.of([0], WHOLE),
            "mailer_stores": self.of([0], WHOLE),
        }

    def level(self, day: date) -> dict[str, object]:
        """A count of stock, with its terms."""
        return {
            "product_id": self.of(NAMES),
            "store_id": self.of(["*", "s1", "s 2"]),
            "on_hand": self.of(STOCKED),
            "on_order": self.of([None], STOCKED),
            "hours_sold_out": self.of([None, 0, 24]),
            "lead_time_days": self.of([None], TIMES),
            "lead_time_deviation_days": self.of([None], TIMES),
            "pack_size": self.of([None], WHOLE),
            "shelf_life_days": self.of([None], WHOLE),
            "occurred_at": self.moment(day),
        }

    def person(self, user: str | None) -> dict[str, object]:
        """A user's own data."""
        days = {n: self.of([None], DAYS) for n in ("birth_date", "registered_on", "updated_at")}
        return {"user_id": user} | days

    def label(self, day: date) -> dict[str, object]:
        """What an investigation found of a line."""
        of_day = self.of(days_between(FIRST, day))
        found = {
            "transaction_id": f"{of_day}-{self.of(range(9))}",
            "is_fraud": self.of(["true", "false"]),
        }
        return found | {"occurred_at": self.moment(day)}

    def drops(self, day: date) -> dict[str, Rows]:
        """Rows of each entity for a day."""
        return {
            "transactions": [self.line(n, day) for n in range(ROWS)],
            "products": [self.product(name) for name in NAMES],
            "promotions": [self.promotion() for _ in range(10)],
            "stock": [self.level(day) for _ in range(12)],
            "users": [self.person(user) for user in USERS if user],
            "fraud_labels": [self.label(day) for _ in range(5)],
        }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_extreme_rows_end_no_night(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seed: int,
) -> None:
    monkeypatch.setattr("lakeshop.engine.cli.spark_session", lambda name: spark)
    draw = Draw(seed)
    shop = shop_of(spark, tmp_path, {d: draw.drops(d) for d in days_between(FIRST, LAST)})
    code = night(shop, FIRST, LAST)
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert (code, [text for text in said if "failed" in text]) == (0, [])
    assert_nothing_lost(shop)


def shop_of(
    spark: SparkSession, home: Path, delivered: Mapping[date, Mapping[str, Rows]]
) -> TinyShop:
    """A shop with the drops of the days."""
    keys = {"shop": SHOP | {"zone": "UTC", "entities": MAPPED}} | TAUGHT
    keys |= {"similarity": {"min_support": 1, "blocks": 2, "linear_ridge": 1}}
    shop = tiny_shop(spark, home, **keys)
    for day, drops in delivered.items():
        for entity, rows in drops.items():
            path = shop.landing / entity / f"{day}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return shop


def night(shop: TinyShop, first: date, last: date) -> int:
    """Run the night of a range; return its exit code."""
    days = ["--from", f"{first}", "--to", f"{last}", "--shop", "tiny"]
    places = ["--conf", str(shop.home / "conf"), "--schemas", str(shop.home / "schemas")]
    return main("nightly", argv=[*days, *places])


def assert_nothing_lost(shop: TinyShop) -> None:
    """Each delivered row is accounted for, and forecasts are numbers."""
    lake = shop.lake()
    for run in lake.read("ops.runs").where(F.col("table_name").startswith("silver.")).collect():
        assert run["rows_in"] == sum(run[name] for name in OUTCOMES)
    lines = lake.read("silver.transactions").count() + lake.read("quarantine.transactions").count()
    assert lines == ROWS * len(days_between(FIRST, LAST))
    assert lake.read("gold.inventory_forecasts").where("isnan(mean) OR mean < 0").isEmpty()
