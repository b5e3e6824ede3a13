"""Weighted interactions: the input of the neighbours.

Two bases: interactions of the same `user` over time, and products of the same `basket`. Columns:
history (the user or the order), product_id, weight (fixed-point, 0 to 1) and age (days). A history
may hold a product several times; its largest weight counts. Many views or clicks therefore never
make a user weigh more than one. `bought` counts a row's purchases: it is negative where lines were
taken back, which `packing` subtracts, and 0 of other actions.

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


def _weight(action: Column, age: Column, half_life_days: float) -> Column:
    halvings = age / F.lit(2.0 * half_life_days)
    return F.round(action * F.pow(F.lit(2.0), -halvings) * F.lit(WEIGHT_SCALE)).cast("bigint")
