"""Products that each user is likely to buy again: the list `again` of gold.recommendations."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.transforms import FIXED_POINT_SCALE, top_per
from lakeshop.features.user_products import kept
from lakeshop.recommendations.settings import AgainTerms, RecommendationSettings


def again_list(
    habits: DataFrame, products: DataFrame, users: DataFrame, settings: RecommendationSettings
) -> DataFrame:
    """The products each user is most likely to buy again, best first.

    Args:
        habits: rows of features.user_products.
        products: rows of features.products that may be recommended.
        users: rows of features.users.
        settings: terms and length of the list.
    """
    known = kept(habits).select(
        "user_id",
        "product_id",
        F.col("purchase_days").alias("times"),
        F.col("days_since_first_purchase").alias("first_age"),
        F.col("days_since_purchase").alias("last_age"),
        "habit",
        "recent",
    )
    scored = (
        known.join(products, on="product_id", how="inner")
        .join(users.select("user_id", "recent_purchases"), on="user_id", how="inner")
        .withColumn("log_odds", again_log_odds(settings.again))
    )
    best = [F.desc("log_odds"), F.asc("product_id")]
    return top_per(scored, ["user_id"], best, settings.list_length).select(
        "user_id",
        F.lit("again").alias("list"),
        "rank",
        "product_id",
        "log_odds",
        *_reason(),
        F.lit(None).cast("string").alias("because_product_id"),
        F.lit("habit").alias("source"),
        F.lit(False).alias("is_fallback"),
    )


def again_log_odds(terms: AgainTerms) -> Column:
    """Logistic regression on a pair's habit, its product's trend and its user's activity.

    `gap` is the user's own interval between purchases, shrunk to the product's typical one; a
    product is due when about one gap has passed since the last purchase.
    """
    typical = F.col("days_between_purchases")
    gap = (F.col("first_age") - F.col("last_age") + 2 * typical) / (F.col("times") + 1)
    trend = (F.col("purchase_days_14") + 1) / (F.col("purchase_days_84") / 6 + 1)
    return (
        F.lit(terms.constant)
        + terms.habit * F.log(F.col("habit") / FIXED_POINT_SCALE + 0.02)
        + terms.recent * (F.col("recent") / FIXED_POINT_SCALE)
        # A young shop has seen no repeat purchase at all: its rate is 0.
        + terms.repeat_rate * F.log(F.greatest(F.col("repeat_rate"), F.lit(1e-6)))
        + terms.bought_once * (F.col("times") == 1).cast("int")
        + terms.not_due * F.pow(F.log(F.col("last_age") / gap + 0.1), F.lit(2))
        + terms.trend * F.log(trend)
        + terms.mailer * F.log1p("mailer_stores")
        + terms.activity * F.log1p(F.col("recent_purchases") / FIXED_POINT_SCALE)
    )


def _reason() -> tuple[Column, Column]:
    """Code and sentence: the user's own interval once there are three purchases."""
    has_interval = F.col("times") >= 3
    interval = F.greatest(
        F.round((F.col("first_age") - F.col("last_age")) / (F.col("times") - 1)).cast("int"),
        F.lit(1),
    )
    ago = F.when(F.col("last_age") == 0, F.lit("today")).otherwise(
        F.concat(F.col("last_age").cast("string"), F.lit(" days ago"))
    )
    every = F.format_string("you buy this about every %d days", interval)
    last = F.concat(F.lit("you bought this "), ago)
    code = F.when(has_interval, F.lit("rebuy_interval")).otherwise(F.lit("bought_before"))
    return code.alias("reason_code"), F.when(has_interval, every).otherwise(last).alias("reason")
