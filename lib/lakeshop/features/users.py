"""features.users: features of each user as known on the business date.

Recency, frequency and money (Hughes 1994) over three windows, basket size, discount share and
preferred departments. Computed from the daily sums and the habits of the look-back: "first" means
first within it.
"""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days, top_per


def users(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user with a purchase in the look-back."""
    settings = context.settings.features
    bought = tables["features.user_product_days"].where(F.col("lines") > 0)
    habits = tables["features.user_products"]
    departments = preferred_departments(
        with_department(habits, tables["silver.products"]), settings.preferred_departments
    )
    return (
        per_user(bought, context.day, settings.windows)
        .join(activity(habits), on="user_id", how="left")
        .join(departments, on="user_id", how="left")
    )


def per_user(bought: DataFrame, day: date, windows: tuple[int, int, int]) -> DataFrame:
    """Recency, frequency, money, basket size and discount share of each user."""
    visits = bought.groupBy("user_id", "event_date").agg(
        *[F.sum(name).alias(name) for name in ("lines", "amount", "discount")]
    )
    age = age_in_days(day)
    recent: list[Column] = []
    for label, days in zip(("short", "middle", "long"), windows, strict=True):
        within = age < days
        recent += [
            F.count_if(within).alias(f"visit_days_{label}"),
            F.coalesce(F.sum(F.when(within, F.col("amount"))), F.lit(0)).alias(f"amount_{label}"),
        ]
    paid, saved, n_visits = F.sum("amount"), F.sum("discount"), F.count("*")
    span = F.date_diff(F.max("event_date"), F.min("event_date"))
    return visits.groupBy("user_id").agg(
        F.min(age).alias("days_since_purchase"),
        F.max(age).alias("days_since_first_purchase"),
        n_visits.alias("visit_days"),
        F.when(n_visits > 1, F.try_divide(span, n_visits - 1)).alias("days_between_visits"),
        *recent,
        (F.sum("lines") / n_visits).alias("lines_per_visit"),
        (paid / n_visits).alias("amount_per_visit"),
        F.try_divide(saved, paid + saved).alias("discount_share"),
    )


def activity(habits: DataFrame) -> DataFrame:
    """Different products of each user, and their purchase days, recent ones counting more."""
    return habits.groupBy("user_id").agg(
        F.count("*").alias("products"), F.sum("recent").alias("recent_purchases")
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
