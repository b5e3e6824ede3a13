"""A shop with all dirt at once: a week of nights runs to the end, balanced to the row.

Till files in the encoding of Windows, receipts that begin anew each day, cancelled and foreign
lines, guests by another name, a shared account, lots of stock, owed stock, a product in two
categories and one discontinued, line breaks in quotes, a colon in a name, labels without lines, an
empty day, a day that never came, and a file that comes after its night.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakeshop.dates import days_between
from lakeshop.pipeline import main
from shops import SHOP, TAUGHT, TinyShop, tiny_shop

FIRST, LAST = date(2026, 3, 5), date(2026, 3, 11)  # Thursday to Wednesday
EMPTY, NEVER, LATE = (FIRST + timedelta(days=n) for n in (1, 2, 4))
LINES = 30  # of a day
GOODS = [f"p{n}" for n in range(8)]
FORM = {"column": "Zeit", "format": "dd.MM.yyyy HH:mm", "zone": "Europe/Berlin"}
ENTITIES: dict[str, object] = {
    "transactions": {
        "path": "till/{till}_{date:yyyyMMdd}*.csv",
        "format": "csv",
        "separator": ";",
        "encoding": "cp1252",
        "where": {"expression": "Status <> 'storniert'", "reads": ["Status"]},
        "columns": {
            "transaction_id": {"columns": ["Bon", "Pos", "{date}"]},
            "order_id": {"columns": ["Bon", "{date}"]},
            "user_id": "Kunde",
            "product_id": "Artikel",
            "store_id": "till",
            "quantity": "Menge",
            "amount": {"expression": "replace(Betrag, ',', '.')", "reads": ["Betrag"]},
            "currency": "Währung",
            "occurred_at": FORM,
        },
        "ignored": ["Notiz"],
    },
    "user_actions": {
        "path": "clicks/{date}.jsonl",
        "format": "json",
        "required": False,
        "lines": "events",
        "columns": {
            "action_id": {"columns": ["session", "events.#"]},
            "user_id": "customer.id",
            "action": "events.type",
            "product_id": "events.sku",
            "occurred_at": {"column": "events.at", "zone": "UTC"},
        },
    },
    "products": {
        "path": "catalogue/{date}T*.csv",
        "format": "csv",
        "required": False,
        "columns": {
            "product_id": "id",
            "name": "name",
            "category": "category",
            "discontinued_on": "until",
        },
    },
    "stock": {
        "path": "stock/{date}.csv",
        "format": "csv",
        "required": False,
        "on_conflict": "sum",
        "columns": {"product_id": "id", "on_hand": "pieces", "occurred_at": "counted"},
        "ignored": ["lot"],
    },
    "fraud_labels": {
        "path": "labels/{date}.csv",
        "format": "csv",
        "required": False,
        "columns": {"transaction_id": "id", "is_fraud": "fraud", "occurred_at": "at"},
    },
}


@dataclass
class Truth:
    """Lines of transactions by business date and what should become of them."""

    outcomes: dict[date, Counter[str]] = field(default_factory=dict)

    def add(self, day: date, outcome: str) -> None:
        """Count a line."""
        self.outcomes.setdefault(day, Counter())[outcome] += 1


def till_lines(day: date, truth: Truth) -> Iterator[str]:
    """The lines of a day's till file, and in `truth` what becomes of them."""
    yield "Bon;Pos;Kunde;Artikel;Menge;Betrag;Währung;Zeit;Status;Notiz"
    at = f"{day:%d.%m.%Y} 10:15"
    for n in range(LINES):
        user = ("", "NULL", "walk-in", f"k{n}", f"k{n % 5}")[n % 5]
        price, pieces, currency, status, note = f"{n % 7 + 1},50", "1", "EUR", "bezahlt", ""
        outcome = "accepted"
        if n == 3:
            status, outcome = "storniert", "left_out"
        elif n == 4:
            currency, outcome = "CHF", "left_out"
        elif n == 5:
            price, outcome = "n/a", "quarantined"
        elif n == 6:
            note = '"zwei\nZeilen; und ""Zeichen"""'
        elif n == 7:
            pieces, price = "-1", "-2,50"  # brought back
        elif n == 8:
            pieces, price = "0", "-0,50"  # a credit
        product = GOODS[n % len(GOODS)]
        yield f"{n // 3};{n % 3};{user};{product};{pieces};{price};{currency};{at};{status};{note}"
        truth.add(day, outcome)
    yield f"0;0;;{GOODS[0]};1;1,50;EUR;{at};bezahlt;"  # again
    truth.add(day, "duplicates")
    yield f"0;1;NULL;{GOODS[1]};1;99,00;EUR;{at};bezahlt;"  # the number of another line
    truth.add(day, "conflicts")


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def deliver(shop: TinyShop, day: date, truth: Truth) -> None:
    """Write all drops of a day; the till's of some days are empty or lacking."""
    landing, n = shop.landing, (day - FIRST).days
    if day != NEVER:
        text = "" if day == EMPTY else "\r\n".join(till_lines(day, truth)) + "\r\n"
        late = "held_back" if day == LATE else "till"
        write(landing / late / f"T1_{day:%Y%m%d}.csv", text, "cp1252")
    until = "2026-03-08" if n >= 3 else "9999-12-31"
    catalogue = [f'{p},"{p}\nof two lines",C,{until if p == "p7" else ""}' for p in GOODS]
    twice = ["p1,sold off,Sale,", "p1,as ever,C,"]
    rows = [*catalogue[:1], *(twice if n % 2 else twice[::-1]), *catalogue[2:]]
    write(landing / f"catalogue/{day}T02:00:00.csv", "id,name,category,until\n" + "\n".join(rows))
    counted = [f"{p},{lot},{-2 if p == 'p2' else 5},{day}" for p in GOODS for lot in (1, 2)]
    write(landing / f"stock/{day}.csv", "\r".join(["id,lot,pieces,counted", *counted]))
    visits = [
        {
            "session": f"{day}-{v}",
            "customer": {"id": f"k{v}"},
            "events": [
                {"type": "view", "sku": p, "at": f"{day} 09:00:00"} for p in GOODS[v : v + 3]
            ],
        }
        for v in range(4)
    ]
    write(landing / f"clicks/{day}.jsonl", "\n".join(map(json.dumps, visits)))
    write(landing / f"labels/{day}.csv", f"id,fraud,at\nnobody-{n},true,{day}\n")


@pytest.mark.slow
def test_a_week_of_nights_of_a_shop_with_all_dirt(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("lakeshop.engine.cli.spark_session", lambda name: spark)
    entities = {"zone": "Europe/Berlin", "currency": "EUR", "shared_accounts": ["walk-in"]}
    shop = tiny_shop(
        spark,
        tmp_path,
        **{"shop": SHOP | entities | {"entities": ENTITIES}, "quality": {"max_rejected_rows": 0.2}},
        **{"similarity": {"min_support": 1, "blocks": 2, "linear_ridge": 1}, **TAUGHT},
    )
    truth, said = Truth(), []
    for day in days_between(FIRST, LAST):
        if day == LATE + timedelta(days=1):
            name = f"T1_{LATE:%Y%m%d}.csv"
            (shop.landing / "held_back" / name).rename(shop.landing / "till" / name)
        deliver(shop, day, truth)
        caplog.clear()
        places = ["--conf", str(shop.home / "conf"), "--schemas", str(shop.home / "schemas")]
        code = main("nightly", argv=["--date", f"{day}", "--shop", "tiny", *places])
        errors = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
        assert (code, errors) == (0, []), day
        said += [r.getMessage() for r in caplog.records]
    assert_balanced(shop, truth)
    assert_told("\n".join(said))


def assert_balanced(shop: TinyShop, truth: Truth) -> None:
    """Each line became what it should, and the shop's rules hold in gold."""
    lake = shop.lake()
    runs = lake.read("ops.runs").where("table_name = 'silver.transactions' AND rows_in > 0")
    names = ("accepted", "left_out", "quarantined", "duplicates", "conflicts")
    for row in runs.collect():  # a late day is made as one range with the day after
        days = days_between(row["first_date"], row["last_date"])
        expected = sum((truth.outcomes.get(day, Counter()) for day in days), Counter[str]())
        assert Counter({name: row[name] for name in names}) == expected, days
    accepted = lake.read("silver.transactions").groupBy("business_date").count().collect()
    assert {r[0]: r[1] for r in accepted} == {d: c["accepted"] for d, c in truth.outcomes.items()}
    held = lake.read("quarantine.transactions").groupBy("business_date").count().collect()
    expected = {d: c["quarantined"] + c["conflicts"] for d, c in truth.outcomes.items()}
    assert {r[0]: r[1] for r in held} == expected
    assert lake.read("silver.transactions").where("user_id IS NULL").count() > LINES
    assert lake.read("restricted.user_keys").where("raw_user_id = 'walk-in'").isEmpty()
    actions = lake.read("silver.user_actions").groupBy("business_date").count().collect()
    assert {row["count"] for row in actions} == {12}
    counts = lake.read("silver.stock", LAST, LAST).select("product_id", "on_hand").collect()
    assert {(row[0], int(row[1])) for row in counts} == {
        (p, -4 if p == "p2" else 10) for p in GOODS
    }
    categories = lake.read("silver.products").where("product_id = 'p1'").select("category")
    assert categories.distinct().count() == 1, "it does not flip"
    for table in ("gold.recommendations", "gold.similar_products"):
        night = lake.read(table, LAST, LAST)
        assert not night.isEmpty()
        assert night.where(F.col("product_id") == "p7").isEmpty()


def assert_told(said: str) -> None:
    """What a person should know was said."""
    for text in (
        f"nothing was delivered for {EMPTY}",
        f"{NEVER}",
        "left out: 1 of CHF",
        "labels name no known",
    ):
        assert text in said, text
