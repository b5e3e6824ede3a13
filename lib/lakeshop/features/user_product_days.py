"""features.user_product_days: actions of each user on each product and day, summed.

Keyed by business date and event date: a late delivery adds rows under its own business date and
changes no day published before. Every window is computed from this table: a run reads days, not
order lines. Guests have no user and are left out.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.features.order_lines import is_purchase, is_refund, is_reversal, sign

KEY = (BUSINESS_DATE, "event_date", "user_id", "product_id")
VIEWS = ("view", "click")
CARTS = ("cart", "wishlist")


def user_product_days(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per business date, event date, user and product, for any range of days."""
    del context
    bought = tables["silver.transactions"].transform(per_day_bought)
    acted = tables["silver.user_actions"].transform(per_day_acted)
    return (
        bought.unionByName(acted, allowMissingColumns=True)
        .groupBy(*KEY)
        .agg(*[_total(name) for name in (*_BOUGHT, *_ACTED)])
    )


_BOUGHT = ("units", "lines", "orders", "amount", "discount", "refunded", "corrections")
_ACTED = ("views", "carts")


def _total(name: str) -> Column:
    return F.coalesce(F.sum(name), F.lit(0)).alias(name)


def per_day_bought(transactions: DataFrame) -> DataFrame:
    """Units and money of order lines. A refund lowers both and is neither line nor order.

    Nor is a credit without units, which corrects a price. A reversal takes back its line, and an
    order.
    """
    is_bought = is_purchase() & ~is_reversal()
    is_taken_back = is_purchase() & is_reversal()
    return (
        transactions.where(F.col("user_id").isNotNull())
        .groupBy(*KEY)
        .agg(
            F.sum("quantity").alias("units"),
            F.sum(F.when(is_purchase(), sign()).otherwise(0)).alias("lines"),
            (
                F.count_distinct(F.when(is_bought, F.col("order_id")))
                - F.count_distinct(F.when(is_taken_back, F.col("order_id")))
            ).alias("orders"),
            F.sum("amount").alias("amount"),
            F.sum(F.coalesce("discount", F.lit(0))).alias("discount"),
            F.sum(F.when(is_refund(), -F.col("quantity")).otherwise(0)).alias("refunded"),
            F.count("corrects").alias("corrections"),
        )
    )


def per_day_acted(actions: DataFrame) -> DataFrame:
    """Times a product was viewed and was put into the cart or on the wish list."""
    return (
        actions.where(F.col("user_id").isNotNull() & F.col("product_id").isNotNull())
        .groupBy(*KEY)
        .agg(
            F.count_if(F.col("action").isin(*VIEWS)).alias("views"),
            F.count_if(F.col("action").isin(*CARTS)).alias("carts"),
        )
    )
