"""The derived columns of stock."""

from datetime import date, datetime

from pyspark.sql import functions as F

from lakeshop.contracts.migration import migration
from lakeshop.silver.entities import ALL_STORES, STOCK_DERIVED, CleaningContext, stock

COUNTED = datetime(2026, 3, 11, 3, 30)  # 23:30 of the day before in New York
AROUND = CleaningContext({}, "America/New_York")


def test_a_shop_without_stores_has_one_stock(spark):
    rows = spark.createDataFrame([("p1", COUNTED)], "product_id STRING, occurred_at TIMESTAMP")
    found = stock(rows, AROUND)
    assert set(found.columns) - set(rows.columns) == STOCK_DERIVED
    [row] = found.collect()
    assert (row["event_date"], row["store_id"]) == (date(2026, 3, 10), ALL_STORES)


def test_delivered_stores_stay(spark):
    columns = "product_id STRING, store_id STRING, occurred_at TIMESTAMP"
    rows = spark.createDataFrame([("p1", "s1", COUNTED), ("p1", None, COUNTED)], columns)
    assert [row["store_id"] for row in stock(rows, AROUND).collect()] == ["s1", None]


TERMS = "terms_are_possible"


def test_a_day_may_have_25_hours(spark, contracts):
    """As where clocks go back; an older lake's constraint is renewed."""
    contract = contracts["silver.stock"]
    [terms] = [check.holds for check in contract.checks if check.name == TERMS]
    rows = spark.createDataFrame([(24,), (25,), (26,)], "hours_sold_out INT").select(
        "hours_sold_out",
        *[
            F.lit(None).cast("double").alias(f"lead_time{end}")
            for end in ("_days", "_deviation_days")
        ],
        *[F.lit(None).cast("int").alias(name) for name in ("pack_size", "shelf_life_days")],
    )
    assert [row[0] for row in rows.where(terms).collect()] == [24, 25]
    now = dict(contract.table_properties())
    name = f"delta.constraints.{TERMS}"
    assert migration(contract, "x", contract.struct, now) == []
    before = now | {name: now[name].replace("AND 25", "AND 24")}
    dropped, added = migration(contract, "x", contract.struct, before)
    assert dropped.endswith(f"DROP CONSTRAINT `{TERMS}`")
    assert f"ADD CONSTRAINT `{TERMS}` CHECK (" in added
    assert "BETWEEN 0 AND 25" in added
