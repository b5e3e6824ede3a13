"""silver.stock: one row per product, store and day counted."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.silver.events import Surroundings, with_event_date

DERIVED = {"event_date", "store_id"}
ALL_STORES = "*"


def stock(levels: DataFrame, around: Surroundings) -> DataFrame:
    """Typed stock levels with the day of the count and, always, a store."""
    return levels.transform(with_event_date, around.zone).transform(with_store)


def with_store(levels: DataFrame) -> DataFrame:
    """Levels of a shop that delivers no store are those of its one stock."""
    if "store_id" in levels.columns:
        return levels
    return levels.withColumn("store_id", F.lit(ALL_STORES))
