"""features.user_products: frequency and recency of each user's purchases of each product.

Summed over products, these habits measure the activity of a user. Summed over users, they measure
how regularly a product is rebought. Recommendations and similarities are computed from them. Days
with a purchase are counted, not lines: a split order counts once.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Features
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days, decayed

PAIR = ("user_id", "product_id")
TRENDS = (3, 14, 28, 84)  # days over which purchase days are counted


def user_products(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user and product bought in the look-back."""
    purchases = purchase_days(tables["features.user_product_days"])
    return habits(purchases, context.day, context.settings.features)


def purchase_days(days: DataFrame) -> DataFrame:
    """user_id, product_id, event_date: each day on which a user bought a product, once."""
    bought = days.where(F.col("lines") > 0).select(*PAIR, "event_date")
    # Hardly a day is filed twice: moved once by pair, rows need not be moved again to sum them.
    return bought.repartition(*PAIR).distinct()


def habits(purchases: DataFrame, day: date, settings: Features) -> DataFrame:
    """One row per user and product, ages in days on the business date.

    Args:
        purchases: as from `purchase_days`.
        day: the business date.
        settings: half-lives of `habit` and of `recent`, the fixed-point sums of the purchase days'
            weights.
    """
    age = age_in_days(day)
    return purchases.groupBy(*PAIR).agg(
        F.count("*").alias("purchase_days"),
        *[F.count_if(age < days).alias(f"purchase_days_{days}") for days in TRENDS],
        F.min(age).alias("days_since_purchase"),
        F.max(age).alias("days_since_first_purchase"),
        F.sum(decayed(age, settings.half_life_days)).alias("habit"),
        F.sum(decayed(age, settings.recent_half_life_days)).alias("recent"),
    )
