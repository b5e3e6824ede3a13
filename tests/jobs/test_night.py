"""Whole nights on a tiny shop: repeated, as a range, out of order, corrected, dirty, first."""

from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conftest import HOME, TwoNights
from lakeshop.dates import days_between
from lakeshop.pipeline import STAGES, all_contracts, nightly
from shops import (
    ENTITIES,
    FIRST,
    OUTCOMES,
    SHOP,
    TinyShop,
    contents,
    line,
    product,
    run_days,
    run_stages,
    tiny_shop,
)

GOLD = sorted(t for t in all_contracts(HOME / "schemas") if t.startswith("gold."))
SECOND = FIRST + timedelta(days=1)
SIXTH = FIRST + timedelta(days=5)  # after the clocks went forward


def test_two_nights_fill_every_table(two_nights: TwoNights) -> None:
    _, held = two_nights
    for table in (
        "silver.transactions",
        "features.users",
        "similarity.neighbours",
        *GOLD,
    ):
        assert set(held[table]) == {FIRST, SECOND}, table
    # Three lines of each day are dirt; three bear the id of a line with other content.
    assert sum(content.rows for content in held["quarantine.transactions"].values()) == 6 + 3


def test_every_row_is_accounted_for(two_nights: TwoNights) -> None:
    shop, held = two_nights
    rows = shop.lake("in_order").read("ops.runs").where("table_name = 'silver.transactions'")
    runs = rows.collect()
    for row in runs:
        assert row["rows_in"] == sum(row[name] for name in OUTCOMES)
        assert row["rows_in"] == held["bronze.transactions"][row["business_date"]].rows
    # Each day repeats one line of its own; from the second day on, one of the day before.
    assert sorted(row["conflicts"] for row in runs) == [1, 2]


def test_running_a_night_again_changes_nothing(two_nights: TwoNights) -> None:
    shop, held = two_nights
    before = {name: shop.lake("in_order").version(name) for name in held}
    run_stages(shop, "in_order", SECOND, SECOND, list(STAGES))
    assert {name: shop.lake("in_order").version(name) for name in held} == before


def test_newer_code_replaces_a_night_by_the_same_rows(two_nights: TwoNights) -> None:
    shop, held = two_nights
    before = shop.lake("in_order").version("silver.transactions")
    run = shop.run(SECOND, lake="in_order")
    run.code = lambda _table: "newer code"
    STAGES["clean"](run)
    lake = shop.lake("in_order")
    assert lake.version("silver.transactions") > before
    assert lake.content("silver.transactions", FIRST, SECOND) == held["silver.transactions"]


@pytest.mark.slow
def test_nights_out_of_order_end_as_in_order(two_nights: TwoNights) -> None:
    """The second night first; the first one then makes it stale, and it is redone."""
    shop, held = two_nights
    run_stages(shop, "shuffled", SECOND, SECOND, list(STAGES))
    run_stages(shop, "shuffled", FIRST, FIRST, list(STAGES))
    assert contents(shop.lake("shuffled"), FIRST, SECOND) == held
    newest = shop.lake("shuffled").read("gold.recommendations_latest").select("business_date")
    assert {row[0] for row in newest.distinct().collect()} == {SECOND}


@pytest.fixture(scope="module")
def six_nights(ten_days: TinyShop) -> TinyShop:
    for day in days_between(FIRST, SIXTH):
        run_days(ten_days, "nights", day, day)
    return ten_days


@pytest.mark.slow
def test_a_range_of_days_equals_its_nights(six_nights: TinyShop) -> None:
    run_days(six_nights, "range", FIRST, SIXTH)
    nights = contents(six_nights.lake("nights"), FIRST, SIXTH)
    assert len(nights["silver.transactions"]) == 6
    assert contents(six_nights.lake("range"), FIRST, SIXTH) == nights


@pytest.mark.slow
@pytest.mark.slow
def test_a_day_delivered_wrong_and_corrected_ends_as_delivered_right(six_nights: TinyShop) -> None:
    right = contents(six_nights.lake("nights"), FIRST, SIXTH)
    drop = six_nights.landing / "transactions" / f"{FIRST}.jsonl"
    text = drop.read_text()
    drop.write_text(text.replace('"t1"', '"t9001"').replace('"2.50"', '"7.77"', 2))
    run_days(six_nights, "nights", FIRST, FIRST)
    wrong = contents(six_nights.lake("nights"), FIRST, SIXTH)
    assert wrong["silver.transactions"][FIRST] != right["silver.transactions"][FIRST]
    # The line that the next day repeats was not known any more: that day changed too.
    assert wrong["silver.transactions"][SECOND] != right["silver.transactions"][SECOND]
    drop.write_text(text)
    run_days(six_nights, "nights", FIRST, FIRST)
    assert contents(six_nights.lake("nights"), FIRST, SIXTH) == right


def test_too_many_bad_rows_stop_the_run_before_silver(spark: SparkSession, tmp_path: Path) -> None:
    shop = tiny_shop(spark, tmp_path)
    bad = [line(n, "not a time") for n in range(6)]
    shop.deliver("transactions", FIRST, [line(10, f"{FIRST} 10:00:00"), *bad])
    run = run_stages(shop, "lake", FIRST, FIRST, ("ingest", "clean"))
    (failure,) = [f for f in run.failures if not f.because]
    assert failure.table == "silver.transactions"
    assert "at most 5.0% bad rows. Received 6 of 7" in failure.reason
    lake = shop.lake()
    assert not lake.exists("silver.transactions")
    reasons = lake.read("quarantine.transactions").select("reasons").collect()
    assert [r["reasons"] for r in reasons] == [["wrong type: occurred_at should be timestamp"]] * 6


def test_a_share_of_bad_rows_far_above_that_of_days_before_is_a_warning(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The same six bad rows each day: they are told of once, where they are new."""
    shop = tiny_shop(spark, tmp_path, quality={"max_rejected_rows": 0.6})
    for n, day in enumerate(days_between(FIRST, FIRST + timedelta(days=2))):
        bad = [line(100 * n + i, "not a time") for i in range(6 if n else 0)]
        good = [line(100 * n + 50 + i, f"{day} 10:00:00") for i in range(6)]
        shop.deliver("transactions", day, [*good, *bad])
        run_stages(shop, "lake", day, day, ("ingest", "clean"))
    told = shop.lake().read("ops.runs").where("table_name = 'silver.transactions'").collect()
    said = "unusual: 6 of 12 rows rejected (50.0%), 0 of 6 (0.0%) in the 28 days before"
    assert len(told) == 3
    assert [row["business_date"] for row in told if said in row["warnings"]] == [SECOND]
    assert "unusual" not in str([row["warnings"] for row in told if said not in row["warnings"]])


@pytest.mark.parametrize("is_history", [False, True])
def test_a_shop_that_could_not_be_cleaned_is_refused_before_it_is_loaded(
    spark: SparkSession, tmp_path: Path, is_history: bool
) -> None:
    lines = ENTITIES["transactions"]
    columns = {name: origin for name, origin in lines["columns"].items() if name != "occurred_at"}
    entities = {"transactions": lines | {"columns": columns}}
    shop = tiny_shop(spark, tmp_path, shop=SHOP | {"entities": entities})
    shop.deliver("transactions", FIRST, [line(1, f"{FIRST} 10:00:00")])
    shop.deliver("transactions", "", [line(1, f"{FIRST} 10:00:00")])
    run = shop.run(FIRST, is_history=is_history)
    STAGES["ingest"](run)
    assert "missing: occurred_at" in run.unusable["bronze.transactions"]
    assert not shop.lake().exists("bronze.transactions")


def test_a_first_night_without_sales_publishes_the_fallback(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = tiny_shop(spark, tmp_path)
    shop.deliver("transactions", FIRST, [])
    shop.deliver("products", FIRST, [product(n) for n in range(3)])
    nightly(shop.run(FIRST))
    rows = shop.lake().read("gold.recommendations_latest").orderBy("rank").collect()
    assert [(r["user_id"], r["product_id"], r["reason"], r["is_fallback"]) for r in rows] == [
        ("*", f"p{n}", "part of our range in D", True) for n in range(3)
    ]
    for empty in ("gold.similar_products", "gold.inventory_forecasts", "gold.fraud_scores"):
        assert shop.lake().read(f"{empty}_latest").isEmpty()
