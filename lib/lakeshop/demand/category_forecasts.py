"""gold.category_forecasts: product forecasts aggregated by category, department and shop.

Sums of decimals: every level is exactly the sum of the products below it, and of the level below it
(bottom-up reconciliation). Products without a category are filed under "".
"""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables

LEVELS = {
    "category": ("department", "category"),
    "department": ("department",),
    "shop": (),
}


def category_forecasts(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per level, department, category and day ahead."""
    del context
    places = tables["features.demand"].select("product_id", "store_id", "department", "category")
    placed = (
        tables["gold.inventory_forecasts"]
        .join(places, on=["product_id", "store_id"])
        .na.fill("", ["department", "category"])
    )
    return reduce(DataFrame.unionByName, [added_up(placed, level) for level in LEVELS])


def added_up(placed: DataFrame, level: str) -> DataFrame:
    """The means of one level, as decimals of four places."""
    kept = LEVELS[level]
    others = [name for name in ("department", "category") if name not in kept]
    return (
        placed.groupBy("target_date", "horizon", *kept)
        .agg(
            F.sum(F.col("mean").cast("decimal(18,4)")).cast("decimal(22,4)").alias("mean"),
            F.count("*").alias("series"),
        )
        .withColumns({"level": F.lit(level), **{name: F.lit("") for name in others}})
    )
