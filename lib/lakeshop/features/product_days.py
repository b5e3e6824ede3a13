"""features.product_days: sales of each product in each store on each day, summed.

Keyed by business date and event date: a late delivery adds rows under its own business date and
changes no day published before. Guests count. Purchases and refunds are separate columns: a
returned unit is not negative demand on the day of its return. Lines with very many units are summed
separately: fuel by volume and misread quantities would dominate sales by the piece. A line that
came again changed is taken back under the day it came: summed over business dates, only what it is
now counts.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.features.order_lines import is_purchase, is_refund, is_sale, sign

LOOK_BACK_DAYS = 400  # of daily sums, as the contracts of their readers declare
NO_STORE = "*"  # of lines without a store, and of series that pool all stores
KEY = (BUSINESS_DATE, "event_date", "product_id", "store_id")


def product_days(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per business date, event date, product and store, for any range of days."""
    return per_day(tables["silver.transactions"], context.settings.features.most_units_per_line)


def per_day(transactions: DataFrame, most_units: float | None) -> DataFrame:
    """Units and money of order lines; lines of `most_units` or more are not in them."""
    quantity = F.col("quantity")
    is_many = F.abs(quantity) >= F.lit(most_units) if most_units is not None else F.lit(False)
    is_counted, is_refunded = is_sale() & ~is_many, is_refund() & ~is_many
    is_guests = is_purchase() & F.col("user_id").isNull()
    discount = F.coalesce("discount", F.lit(0))
    return (
        transactions.withColumn("store_id", F.coalesce("store_id", F.lit(NO_STORE)))
        .groupBy(*KEY)
        .agg(
            _total(quantity, is_counted).alias("units"),
            _total(-quantity, is_refunded).alias("refunded"),
            _total(sign(), is_counted).alias("lines"),
            _total(F.col("amount"), is_counted).alias("amount"),
            _total(discount, is_counted).alias("discount"),
            _total(quantity, is_sale() & is_many).alias("excluded_units"),
            _total(-F.col("amount"), is_refunded).alias("refunded_amount"),
            _total(sign(), is_guests).alias("guest_lines"),
            F.count("corrects").alias("corrections"),
        )
    )


def _total(value: Column, where: Column) -> Column:
    return F.coalesce(F.sum(F.when(where, value)), F.lit(0))
