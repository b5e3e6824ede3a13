"""Days that come in any order, twice, or corrected end as days delivered right and in order.

Whole nights, all tables but those of ops, compared row by row.
"""

import gzip
import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from chaos.report import Report
from lakeshop.pipeline import nightly
from shops import FIRST, Contents, TinyShop, contents, ten_day_shop

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
DAYS = [FIRST + timedelta(days=n) for n in range(3)]


def run_nights(shop: TinyShop, lake: str, days: Sequence[date]) -> Contents:
    for day in days:
        run = shop.run(day, lake=lake, redo_stale=True)
        nightly(run)
        run.flush()
    return contents(shop.lake(lake), DAYS[0], DAYS[-1])


def different(found: Contents, right: Contents) -> list[str]:
    return [table for table in right if found.get(table) != right[table]]


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TinyShop:
    return ten_day_shop(spark, tmp_path_factory.mktemp("order"))


@pytest.fixture(scope="module")
def in_order(shop: TinyShop) -> Contents:
    return run_nights(shop, "in_order", DAYS)


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0)], ids=["D3 D1 D2", "D2 D3 D1"])
def test_nights_out_of_order(
    shop: TinyShop, in_order: Contents, chaos_report: Report, order: tuple[int, ...]
) -> None:
    lake = "shuffled" + "".join(map(str, order))
    found = run_nights(shop, lake, [DAYS[n] for n in order])
    lost = different(found, in_order)
    chaos_report("three nights out of order", lost=len(lost))
    assert lost == []
    twin = shop.lake(lake).read("gold.recommendations_latest").select("business_date").distinct()
    assert [row[0] for row in twin.collect()] == [DAYS[-1]]


def drop_of(shop: TinyShop, day: date) -> Path:
    return shop.landing / "transactions" / f"{day}.jsonl"


def test_an_old_day_delivered_again_changes_nothing(
    shop: TinyShop, in_order: Contents, chaos_report: Report
) -> None:
    """The same rows, zipped and so another file: bronze keeps where a row came from."""
    of_files = {"bronze.transactions", "quarantine.transactions"}
    drop = drop_of(shop, DAYS[0])
    zipped = drop.with_suffix(".jsonl.gz")
    zipped.write_bytes(gzip.compress(drop.read_bytes(), mtime=0))
    text = drop.read_bytes()
    drop.unlink()
    try:
        found = run_nights(shop, "in_order", [DAYS[0]])
    finally:
        drop.write_bytes(text)
        zipped.unlink()
    lost = [table for table in different(found, in_order) if table not in of_files]
    lost += different(run_nights(shop, "in_order", [DAYS[0]]), in_order)
    chaos_report("old day delivered again", lost=len(lost))
    assert lost == []


def test_one_row_corrected_late(
    shop: TinyShop,
    in_order: Contents,
    chaos_report: Report,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As if it had been right from the start, and on the way back again."""
    drop = drop_of(shop, DAYS[0])
    wrong = drop.read_text()
    rows = [json.loads(line) for line in wrong.splitlines()]
    rows[1] |= {"amount": "8.75", "product": "p3"}
    drop.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    right = run_nights(shop, "right_from_the_start", DAYS)
    with caplog.at_level("INFO", "lakeshop"):
        late = run_nights(shop, "in_order", [DAYS[0]])
    stale = f"{DAYS[1]} of gold.recommendations is stale, its inputs have changed: redone"
    assert stale in caplog.text
    drop.write_text(wrong)
    back = run_nights(shop, "in_order", [DAYS[0]])
    lost = different(late, right) + different(back, in_order)
    chaos_report("one row of an old day corrected", tried=2, lost=len(lost))
    assert lost == []
    assert right != in_order
