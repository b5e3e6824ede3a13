"""Sparse entries of features.demand, per series: days sold, days in stock, days promoted.

Entries are in no order. Days are ages: days before the business date, negative after it. Units are
thousandths, money cents: sums of integers do not depend on their order.
"""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.demand.forecasting.weekdays import FACTOR_DAYS
from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.transforms import age_in_days, in_parts, net_of_refunds
from lakeshop.features.product_days import LOOK_BACK_DAYS, NO_STORE
from lakeshop.features.promotions import planned

SERIES_KEY = ("product_id", "store_id")
CATALOGUE_NEW_DAYS = 28
NO_CATEGORY = "without category"
WEEK = 7


def catalogue(versions: DataFrame, day: date) -> DataFrame:
    """The newest entry of each product, with `is_new` and `delivered_age`.

    `is_new`: first delivered within 28 days, and not with the shop's first catalogue;
    `delivered_age`: days since the first delivery.
    """
    names = ("department", "category", "list_price", "discontinued_on")
    newest = F.max_by(F.struct(*names), BUSINESS_DATE)
    delivered_age = age_in_days(day, "delivered_on")
    is_new = (F.col("delivered_on") > F.col("_shop_since")) & (delivered_age < CATALOGUE_NEW_DAYS)
    shop = versions.agg(F.min(BUSINESS_DATE).alias("_shop_since"))
    return (
        versions.groupBy("product_id")
        .agg(newest.alias("newest"), F.min(BUSINESS_DATE).alias("delivered_on"))
        .crossJoin(F.broadcast(shop))
        .select(
            "product_id", "newest.*", is_new.alias("is_new"), delivered_age.alias("delivered_age")
        )
    )


def attributes(known: DataFrame, level: str) -> DataFrame:
    """Attributes of each product of a level; a category has its department alone."""
    if level != "category_store":
        return known
    nothing = {"list_price": "DECIMAL(12,2)", "discontinued_on": "DATE", "delivered_age": "INT"}
    return (
        known.where(F.col("category").isNotNull())
        .groupBy("category")
        .agg(F.min("department").alias("department"))
        .select(
            F.col("category").alias("product_id"),
            "department",
            "category",
            F.lit(False).alias("is_new"),
            *[F.lit(None).cast(kind).alias(name) for name, kind in nothing.items()],
        )
    )


def as_series(rows: DataFrame, known: DataFrame, level: str) -> DataFrame:
    """Name rows of products and stores by the series that they belong to."""
    if level == "product":
        return rows.withColumn("store_id", F.lit(NO_STORE))
    if level == "product_store":
        return rows
    categories = known.select("product_id", F.col("category").alias("_category"))
    named = F.coalesce("_category", F.lit(NO_CATEGORY))
    joined = rows.join(categories, on="product_id", how="left")
    return joined.withColumn("product_id", named).drop("_category")


def sales(days: DataFrame, known: DataFrame, day: date, options: DemandSettings) -> DataFrame:
    """One row per series: `sold`, its days with a sale, and sums of the last `active_days`.

    `first_age` and `last_age` are ages of its first and last sale within 400 days. `weekday_lines`
    are order lines of the last 84 days by weekday, Monday first. `cents` are without refunds.
    `refunded` and `excluded_units` are 0 or more, also where a correction takes back more of a line
    than is in the sum: its day was made with another `features.most_units_per_line`.

    Args:
        days: features.product_days.
        known: as from `catalogue`.
        day: the business date.
        options: level, history_days and active_days.
    """
    age = age_in_days(day)
    per_day = (
        as_series(days, known, options.level)
        .where(age <= LOOK_BACK_DAYS)
        .groupBy(*SERIES_KEY, "event_date")
        .agg(*[F.sum(in_parts(name, parts)).alias(name) for name, parts in _PARTS.items()])
        .withColumn("age", age)
    )
    is_sold, is_active = F.col("units") > 0, F.col("age") < options.active_days
    is_shown = is_sold & (F.col("age") < options.history_days)
    sold = F.collect_list(F.when(is_shown, F.struct("age", "units", "amount")))
    return per_day.groupBy(*SERIES_KEY).agg(
        sold.alias("sold"),
        F.min(F.when(is_sold, F.col("age"))).alias("last_age"),
        F.max(F.when(is_sold, F.col("age"))).alias("first_age"),
        _cents(sold, is_shown, options.active_days).alias("cents"),
        F.bool_or(F.col("units") % _PARTS["units"] != 0).alias("is_fractional"),
        F.array(*[_lines_on(weekday) for weekday in range(WEEK)]).alias("weekday_lines"),
        *[
            F.greatest(F.sum(F.when(is_active, F.col(name))) / _PARTS[name], F.lit(0.0)).alias(name)
            for name in ("refunded", "excluded_units")
        ],
    )


_PARTS = {
    "units": 1000,
    "amount": 100,
    "refunded": 1000,
    "lines": 1,
    "excluded_units": 1000,
    "refunded_amount": 100,
}


def _cents(sold: Column, is_sold: Column, days: int) -> Column:
    """What was paid in the last days; of series with refunds what is left of it.

    Args:
        sold: array of structs of `age` and `amount`, of the rows where `is_sold`.
        is_sold: whether a row is in `sold`.
        days: ages below it count.
    """
    is_recent, paid_back = F.col("age") < days, F.coalesce("refunded_amount", F.lit(0))
    paid = F.transform(sold, lambda s: F.struct(s["age"].alias("age"), s["amount"].alias("net")))
    net = F.when(is_sold, -paid_back).otherwise(F.col("amount") - paid_back)
    # Hardly a series has others: to list all amounts once more would cost as much as all else.
    others = F.collect_list(F.when(is_recent & (net != 0), F.struct("age", net.alias("net"))))
    has_refund = F.bool_or(is_recent & (paid_back != 0))
    left = net_of_refunds(F.concat(paid, others), days)
    return F.when(has_refund, left).otherwise(F.sum(F.when(is_recent, F.col("amount"))))


def _lines_on(weekday: int) -> Column:
    is_counted = (F.weekday("event_date") == weekday) & (F.col("age") < FACTOR_DAYS)
    return F.sum(F.when(is_counted, F.col("lines")).otherwise(0))


def stock(levels: DataFrame, known: DataFrame, day: date, options: DemandSettings) -> DataFrame:
    """One row per series with counted stock: `stock`, its informative days.

    An entry holds the day's number of counts, one per product and store. It also holds the opening
    hours sold out in all of them, and the number of empty shelves without sold-out hours. Stock
    below 0 is no empty shelf: it is sold on back order.
    silver.stock has one count per product, store and day, whatever the number of deliveries.
    """
    age = age_in_days(day)
    is_known = F.col("hours_sold_out").isNotNull()
    hours = F.when(is_known, F.least("hours_sold_out", F.lit(options.opening_hours)))
    is_unknown = ~is_known & (F.col("on_hand") == 0)
    entry = F.struct("age", "counts", "hours", "unknown")
    # Where a shared stock and stocks of stores meet, full shelves are part of the mean.
    is_informative = (
        (F.col("hours") > 0) | (F.col("unknown") > 0) | F.lit(options.level != "product")
    )
    return (
        as_series(levels, known, options.level)
        .where(age < options.history_days)
        .groupBy(*SERIES_KEY, age.alias("age"))
        .agg(
            F.count("*").alias("counts"),
            F.sum(F.coalesce(hours, F.lit(0))).alias("hours"),
            F.count_if(is_unknown).alias("unknown"),
        )
        .where(is_informative)
        .groupBy(*SERIES_KEY)
        .agg(F.collect_list(entry).alias("stock"))
    )


def promotions(
    versions: DataFrame, known: DataFrame, day: date, options: DemandSettings
) -> DataFrame:
    """One row per promoted product: `promoted`, spans of days with the stores that promote it.

    A promotion has the values of its newest version and the announcement of its first, see
    `features.promotions`.

    Args:
        versions: all versions known on the business date.
        known: as from `catalogue`.
        day: the business date.
        options: level, history_days and horizon_days.
    """
    since, until = options.history_days - 1, options.horizon_days
    ages = [age_in_days(day, name).alias(name) for name in ("starts_on", "ends_on", "known_on")]
    spans = (
        planned(versions)
        .where(F.col("starts_on") <= F.lit(day + timedelta(days=until)))
        .where(F.col("ends_on") >= F.lit(day - timedelta(days=since)))
        .transform(as_series, known, options.level)
        # A category's promotions mostly run for the same days: added up, they are few.
        .groupBy("product_id", *ages)
        .agg(F.sum("display_stores").alias("display"), F.sum("mailer_stores").alias("mailer"))
    )
    entry = F.struct("starts_on", "ends_on", "known_on", "display", "mailer")
    return spans.groupBy("product_id").agg(F.collect_list(entry).alias("promoted"))
