"""Habits: how often and how lately each user bought each product.

No table of its own: `features.products` sums habits over users, `gold.recommendations` scores
them. Days with a purchase are counted, not lines, so that a split order counts once.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.frames import age_in_days, decayed
from lakeshop.settings import Features

PAIR = ("user_id", "product_id")


def purchase_days(days: DataFrame) -> DataFrame:
    """user_id, product_id, event_date: each day on which a user bought a product, once."""
    return days.where(F.col("lines") > 0).select(*PAIR, "event_date").distinct()


def habits(purchases: DataFrame, day: date, settings: Features) -> DataFrame:
    """One row per user and product ever bought, ages in days on the business date.

    Args:
        purchases: as from `purchase_days`.
        day: the business date.
        settings: half-lives of `habit` and of `recent`, the fixed-point sums (1 / ONE) of the
            purchase days' weights.
    """
    age = age_in_days(day)
    return purchases.groupBy(*PAIR).agg(
        F.count("*").alias("purchase_days"),
        F.max(age).alias("first_age"),
        F.min(age).alias("last_age"),
        F.sum(decayed(age, settings.half_life_days)).alias("habit"),
        F.sum(decayed(age, settings.recent_half_life_days)).alias("recent"),
    )
