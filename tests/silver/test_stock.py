"""The derived columns of stock."""

from datetime import date, datetime

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
