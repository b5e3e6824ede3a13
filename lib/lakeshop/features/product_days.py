"""features.product_days: sales of each product in each store on each day, summed.

Keyed by business date and event date: a late delivery adds rows under its own business date and
changes no day published before. Guests count. Purchases and refunds are separate columns: a
returned unit is not negative demand on the day of its return. Lines with very many units are summed
separately: fuel by volume and misread quantities would dominate sales by the piece.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.features.user_product_days import IS_PURCHASE

NO_STORE = "*"  # of lines without a store, and of series that pool all stores
KEY = (BUSINESS_DATE, "event_date", "product_id", "store_id")


def product_days(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per business date, event date, product and store, for any range of days."""
    return per_day(tables["silver.transactions"], context.settings.features.most_units_per_line)


def per_day(transactions: DataFrame, most_units: float | None) -> DataFrame:
    """Units and money of order lines; lines of `most_units` or more are not in them."""
    quantity = F.col("quantity")
    is_many = F.abs(quantity) >= F.lit(most_units) if most_units is not None else F.lit(False)
    is_purchase = (quantity >= 0) & ~is_many
    discount = F.coalesce("discount", F.lit(0))
    return (
        transactions.withColumn("store_id", F.coalesce("store_id", F.lit(NO_STORE)))
        .groupBy(*KEY)
        .agg(
            _total(quantity, is_purchase).alias("units"),
            _total(-quantity, (quantity < 0) & ~is_many).alias("refunded"),
            F.count_if(is_purchase).alias("lines"),
            _total(F.col("amount"), is_purchase).alias("amount"),
            _total(discount, is_purchase).alias("discount"),
            _total(quantity, (quantity >= 0) & is_many).alias("excluded_units"),
            _total(-F.col("amount"), (quantity < 0) & ~is_many).alias("refunded_amount"),
            F.count_if(F.expr(IS_PURCHASE) & ~is_many & F.col("user_id").isNull()).alias(
                "guest_lines"
            ),
        )
    )


def _total(value: Column, where: Column) -> Column:
    return F.coalesce(F.sum(F.when(where, value)), F.lit(0))
