"""Weighted histories of products: what the neighbours are computed from.

Two bases: what the same `user` bought over time, and what lay in the same `basket`. The weight
of a pair of products in a history is the product of their weights; it halves with every
half-life of age, so a single weight halves with every two. Weights are fixed-point integers.
"""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.frames import age_in_days, top_per
from lakeshop.similarity.histories import ONE

BASES = ("user", "basket")


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


def capped(interactions: DataFrame, max_history: int) -> DataFrame:
    """The newest `max_history` products of each history; weights of 0 are left out."""
    weighty = interactions.where(F.col("weight") > 0)
    newest = [F.desc("weight"), F.asc("product_id")]
    return top_per(weighty, ["history"], newest, max_history).drop("rank")


def _weight(age: Column, half_life_days: float) -> Column:
    halvings = age / F.lit(2.0 * half_life_days)
    return F.round(F.pow(F.lit(2.0), -halvings) * F.lit(ONE)).cast("bigint")
