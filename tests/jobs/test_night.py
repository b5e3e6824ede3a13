"""Whole nights on a tiny shop: repeated, as a range, out of order, corrected, dirty, first."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakeshop.days import days_between
from lakeshop.errors import QualityError
from lakeshop.night import STAGES, nightly
from lakeshop.tables import Content, Lake
from shops import TinyShop, action, line, product, tiny_shop

FIRST = date(2026, 3, 5)
LAST = date(2026, 3, 14)  # ten days; the clocks of New York go forward on the 8th
THREE = FIRST + timedelta(days=2)
BY_DAY = ("ingest", "clean", "build_features")
Contents = Mapping[str, Mapping[date, Content]]


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TinyShop:
    similarity = {"min_support": 1, "blocks": 2, "linear_ridge": 1}
    quality = {"max_rejected_rows": 0.4}
    shop = tiny_shop(spark, tmp_path_factory.mktemp("shop"), similarity=similarity, quality=quality)
    for n, day in enumerate(days_between(FIRST, LAST)):
        shop.deliver("transactions", day, lines(n, day))
        shop.deliver(
            "user_actions", day, [action(n, f"{day} 09:00:00"), action(n // 2, f"{day} 10:00:00")]
        )
    shop.deliver("products", FIRST, [product(n) for n in range(4)])
    shop.deliver("products", FIRST + timedelta(days=3), [product(1, title="Renamed"), product(2)])
    return shop


def lines(n: int, day: date) -> Sequence[Mapping[str, object]]:
    """A day's order lines with a repeat, a late row, a line of the evening and dirt."""
    fresh = [
        line(
            100 * n + i,
            f"{day} {9 + i}:30:00",
            user=f"u{(n + i) % 4}",
            product=f"p{i % 4}",
            order=f"o{n}-{i // 2}",
        )
        for i in range(6)
    ]
    evening = line(100 * n + 50, f"{day} 23:45:00", user="u9", product="p1", amount="3.00")
    late = line(100 * n + 60, f"{day - timedelta(days=2)} 12:00:00", user="u1")
    repeated = dict(fresh[0]) | {"amount": "9.99"}
    of_yesterday = line(100 * (n - 1) + 1, f"{day} 10:30:00")
    dirt = [
        line(100 * n + 70, f"{day} 12:00:00", amount="-1"),
        line(100 * n + 71, f"{day + timedelta(days=1)} 00:10:00"),
        line(100 * n + 72, "yesterday"),
    ]
    return [*fresh, evening, late, repeated, of_yesterday, *dirt]


def run_stages(shop: TinyShop, lake: str, first: date, last: date, stages: Sequence[str]) -> None:
    run = shop.run(first, last, lake=lake, redo_stale=True)
    for stage in stages:
        STAGES[stage](run)
    run.flush()


def contents(lake: Lake, first: date, last: date) -> Contents:
    """What every table but those of ops holds, by day."""
    return {
        name: lake.content(name, first, last)
        for name in lake.contracts
        if not name.startswith("ops.") and lake.exists(name)
    }


@pytest.fixture(scope="module")
def in_order(shop: TinyShop) -> Contents:
    """Three whole nights, one after the other."""
    for day in days_between(FIRST, THREE):
        run_stages(shop, "in_order", day, day, list(STAGES))
    return contents(shop.lake("in_order"), FIRST, THREE)


def test_three_nights_fill_every_table(in_order: Contents) -> None:
    for table in ("silver.transactions", "features.users", "similarity.neighbours"):
        assert set(in_order[table]) == set(days_between(FIRST, THREE)), table
    for table in (
        "gold.recommendations",
        "gold.similar_products",
        "gold.inventory_forecasts",
        "gold.fraud_scores",
    ):
        assert set(in_order[table]) == set(days_between(FIRST, THREE)), table
    assert sum(c.rows for c in in_order["quarantine.transactions"].values()) == 9


def test_every_row_is_accounted_for(shop: TinyShop, in_order: Contents) -> None:
    runs = shop.lake("in_order").read("ops.runs").where("table_name = 'silver.transactions'")
    for row in runs.collect():
        assert row["rows_in"] == row["accepted"] + row["quarantined"] + row["duplicates"]
        assert row["rows_in"] == in_order["bronze.transactions"][row["business_date"]].rows
    # Each day repeats one line of its own; from the second day on, one of the day before.
    assert sorted(r["duplicates"] for r in runs.collect()) == [1, 2, 2]


def test_running_a_night_again_changes_nothing(shop: TinyShop, in_order: Contents) -> None:
    lake = shop.lake("in_order")
    before = {name: lake.version(name) for name in in_order}
    run_stages(shop, "in_order", THREE, THREE, list(STAGES))
    assert {name: shop.lake("in_order").version(name) for name in in_order} == before


def test_changed_code_replaces_a_night_by_the_same_rows(shop: TinyShop, in_order: Contents) -> None:
    run = shop.run(THREE, lake="in_order")
    run.code = "newer code"
    STAGES["clean"](run)
    lake = shop.lake("in_order")
    assert lake.content("silver.transactions", FIRST, THREE) == in_order["silver.transactions"]
    assert lake.version("silver.transactions") > 0


def test_out_of_order_and_corrected_days_end_as_in_order(
    shop: TinyShop, in_order: Contents
) -> None:
    """D3, D1 as first delivered with an error, D2, then D1 corrected."""
    good = shop.landing / "transactions" / f"{FIRST}.jsonl"
    text = good.read_text()
    run_stages(shop, "shuffled", THREE, THREE, list(STAGES))
    good.write_text(text.replace('"2.50"', '"7.77"', 2))
    run_stages(shop, "shuffled", FIRST, FIRST, list(STAGES))
    good.write_text(text)
    middle = FIRST + timedelta(days=1)
    run_stages(shop, "shuffled", middle, middle, list(STAGES))
    run_stages(shop, "shuffled", FIRST, FIRST, list(STAGES))
    assert contents(shop.lake("shuffled"), FIRST, THREE) == in_order


def test_a_range_of_ten_days_equals_its_nights(shop: TinyShop) -> None:
    for day in days_between(FIRST, LAST):
        run_stages(shop, "nights", day, day, BY_DAY)
    run_stages(shop, "range", FIRST, LAST, BY_DAY)
    nights = contents(shop.lake("nights"), FIRST, LAST)
    whole = contents(shop.lake("range"), FIRST, LAST)
    by_day = [name for name in whole if shop.lake().contracts[name].is_by_day]
    assert {name: whole[name] for name in by_day} == {name: nights[name] for name in by_day}
    for snapshot in ("features.users", "features.products"):
        assert whole[snapshot] == {LAST: nights[snapshot][LAST]}


def test_too_many_bad_rows_stop_the_run_before_silver(spark: SparkSession, tmp_path: Path) -> None:
    shop = tiny_shop(spark, tmp_path)
    bad = [line(n, "not a time") for n in range(6)]
    shop.deliver("transactions", FIRST, [line(10, f"{FIRST} 10:00:00"), *bad])
    with pytest.raises(QualityError, match=r"at most 5.0% bad rows. Received 6 of 7"):
        run_stages(shop, "lake", FIRST, FIRST, ("ingest", "clean"))
    lake = shop.lake()
    assert not lake.exists("silver.transactions")
    reasons = lake.read("quarantine.transactions").select("reasons").collect()
    assert [r["reasons"] for r in reasons] == [["wrong type: occurred_at should be timestamp"]] * 6


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
