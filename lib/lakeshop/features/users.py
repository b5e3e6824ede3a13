"""features.users: features of each user as known on the business date.

Recency, frequency and money (Hughes 1994) over three windows, basket size, discount share and
preferred departments. Computed from the daily sums and the habits of the look-back: "first" means
first within it.
"""

from collections.abc import Callable
from datetime import date
from functools import partial

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days, in_parts, top_per
from lakeshop.features.product_days import LOOK_BACK_DAYS
from lakeshop.features.shared_accounts import accounts, shared_account
from lakeshop.features.user_products import kept

CENTS = 100
MONEY = "decimal(18,2)"


def users(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user with a purchase in the look-back."""
    settings = context.settings.features
    days = tables["features.user_product_days"]
    pairs = tables["features.user_products"]
    departments = preferred_departments(
        with_department(kept(pairs), tables["silver.products"]), settings.preferred_departments
    )
    context.watch(accounts(), partial(shared_account, context.settings.quality.largest_user_share))
    return (
        per_user(days, context.day, settings.windows)
        .join(activity(pairs), on="user_id", how="left")
        .join(departments, on="user_id", how="left")
    )


def per_user(days: DataFrame, day: date, windows: tuple[int, int, int]) -> DataFrame:
    """Recency, frequency, money, basket size and discount share of each user.

    Money is what is left of purchases after refunds.

    Args:
        days: rows of features.user_product_days.
        day: the business date.
        windows: of the sums, in days.
    """
    is_bought = (F.col("lines") > 0) | F.coalesce(F.col("corrections") > 0, F.lit(False))
    # Days made before refunds were summed have NULL.
    is_refund = F.coalesce(F.col("refunded") != 0, F.col("units") < 0)
    is_refund |= (F.col("lines") == 0) & (F.col("amount") < 0)  # a credit without units
    # The reversal of a line that is too old must not outlive it.
    is_recent = age_in_days(day) <= LOOK_BACK_DAYS
    visits = (
        days.where((is_bought | is_refund) & is_recent)
        .groupBy("user_id", "event_date")
        .agg(
            F.sum("lines").alias("lines"),
            F.sum("amount").alias("net"),
            *[F.sum(F.when(is_bought, F.col(n))).alias(n) for n in ("amount", "discount")],
            F.bool_or(is_refund).alias("has_refund"),
        )
        .withColumn("cents", in_parts("net", CENTS))
        .withColumn("held", F.sum("cents").over(W.partitionBy("user_id").orderBy("event_date")))
    )
    age, is_visit = age_in_days(day), F.col("lines") > 0
    visit_age = F.when(is_visit, age)
    paid, saved, n_visits = F.sum("amount"), F.sum("discount"), F.count_if(is_visit)
    span = F.date_diff(*[each(F.when(is_visit, F.col("event_date"))) for each in (F.max, F.min)])
    net = _net_sums(age)
    recent: list[Column] = []
    for label, days_back in zip(("short", "middle", "long"), windows, strict=True):
        recent += [
            F.count_if(visit_age < days_back).alias(f"visit_days_{label}"),
            net(days_back).alias(f"amount_{label}"),
        ]
    return (
        visits.groupBy("user_id")
        .agg(
            F.min(visit_age).alias("days_since_purchase"),
            F.max(visit_age).alias("days_since_first_purchase"),
            n_visits.alias("visit_days"),
            F.when(n_visits > 1, F.try_divide(span, n_visits - 1)).alias("days_between_visits"),
            *recent,
            F.try_divide(F.sum("lines"), n_visits).alias("lines_per_visit"),
            F.try_divide(net(None), n_visits).alias("amount_per_visit"),
            F.try_divide(saved, paid + saved).alias("discount_share"),
        )
        .where("visit_days > 0")
    )


def _net_sums(age: Column) -> Callable[[int | None], Column]:
    """Sums of `net` over the last days, or over all; of users with refunds what is left of it.

    A refund takes from the newest sums before it. So what is left of the last days is what the
    user has held in the end, less the least of what they held since the day before these.
    """

    def net(days: int | None) -> Column:
        within = F.lit(True) if days is None else age < days
        plain = F.coalesce(F.sum(F.when(within, F.col("net"))), F.lit(0))
        least = F.min(F.when(within, F.least("held", F.col("held") - F.col("cents"))))
        left = F.coalesce(F.sum("cents") - least, F.lit(0))
        return F.when(F.bool_or("has_refund"), (left / CENTS).cast(MONEY)).otherwise(plain)

    return net


def activity(habits: DataFrame) -> DataFrame:
    """Different products of each user, and their purchase days, recent ones counting more."""
    return habits.groupBy("user_id").agg(
        F.count_if(F.col("purchase_days") > 0).alias("products"),
        F.sum("recent").alias("recent_purchases"),
    )


def with_department(rows: DataFrame, products: DataFrame) -> DataFrame:
    """Add each product's department, NULL where the catalogue knows none."""
    departments = products.select("product_id", "department")
    return rows.join(departments, on="product_id", how="left")


def preferred_departments(habits: DataFrame, k: int) -> DataFrame:
    """The `k` departments of each user with most purchase days of their products, by `habit`."""
    known = habits.where(F.col("department").isNotNull())
    ranked = top_per(
        known.groupBy("user_id", "department").agg(F.sum("habit").alias("weight")),
        ["user_id"],
        [F.desc("weight"), F.asc("department")],
        k,
    )
    in_order = F.array_sort(F.collect_list(F.struct("rank", "department")))
    return ranked.groupBy("user_id").agg(
        in_order.getField("department").alias("preferred_departments")
    )
