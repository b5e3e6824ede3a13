"""features.products: what is known of each product on the business date.

Units and buyers over three windows, repeat purchase, price level and its change, promotion
and age in the range; from the daily sums of the look-back.
"""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.features.habits import habits, purchase_days
from lakeshop.frames import age_in_days
from lakeshop.run import Night, Tables
from lakeshop.settings import Features

TRENDS = (3, 14, 28, 84)  # days over which purchase days are counted


def products(tables: Tables, night: Night) -> DataFrame:
    """One row per product with a purchase in the look-back."""
    settings = night.settings.features
    bought = night.keep(tables["features.user_product_days"].where(F.col("lines") > 0))
    purchases = night.keep(purchase_days(bought))
    pairs = habits(purchases, night.day, settings)
    promotions = promoted_tomorrow(tables["silver.promotions"], night.day)
    return (
        per_product(bought, night.day, settings.windows)
        .join(trends(purchases, night.day), on="product_id", how="left")
        .join(repeats(pairs, settings), on="product_id", how="left")
        .join(promotions, on="product_id", how="left")
        .na.fill(0, ["display_stores", "mailer_stores"])
    )


def per_product(bought: DataFrame, day: date, windows: tuple[int, int, int]) -> DataFrame:
    """Units, buyers, price level and change, and age of each product.

    The price is what was paid per unit in the middle window; its change is that price by the
    one of the days between the middle and the long window.
    """
    age, priced = age_in_days(day), F.col("units") > 0
    spans = {
        "short": age < windows[0],
        "middle": age < windows[1],
        "long": age < windows[2],
        "now": priced & (age < windows[1]),
        "before": priced & (age >= windows[1]) & (age < windows[2]),
    }
    sums = [
        F.sum(F.when(within, F.col(name))).alias(f"{name}_{span}")
        for span, within in spans.items()
        for name in ("units", "amount")
    ]
    per_buyer = bought.groupBy("product_id", "user_id").agg(
        *sums, F.min(age).alias("last_age"), F.max(age).alias("first_age")
    )
    recent: list[Column] = []
    for label, days in zip(("short", "middle", "long"), windows, strict=True):
        recent += [
            F.coalesce(F.sum(f"units_{label}"), F.lit(0)).alias(f"units_{label}"),
            F.count_if(F.col("last_age") < days).alias(f"buyers_{label}"),
        ]
    price = F.try_divide(F.sum("amount_now"), F.sum("units_now"))
    before = F.try_divide(F.sum("amount_before"), F.sum("units_before"))
    return per_buyer.groupBy("product_id").agg(
        *recent,
        price.alias("price"),
        (F.try_divide(price, before) - 1).alias("price_change"),
        F.max("first_age").alias("age_days"),
        F.min("last_age").alias("days_since_purchase"),
    )


def trends(purchases: DataFrame, day: date) -> DataFrame:
    """Days on which users bought the product, in all and over the last days."""
    age = age_in_days(day)
    return purchases.groupBy("product_id").agg(
        F.count("*").alias("purchase_days"),
        *[F.count_if(age < days).alias(f"purchase_days_{days}") for days in TRENDS],
    )


def repeats(habits: DataFrame, settings: Features) -> DataFrame:
    """How regularly a product's buyers buy it again.

    `repeat_rate`: repeat purchases per buyer and day since their first one, shrunk to the
    shop's mean by `repeat_prior_days` buyer-days. `days_between_purchases`: mean days between
    two purchases of one buyer, shrunk to `interval_prior_days` by three intervals.
    """
    sums = habits.groupBy("product_id").agg(
        F.count("*").alias("buyers"),
        F.count_if(F.col("purchase_days") > 1).alias("repeaters"),
        F.sum(F.col("purchase_days") - 1).alias("repeats"),
        F.sum(F.col("first_age") + 1).alias("exposure"),
        F.sum(F.col("first_age") - F.col("last_age")).alias("span"),
    )
    mean = sums.agg((F.sum("repeats") / F.sum("exposure")).alias("mean_rate"))
    prior = F.lit(settings.repeat_prior_days)
    return sums.crossJoin(F.broadcast(mean)).select(
        "product_id",
        "buyers",
        (F.col("repeaters") / F.col("buyers")).alias("repeat_share"),
        ((F.col("repeats") + prior * F.col("mean_rate")) / (F.col("exposure") + prior)).alias(
            "repeat_rate"
        ),
        ((F.col("span") + F.lit(3 * settings.interval_prior_days)) / (F.col("repeats") + 3)).alias(
            "days_between_purchases"
        ),
    )


def promoted_tomorrow(promotions: DataFrame, day: date) -> DataFrame:
    """Stores that display or mail a product on the day after the business date.

    The night's tables are read that day; a promotion announced by then may be used.
    """
    tomorrow = F.lit(day + timedelta(days=1))
    running = promotions.where(tomorrow.between(F.col("starts_on"), F.col("ends_on")))
    return running.groupBy("product_id").agg(
        F.max("display_stores").alias("display_stores"),
        F.max("mailer_stores").alias("mailer_stores"),
    )
