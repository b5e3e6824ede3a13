"""gold.category_forecasts: product forecasts aggregated by category, department and shop.

Sums of decimals: every level is exactly the sum of the products below it, and of the level below it
(bottom-up reconciliation). Products without a category are filed under "".
"""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables

AHEAD = ("target_date", "horizon")


def category_forecasts(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per level, department, category and day ahead."""
    names = ("department", "category")
    places = tables["features.demand"].select("product_id", "store_id", *names)
    forecasts = tables["gold.inventory_forecasts"].join(places, on=["product_id", "store_id"])
    mean = F.col("mean").cast("decimal(18,4)")
    each = forecasts.select(*AHEAD, *names, mean.alias("mean"), F.lit(1).alias("series"))
    # A million rows are added up once: each level is the sum of the one below it.
    categories = context.cache(added_up(each.na.fill("", [*names]), "category", names))
    departments = added_up(categories, "department", names[:1])
    return reduce(
        DataFrame.unionByName, [categories, departments, added_up(departments, "shop", ())]
    )


def added_up(rows: DataFrame, level: str, kept: tuple[str, ...]) -> DataFrame:
    """Sums of a level, means as decimals of four places.

    Args:
        rows: of the level below.
        level: its name.
        kept: of department and category those that it is by; the others are "".
    """
    others = [name for name in ("department", "category") if name not in kept]
    return (
        rows.groupBy(*AHEAD, *kept)
        .agg(
            F.sum("mean").cast("decimal(22,4)").alias("mean"),
            F.sum("series").alias("series"),
        )
        .withColumns({"level": F.lit(level), **{name: F.lit("") for name in others}})
    )
