"""Promotions as planned: a plan that is announced anew replaces the old one.

A promotion is known by its product and first day. A later version of it replaces the one before.
So does a promotion of the same product that was announced later and moves it: more than half of
the days of each are days of the other. The old one then ends when the new one was announced, or
before it begins. Other promotions of a product go on beside one another.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE

VALUES = ("ends_on", "display_stores", "mailer_stores")
DAYS = ("starts_on", "ends_on", "known_on")


def planned(versions: DataFrame) -> DataFrame:
    """One row per promotion: its newest values, and `known_on`, the day it was first announced.

    Args:
        versions: all versions of silver.promotions known on a day.
    """
    # Each by itself: to compare structs, Spark sorts all versions.
    newest = [F.max_by(name, BUSINESS_DATE).alias(name) for name in VALUES]
    by_start = W.partitionBy("product_id").orderBy("starts_on")
    beside = [near(F.struct(*DAYS), 1).over(by_start) for near in (F.lag, F.lead)]
    return (
        # Hardly a row is a second version: moved once, rows need not be moved for each step.
        versions.repartition("product_id")
        .groupBy("product_id", "starts_on")
        .agg(*newest, F.min(BUSINESS_DATE).alias("known_on"))
        .withColumns({f"_{n}": other for n, other in enumerate(beside)})
        .withColumn("ends_on", F.least("ends_on", *[_end_before(F.col(f"_{n}")) for n in (0, 1)]))
        .where(F.col("ends_on") >= F.col("starts_on"))
        .drop("_0", "_1")
    )


def _end_before(new: Column) -> Column:
    """The last day of a promotion that another one replaces; NULL where it does not."""
    last, first = F.least("ends_on", new["ends_on"]), F.greatest("starts_on", new["starts_on"])
    common = F.date_diff(last, first) + 1
    lengths = [
        F.date_diff(F.col("ends_on"), F.col("starts_on")) + 1,
        F.date_diff(new["ends_on"], new["starts_on"]) + 1,
    ]
    is_moved = (new["known_on"] > F.col("known_on")) & (2 * common > F.greatest(*lengths))
    return F.when(is_moved, F.least(new["known_on"], F.date_sub(new["starts_on"], 1)))
