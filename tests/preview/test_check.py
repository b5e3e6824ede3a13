"""`nightly --check` on a small shop: what it shows, how it ends, and that it writes nothing."""

import logging
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakeshop.pipeline import main
from shops import TinyShop, line, product, tiny_shop

MONDAY, TUESDAY = date(2026, 3, 9), date(2026, 3, 10)


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyShop:
    shop = tiny_shop(spark, tmp_path)
    shop.deliver("products", MONDAY, [product(n) for n in range(3)])
    lines = [line(n, f"{TUESDAY} 10:{n}:00", product=f"p{n % 3}") for n in range(10, 30)]
    shop.deliver("transactions", TUESDAY, lines)
    monkeypatch.setattr("lakeshop.engine.cli.spark_session", lambda name: spark)
    return shop


def checked(shop: TinyShop, caplog: pytest.LogCaptureFixture, *days: str) -> tuple[int, str]:
    """Check the shop; return the exit code and all that was said."""
    caplog.set_level(logging.INFO)
    places = ["--conf", str(shop.home / "conf"), "--schemas", str(shop.home / "schemas")]
    code = main("nightly", argv=["--check", *days, "--shop", "tiny", *places])
    return code, "\n".join(record.getMessage() for record in caplog.records)


def test_the_newest_drops_and_the_night_to_come(shop, caplog):
    code, said = checked(shop, caplog, "--date", f"{date(2026, 3, 20)}")
    assert code == 0
    assert f"products: products/{MONDAY}.csv, 3 rows looked at, 3 fit" in said
    assert f"transactions: transactions/{TUESDAY}.jsonl, 20 rows looked at, 20 fit" in said
    assert "user_actions: no drop until 2026-03-20" in said
    assert "it may be absent" in said
    assert f"A night of {TUESDAY} would make" in said
    [models] = [text for text in said.splitlines() if text.split()[:1] == ["models"]]
    assert models.split()[1] == f"{MONDAY}", "the training day before"
    assert not (shop.home / "lake").exists(), "nothing is written"


def test_a_renamed_column_of_the_newest_drop_ends_with_2(shop, caplog):
    rows = [{"article": f"p{n}", "title": f"Product {n}"} for n in range(3)]
    shop.deliver("products", TUESDAY, rows)
    code, said = checked(shop, caplog, "--date", f"{TUESDAY}")
    assert code == 2
    assert "the mapping reads sku, brand, category, department, which the drop lacks" in said
    assert "it has article, title" in said
    assert "not mapped: article" in said
    assert f"transactions: transactions/{TUESDAY}.jsonl, 20 rows looked at, 20 fit" in said


def test_what_is_published_is_left(shop, caplog):
    places = ["--conf", str(shop.home / "conf"), "--schemas", str(shop.home / "schemas")]
    assert main("ingest", argv=["--date", f"{TUESDAY}", "--shop", "tiny", *places]) == 0
    before = sorted(str(path) for path in (shop.home / "lake").rglob("*"))
    caplog.clear()
    code, said = checked(shop, caplog, "--date", f"{TUESDAY}")
    assert code == 0
    assert "as they are: bronze.products, bronze.transactions, bronze.user_actions" in said
    assert sorted(str(path) for path in (shop.home / "lake").rglob("*")) == before
