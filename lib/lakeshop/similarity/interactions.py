"""Weighted interactions: the input of the neighbours.

Three bases: interactions of the same `user` over time, products of the same `basket`, and products
looked at in the same `visit`. Columns: history (the user, the order or the visit), product_id,
weight (fixed-point, 0 to 1) and age (days). A history may hold a product several times; its largest
weight counts. Many views or clicks therefore never make a user weigh more than one. `bought` counts
a row's purchases: it is negative where lines were taken back, which `packing` subtracts, and 0 of
other actions.

The weight of a pair of products in a history is the product of their weights. It halves with every
half-life of age: a single weight halves with every two half-lives.
"""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Action
from lakeshop.engine.transforms import age_in_days
from lakeshop.features.order_lines import is_purchase, sign
from lakeshop.similarity.histories import WEIGHT_SCALE

COUNTED_IN: Mapping[Action, str] = {"purchase": "lines", "cart": "carts", "view": "views"}
"""The column of features.user_product_days that counts each action."""
VISITED_DAYS = 84  # views are many, and tell of what is in the range now


def user_interactions(
    days: DataFrame, day: date, half_life_days: float, action_weights: Mapping[Action, float]
) -> DataFrame:
    """One row per user, day and product, weighted by its strongest action and its age.

    Args:
        days: rows of features.user_product_days.
        day: the business date.
        half_life_days: of the weight of a pair.
        action_weights: 0 to 1 of each action of COUNTED_IN; actions without a weight do not count.
    """
    lines, purchase = F.col("lines"), float(action_weights.get("purchase", 0))
    counted = [
        F.when(F.col(COUNTED_IN[action]) > 0, F.lit(float(weight)))
        for action, weight in sorted(action_weights.items())
        if weight > 0
    ]
    counted.append(F.when(lines < 0, F.lit(purchase)))
    strongest = F.greatest(F.lit(0.0), *counted)
    bought = F.when(F.col("_action") == purchase, lines).otherwise(F.lit(0))
    return (
        days.withColumn("_action", strongest)
        .where(F.col("_action") > 0)
        .withColumn("age", age_in_days(day))
        .select(
            F.col("user_id").alias("history"),
            "product_id",
            _weight(F.col("_action"), F.col("age"), half_life_days).alias("weight"),
            "age",
            bought.cast("int").alias("bought"),
        )
    )


def basket_interactions(lines: DataFrame, day: date, half_life_days: float) -> DataFrame:
    """One row per order and product, weighted by the age of the order; no refunds."""
    return (
        lines.where(is_purchase())
        .withColumn("age", age_in_days(day))
        .select(
            F.col("order_id").alias("history"),
            "product_id",
            _weight(F.lit(1.0), F.col("age"), half_life_days).alias("weight"),
            "age",
            sign().alias("bought"),
        )
    )


def visit_interactions(days: DataFrame, day: date, half_life_days: float) -> DataFrame:
    """One row per visit and product looked at in it: the views of one user on one day.

    Args:
        days: rows of features.user_product_days.
        day: the business date; visits of the 84 days to it count.
        half_life_days: of the weight of a pair.
    """
    return (
        days.withColumn("age", age_in_days(day))
        .where((F.col("views") > 0) & (F.col("age") < VISITED_DAYS))
        .select(
            F.concat_ws("|", "event_date", "user_id").alias("history"),
            "product_id",
            _weight(F.lit(1.0), F.col("age"), half_life_days).alias("weight"),
            "age",
            F.lit(0).alias("bought"),
        )
    )


def buyer_interactions(habits: DataFrame, half_life_days: float) -> DataFrame:
    """One row per product and user who bought it: users are the items of products' histories.

    Args:
        habits: product_id, the user's `number`, and days_since_purchase, each pair once.
        half_life_days: of the weight of a pair of users.
    """
    age = F.col("days_since_purchase")
    return habits.select(
        F.col("product_id").alias("history"),
        F.col("number").alias("product_id"),
        _weight(F.lit(1.0), age, half_life_days).alias("weight"),
        age.alias("age"),
        F.lit(1).alias("bought"),
    )


def _weight(action: Column, age: Column, half_life_days: float) -> Column:
    halvings = age / F.lit(2.0 * half_life_days)
    return F.round(action * F.pow(F.lit(2.0), -halvings) * F.lit(WEIGHT_SCALE)).cast("bigint")
