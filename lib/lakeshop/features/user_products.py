"""features.user_products: frequency and recency of each user's purchases of each product.

Summed over products, these habits measure the activity of a user. Summed over users, they measure
how regularly a product is rebought. Recommendations and similarities are computed from them. Days
with a purchase are counted, not lines: a split order counts once.

What was brought back is no habit. A refund takes back what the user bought last of the product; a
day of which nothing is left does not count. A pair of which no day is left keeps its row with 0
purchase days: the product is not new to the user either.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.config.settings import Features
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days, decayed, in_parts

PAIR = ("user_id", "product_id")
THOUSANDTHS = 1000  # of a unit
TRENDS = (3, 14, 28, 84)  # days over which purchase days are counted


def user_products(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user and product bought in the look-back."""
    parts = purchases_and_refunds(tables["features.user_product_days"])
    if not context.settings.shop.delivers_views:
        parts = [part.drop("is_viewed") for part in parts]
    plain, moved = (habits(part, context.day, context.settings.features) for part in parts)
    return plain.unionByName(moved)  # of different pairs: none need be moved


def purchase_days(days: DataFrame) -> DataFrame:
    """user_id, product_id, event_date: each day on which a user bought a product, once."""
    filed = days.where(F.col("lines") != 0).select(*PAIR, "event_date", "lines")
    # Hardly a day is filed twice: moved once by pair, rows need not be moved again to sum them.
    bought = filed.repartition(*PAIR).groupBy(*PAIR, "event_date").agg(F.sum("lines").alias("n"))
    return bought.where(F.col("n") > 0).drop("n")  # less what was taken back


def purchases_and_refunds(days: DataFrame) -> list[DataFrame]:
    """As `purchase_days`, with `is_kept` and `is_viewed`.

    The first tells whether not all of it was brought back, the second whether the user viewed the
    product on that day.

    Units that a user holds of a product rise by purchases and fall by refunds. A purchase is
    gone where they fall to what they were before it. Purchases without units are kept.

    Returns:
        Purchases of pairs of which nothing was ever taken back, and those of all others.
    """
    units, refunded = in_parts("units", THOUSANDTHS), in_parts("refunded", THOUSANDTHS)
    refunded = F.coalesce(refunded, F.greatest(-units, F.lit(0)))
    filed = (
        days.select(*_PURCHASE, "lines", "views", units.alias("net"), refunded.alias("refunded"))
        .where("lines != 0 OR refunded != 0 OR net != 0")
        # Hardly a day is filed twice: moved once by pair, rows need not be moved again to sum them.
        .repartition(*PAIR)
    )
    # Only these are put in order; all read what was moved once. A hash join sorts nothing.
    falling = filed.where("refunded != 0 OR net < 0").select(*PAIR).distinct().hint("shuffle_hash")
    plain = filed.join(falling, on=list(PAIR), how="left_anti").transform(_per_day)
    moved = filed.join(falling, on=list(PAIR), how="left_semi").transform(_per_day)
    # Nothing of a plain pair is refunded. Asked of both, they read the same columns: moved once.
    bought = plain.where("lines > 0 AND refunded = 0 AND net >= 0")
    return [bought.selectExpr(*_PURCHASE, "true AS is_kept", _IS_VIEWED), _kept(moved)]


_PURCHASE = (*PAIR, "event_date")
_IS_VIEWED = "views > 0 AS is_viewed"


def _per_day(filed: DataFrame) -> DataFrame:
    sums = [F.sum(name).alias(name) for name in ("lines", "views", "net", "refunded")]
    return filed.groupBy(*_PURCHASE).agg(*sums)


def _kept(per_day: DataFrame) -> DataFrame:
    in_time = W.partitionBy(*PAIR).orderBy("event_date")
    held = F.sum("net").over(in_time.rowsBetween(W.unboundedPreceding, W.currentRow))
    least = F.min("held").over(in_time.rowsBetween(W.currentRow, W.unboundedFollowing))
    is_counted = F.col("net") + F.col("refunded") > 0
    is_left = F.col("least") > F.col("held") - F.col("net")
    return (
        per_day.withColumn("held", held)
        .withColumn("least", least)
        .where("lines > 0")  # less what was taken back
        .withColumn("is_kept", is_left | ~is_counted)
        .selectExpr(*_PURCHASE, "is_kept", _IS_VIEWED)
    )


def habits(purchases: DataFrame, day: date, settings: Features) -> DataFrame:
    """One row per user and product, ages in days on the business date.

    Args:
        purchases: as from `purchases_and_refunds`; ages are of kept ones, where there are any.
            `is_viewed` may be absent, where the shop delivers no views.
        day: the business date.
        settings: half-lives of `habit` and of `recent`, the fixed-point sums of the purchase days'
            weights.
    """
    age, is_kept = age_in_days(day), F.col("is_kept")
    is_told = "is_viewed" in purchases.columns
    viewed = F.count_if(is_kept & F.col("is_viewed")) if is_told else F.lit(None)
    kept_age = F.when(is_kept, age)
    return purchases.groupBy(*PAIR).agg(
        F.count_if(is_kept).alias("purchase_days"),
        *[F.count_if(kept_age < days).alias(f"purchase_days_{days}") for days in TRENDS],
        viewed.cast("bigint").alias("purchase_days_viewed"),
        F.coalesce(F.min(kept_age), F.min(age)).alias("days_since_purchase"),
        F.coalesce(F.max(kept_age), F.max(age)).alias("days_since_first_purchase"),
        *[
            F.coalesce(F.sum(decayed(kept_age, days)), F.lit(0)).alias(name)
            for name, days in (
                ("habit", settings.half_life_days),
                ("recent", settings.recent_half_life_days),
            )
        ],
    )


def kept(habits: DataFrame) -> DataFrame:
    """The pairs of which not all was brought back."""
    return habits.where(F.col("purchase_days") > 0)
