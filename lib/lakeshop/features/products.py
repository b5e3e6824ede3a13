"""features.products: features of each product as known on the business date.

Units and buyers over three windows, repeat purchases, price level and its change, promotion and age
in the range. Computed from the daily sums and the habits of the look-back.

Guests are no buyers. Their lines count as purchase days, in their age in the range, and in units
and prices.
"""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Features
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days
from lakeshop.features.promotions import planned
from lakeshop.features.user_products import TRENDS, kept

PROMOTION = ("product_id", "starts_on")
LABELS = ("short", "middle", "long")
PLAN_DAYS = 56  # that a promotion may be moved by, and still replaces the old plan
STORES = ("display_stores", "mailer_stores")
SUMS = ("repeaters", "repeats", "exposure", "span")
PRICE = "decimal(14,4)"  # as in the contract; a large amount of a tiny quantity does not fit


def products(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per product with a purchase in the look-back."""
    settings = context.settings.features
    sold = sales(tables["features.product_days"], context.day, settings.windows)
    promotions = promoted_tomorrow(tables["silver.promotions"], context.day)
    return (
        with_sales(tables["features.user_products"], sold, settings)
        .join(promotions, on="product_id", how="left")
        .na.fill(0, [*[f"units_{label}" for label in LABELS], *STORES])
    )


def with_sales(habits: DataFrame, sold: DataFrame, settings: Features) -> DataFrame:
    """Buyers and sales of each product that users or guests bought.

    Args:
        habits: rows of features.user_products.
        sold: as from `sales`.
        settings: windows and priors.
    """
    counts = [("purchase_days", "guests"), *[(f"purchase_days_{n}", f"guests_{n}") for n in TRENDS]]
    both = {mine: F.coalesce(mine, F.lit(0)) + F.coalesce(g, F.lit(0)) for mine, g in counts}
    found, mean = buyers(habits, settings)
    return (
        found.join(sold, on="product_id", how="full")
        .withColumns(
            {
                **both,
                "age_days": F.greatest("age_days", "first_age"),
                "days_since_purchase": F.least("days_since_purchase", "last_age"),
            }
        )
        .where("days_since_purchase IS NOT NULL")
        .na.fill(0, ["buyers", *[f"buyers_{label}" for label in LABELS], *SUMS])
        .transform(with_rates, mean, settings)
        .drop("first_age", "last_age", *[guests for _, guests in counts])
    )


def sales(days: DataFrame, day: date, windows: tuple[int, int, int]) -> DataFrame:
    """Units, price level, price change and guests' lines of each product sold lately.

    Lately is the long window, or 84 days if that is more. The price is the amount paid per unit
    in the middle window. Its change is relative to the price on the days between the middle and
    the long window. What was sold in a store on a day without units has no part in prices.
    `first_age` and `last_age` are those of guests' lines, NULL without any.

    Args:
        days: rows of features.product_days.
        day: the business date.
        windows: short, middle and long, in days.
    """
    age = age_in_days(day)
    units = [
        F.coalesce(F.sum(F.when(age < days, F.col("units"))), F.lit(0)).alias(f"units_{label}")
        for label, days in zip(LABELS, windows, strict=True)
    ]
    price = _price(age < windows[1])
    before = _price((age >= windows[1]) & (age < windows[2]))
    guests, guest_age = F.col("guest_lines"), F.when(F.col("guest_lines") > 0, age)
    # Compared as a date: Spark leaves out the parts of files whose dates are all before it.
    since = F.lit(day - timedelta(days=max(windows[2], *TRENDS)))
    is_sold = (F.col("lines") > 0) | (F.col("guest_lines") > 0) | (F.col("corrections") > 0)
    return (
        days.where((F.col("event_date") > since) & is_sold)
        # A corrected line is filed on several days: summed by its own day and store before that
        # has an age, and units to be priced.
        .repartition("product_id")
        .groupBy("product_id", "event_date", "store_id")
        .agg(*[F.sum(name).alias(name) for name in ("units", "amount", "guest_lines")])
        .groupBy("product_id")
        .agg(
            *units,
            price.try_cast(PRICE).alias("price"),
            (F.try_divide(price, before) - 1).alias("price_change"),
            F.sum(guests).alias("guests"),
            *[F.sum(F.when(age < n, guests)).alias(f"guests_{n}") for n in TRENDS],
            F.max(guest_age).alias("first_age"),
            F.min(guest_age).alias("last_age"),
        )
    )


def _price(within: Column) -> Column:
    is_priced = within & (F.col("units") > 0)
    paid, units = (F.sum(F.when(is_priced, F.col(name))) for name in ("amount", "units"))
    return F.when(units > 0, F.try_divide(paid, units))


def buyers(habits: DataFrame, settings: Features) -> tuple[DataFrame, DataFrame]:
    """Number of buyers of each product, their recency, and the sums of `with_rates`.

    Returns:
        One row per product, and one row with the shop's `mean_rate` of repeat purchases.
    """
    first, last = F.col("days_since_first_purchase"), F.col("days_since_purchase")
    counts = ["purchase_days", *[f"purchase_days_{days}" for days in TRENDS]]
    sums = (
        kept(habits)
        .groupBy("product_id")
        .agg(
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
    )
    rate = F.coalesce(F.sum("repeats") / F.sum("exposure"), F.lit(0.0))
    return sums, sums.agg(rate.alias("mean_rate"))


def with_rates(products: DataFrame, mean: DataFrame, settings: Features) -> DataFrame:
    """Add the regularity of repeat purchases, in place of its sums.

    `repeat_rate`: repeat purchases per buyer and day since their first one, shrunk to the shop's
    mean by `repeat_prior_days` buyer-days. `days_between_purchases`: mean days between two
    purchases of one buyer, shrunk to `interval_prior_days` by three intervals.
    """
    prior = F.lit(settings.repeat_prior_days)
    rate = (F.col("repeats") + prior * F.col("mean_rate")) / (F.col("exposure") + prior)
    interval = (F.col("span") + 3 * settings.interval_prior_days) / (F.col("repeats") + 3)
    share = F.coalesce(F.try_divide("repeaters", "buyers"), F.lit(0.0))
    return (
        products.crossJoin(F.broadcast(mean))
        .withColumns(
            {"repeat_share": share, "repeat_rate": rate, "days_between_purchases": interval}
        )
        .drop(*SUMS, "mean_rate")
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
