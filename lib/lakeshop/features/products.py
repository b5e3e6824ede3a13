"""features.products: features of each product as known on the business date.

Units and buyers over three windows, repeat purchases, price level and its change, promotion and age
in the range. Computed from the daily sums and the habits of the look-back.
"""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Features
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days
from lakeshop.features.promotions import planned
from lakeshop.features.user_products import TRENDS

PROMOTION = ("product_id", "starts_on")
LABELS = ("short", "middle", "long")
PLAN_DAYS = 56  # that a promotion may be moved by, and still replaces the old plan
STORES = ("display_stores", "mailer_stores")


def products(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per product with a purchase in the look-back."""
    settings = context.settings.features
    bought = tables["features.user_product_days"].where(F.col("lines") > 0)
    promotions = promoted_tomorrow(tables["silver.promotions"], context.day)
    return (
        buyers(tables["features.user_products"], settings)
        .join(sales(bought, context.day, settings.windows), on="product_id", how="left")
        .join(promotions, on="product_id", how="left")
        .na.fill(0, [*[f"units_{label}" for label in LABELS], *STORES])
    )


def sales(bought: DataFrame, day: date, windows: tuple[int, int, int]) -> DataFrame:
    """Units, price level and price change of each product sold in the long window.

    The price is the amount paid per unit in the middle window. Its change is relative to the price
    on the days between the middle and the long window.
    """
    age, priced = age_in_days(day), F.col("units") > 0
    units = [
        F.coalesce(F.sum(F.when(age < days, F.col("units"))), F.lit(0)).alias(f"units_{label}")
        for label, days in zip(LABELS, windows, strict=True)
    ]
    now = priced & (age < windows[1])
    earlier = priced & (age >= windows[1]) & (age < windows[2])
    price, before = _price(now), _price(earlier)
    # Compared as a date: Spark leaves out the parts of files whose dates are all before it.
    since = F.lit(day - timedelta(days=windows[2]))
    return (
        bought.where(F.col("event_date") > since)
        .groupBy("product_id")
        .agg(
            *units,
            price.alias("price"),
            (F.try_divide(price, before) - 1).alias("price_change"),
        )
    )


def _price(within: Column) -> Column:
    paid, units = (F.sum(F.when(within, F.col(name))) for name in ("amount", "units"))
    return F.try_divide(paid, units)


def buyers(habits: DataFrame, settings: Features) -> DataFrame:
    """Number of buyers of each product, their recency, and the regularity of repeat purchases.

    `repeat_rate`: repeat purchases per buyer and day since their first one, shrunk to the shop's
    mean by `repeat_prior_days` buyer-days. `days_between_purchases`: mean days between two
    purchases of one buyer, shrunk to `interval_prior_days` by three intervals.
    """
    first, last = F.col("days_since_first_purchase"), F.col("days_since_purchase")
    counts = ["purchase_days", *[f"purchase_days_{days}" for days in TRENDS]]
    sums = habits.groupBy("product_id").agg(
        F.count("*").alias("buyers"),
        *[
            F.count_if(last < days).alias(f"buyers_{label}")
            for label, days in zip(LABELS, settings.windows, strict=True)
        ],
        *[F.sum(name).alias(name) for name in counts],
        F.max(first).alias("age_days"),
        F.min(last).alias("days_since_purchase"),
        F.count_if(F.col("purchase_days") > 1).alias("repeaters"),
        F.sum(F.col("purchase_days") - 1).alias("repeats"),
        F.sum(first + 1).alias("exposure"),
        F.sum(first - last).alias("span"),
    )
    mean = sums.agg((F.sum("repeats") / F.sum("exposure")).alias("mean_rate"))
    prior = F.lit(settings.repeat_prior_days)
    rate = (F.col("repeats") + prior * F.col("mean_rate")) / (F.col("exposure") + prior)
    interval = (F.col("span") + 3 * settings.interval_prior_days) / (F.col("repeats") + 3)
    return (
        sums.crossJoin(F.broadcast(mean))
        .withColumns(
            {
                "repeat_share": F.col("repeaters") / F.col("buyers"),
                "repeat_rate": rate,
                "days_between_purchases": interval,
            }
        )
        .drop("repeaters", "repeats", "exposure", "span", "mean_rate")
    )


def promoted_tomorrow(promotions: DataFrame, day: date) -> DataFrame:
    """Stores that display or mail a product on the day after the business date.

    Tables are read on that day; promotions announced by then may be used.

    Args:
        promotions: all versions known on the business date.
        day: the business date.
    """
    tomorrow = F.lit(day + timedelta(days=1))
    is_running = tomorrow.between(F.col("starts_on"), F.col("ends_on"))
    # Only promotions with a running version, and what may replace them, are sorted.
    running = promotions.where(is_running).select(*PROMOTION).distinct()
    is_near = F.col("starts_on") > F.lit(day - timedelta(days=PLAN_DAYS))
    marked = promotions.join(
        F.broadcast(running.withColumn("_is_running", F.lit(True))), on=list(PROMOTION), how="left"
    )
    return (
        planned(marked.where(is_near | F.col("_is_running")))
        .where(is_running)
        .groupBy("product_id")
        .agg(*[F.max(name).alias(name) for name in STORES])
    )
