"""Products that can be offered: goods that are sold from the business date on, and are there.

Left out are the shop's `exclude_products`, and by settings of their own what is discontinued and
what is out of stock with none due.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.features.exclusions import without_excluded
from lakeshop.recommendations.settings import RecommendationSettings

COUNTED_DAYS = 14  # a count of stock that is older tells nothing


def offered(rows: DataFrame, tables: Tables, context: BuildContext) -> DataFrame:
    """Leave out the rows of products that cannot be offered.

    Args:
        rows: have a `product_id`.
        tables: silver.products, the newest version of each, and silver.stock.
        context: the business date and settings.
    """
    settings = context.settings.section(RecommendationSettings)
    catalogue = tables["silver.products"]
    rows = without_excluded(rows, catalogue, context.settings.shop.exclude_products)
    if settings.leave_out_discontinued:
        rows = rows.join(discontinued(catalogue, context.day), "product_id", "left_anti")
    if settings.leave_out_sold_out and "stock" in context.settings.shop.entities:
        rows = rows.join(sold_out(tables["silver.stock"], context.day), "product_id", "left_anti")
    return rows


def discontinued(catalogue: DataFrame, day: date) -> DataFrame:
    """product_id of what is sold on no day after `day`."""
    return catalogue.where(F.col("discontinued_on") <= F.lit(day)).select("product_id")


def sold_out(counts: DataFrame, day: date) -> DataFrame:
    """product_id of what no store had by its newest count, and of which none is on order.

    Args:
        counts: rows of silver.stock.
        day: the business date; of a store without a count in the 14 days to it nothing is known.
    """
    is_there = (F.col("newest.on_hand") > 0) | (F.coalesce("newest.on_order", F.lit(0)) > 0)
    of_product = _newest(counts, day).groupBy("product_id").agg(F.bool_or(is_there).alias("there"))
    return of_product.where("NOT there").select("product_id")


def newest_units(counts: DataFrame, day: date) -> DataFrame:
    """product_id and units on hand in all stores by their newest counts of the 14 days to `day`."""
    units = F.sum(F.greatest("newest.on_hand", F.lit(0))).cast("double").alias("units")
    return _newest(counts, day).groupBy("product_id").agg(units)


def _newest(counts: DataFrame, day: date) -> DataFrame:
    since = F.date_sub(F.lit(day), COUNTED_DAYS)
    units = F.struct("on_hand", "on_order")
    return (
        counts.where(F.col("event_date").between(since, F.lit(day)))
        .groupBy("product_id", "store_id")
        .agg(F.max_by(units, F.struct("event_date", "business_date")).alias("newest"))
    )
