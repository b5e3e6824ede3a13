"""Weighted histories of products: what the neighbours are computed from.

Two bases: what the same `user` bought over time, and what lay in the same `basket`. The weight
of a pair of products in a history is the product of their weights; it halves with every
half-life of age, so a single weight halves with every two. Weights are fixed-point integers.
"""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.frames import age_in_days
from lakeshop.similarity.histories import ONE


def user_interactions(habits: DataFrame, half_life_days: float) -> DataFrame:
    """Columns history (the user), product_id, weight: by the age of the last purchase."""
    weight = _weight(F.col("days_since_purchase"), half_life_days)
    return habits.select(F.col("user_id").alias("history"), "product_id", weight.alias("weight"))


def basket_interactions(lines: DataFrame, day: date, half_life_days: float) -> DataFrame:
    """Columns history (the order), product_id, weight: by the age of the order; no refunds."""
    return (
        lines.where(F.col("quantity") >= 0)
        .groupBy(F.col("order_id").alias("history"), "product_id")
        .agg(_weight(F.min(age_in_days(day)), half_life_days).alias("weight"))
    )


def in_histories(interactions: DataFrame, max_history: int) -> DataFrame:
    """Column entries: a row per history, an array of its products' weight and product_id.

    Of longer histories the `max_history` newest count, of equals the larger ids; weights of 0
    are left out.
    """
    entries = F.collect_list(F.struct("weight", "product_id"))
    packed = interactions.where(F.col("weight") > 0).groupBy("history").agg(entries.alias("e"))
    newest = F.slice(F.sort_array("e", asc=False), 1, max_history)
    return packed.select(
        F.when(F.size("e") > max_history, newest).otherwise(F.col("e")).alias("entries")
    )


def item_statistics(histories: DataFrame) -> DataFrame:
    """One row per product: histories that hold it, norm and work.

    `norm` is the sum of squared weights; `work` the summed length of the product's histories,
    which is what the kernel does for it.
    """
    return (
        histories.select(F.size("entries").alias("length"), F.inline("entries"))
        .groupBy("product_id")
        .agg(
            F.count("*").alias("histories"),
            F.sum(F.col("weight") * F.col("weight")).alias("norm"),
            F.sum("length").alias("work"),
        )
    )


def _weight(age: Column, half_life_days: float) -> Column:
    halvings = age / F.lit(2.0 * half_life_days)
    return F.round(F.pow(F.lit(2.0), -halvings) * F.lit(ONE)).cast("bigint")
