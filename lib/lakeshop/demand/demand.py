"""features.demand: daily demand of each forecast series, zeros included.

One row per series with arrays of days, because every method reads whole histories: 40,000 series of
a year are as many rows, not 14 million. Daily sums are collected per series, sparse and in any
order, and made dense by NumPy, see `dense_arrays`.

A series is active, and forecast, if it sold within `active_days`. So is a series with a catalogue
entry of the last 28 days (not of the shop's first catalogue). Both end on the day of
discontinuation. Training days also include all others that sold within the look-back: survivors
alone would bias the network. Money and units are summed as integers, so that no result depends on
the partitioning.
"""

from collections.abc import Collection
from datetime import date
from functools import partial, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.demand.dense_arrays import NAMES, to_dense_arrays
from lakeshop.demand.entries import SERIES_KEY, attributes, catalogue, promotions, sales, stock
from lakeshop.demand.forecasting.weekdays import FACTOR_DAYS
from lakeshop.demand.open_days import lines_by_day, open_days
from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import latest_versions
from lakeshop.features.exclusions import without_excluded
from lakeshop.features.product_days import NO_STORE

FIRST_SHARE, NEXT_SHARE = 16, 19  # twentieths of the value that A makes, and A with B
WEEK = 7


def demand(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per series that is forecast."""
    options, day = context.settings.section(DemandSettings), context.day
    known, sums, levels, versions = goods(tables, context)
    shop = context.settings.shop.entities.get("transactions")
    weekdays = shop.expected_weekdays if shop else None
    days = open_days(lines_by_day(tables["features.product_days"]), day, weekdays, options)
    sold = sales(sums, known, day, options)
    series = context.cache(
        forecast_series(
            sold,
            attributes(known, options.level),
            day,
            options,
            include_inactive=context.is_training_day,
        ).transform(with_product_days, day, days.silent)
    )
    in_stock = stock(levels, known, day, options)
    planned = promotions(versions, known, day, options)
    return (
        series.transform(with_weekday_counts, series)
        .join(abc(series), on=list(SERIES_KEY))
        .transform(with_stock, in_stock, options.level)
        .join(planned, on="product_id", how="left")
        .select(*_ARRIVING)
        .mapInArrow(partial(to_dense_arrays, day, options, days), context.task_schema(*NAMES))
    )


def goods(tables: Tables, context: BuildContext) -> list[DataFrame]:
    """Catalogue, sales, stock and promotions of products that the shop does not exclude."""
    versions, excluded = tables["silver.products"], context.settings.shop.exclude_products
    newest = latest_versions(versions, ["product_id"])
    names = ("features.product_days", "silver.stock", "silver.promotions")
    known = [catalogue(versions, context.day), *[tables[name] for name in names]]
    return [without_excluded(rows, newest, excluded) for rows in known]


_ARRIVING = (
    *SERIES_KEY,
    "department",
    "category",
    "is_active",
    "discontinued_on",
    "list_price",
    "refunded",
    "excluded_units",
    "cents",
    "abc",
    "is_fractional",
    "first_age",
    "sold",
    "own_stock",
    "shared_stock",
    "promoted",
    "weekday_counts",
)


def forecast_series(
    sold: DataFrame, known: DataFrame, day: date, options: DemandSettings, *, include_inactive: bool
) -> DataFrame:
    """The series with `is_active`, and their first day as days before `day`: `first_age`.

    Args:
        sold: as from `sales`.
        known: as from `attributes`.
        day: the business date.
        options: level, history_days and active_days.
        include_inactive: keep series that are no longer active.
    """
    # The store of a product that is not sold yet is unknown.
    how = "full" if options.level == "product" else "left"
    is_new = F.coalesce("is_new", F.lit(False))
    is_active = F.coalesce(F.col("last_age") < options.active_days, F.lit(False))
    first_age = F.coalesce("first_age", "delivered_age")
    return (
        sold.join(known, on="product_id", how=how)
        .withColumn("is_active", is_active | is_new)
        .where(F.col("is_active") | (F.lit(include_inactive) & F.col("last_age").isNotNull()))
        .where(F.col("discontinued_on").isNull() | (F.col("discontinued_on") >= F.lit(day)))
        .withColumns(
            {
                "store_id": F.coalesce("store_id", F.lit(NO_STORE)),
                "first_age": F.least(first_age, F.lit(options.history_days - 1)),
                "cents": F.coalesce("cents", F.lit(0)),
                "is_fractional": F.coalesce("is_fractional", F.lit(False)),
                **{n: F.coalesce(n, F.lit(0.0)) for n in ("refunded", "excluded_units")},
            }
        )
        .drop("last_age", "delivered_age", "is_new")
    )


def with_product_days(series: DataFrame, day: date, silent: Collection[int] = ()) -> DataFrame:
    """Add `product_days`: of each weekday, Monday first, the days counted by weekday factors.

    Args:
        series: as from `forecast_series`.
        day: the business date.
        silent: ages of days that tell nothing of demand.
    """
    days = F.least(F.col("first_age") + 1, F.lit(FACTOR_DAYS))
    ages: dict[int, list[int]] = {weekday: [] for weekday in range(WEEK)}
    for age in silent:
        if age < FACTOR_DAYS:
            ages[(day.weekday() - age) % WEEK].append(age)
    counts = []
    for weekday, left_out in ages.items():
        all_days = F.floor((days + WEEK - 1 - F.lit((day.weekday() - weekday) % WEEK)) / WEEK)
        within = [F.when(F.col("first_age") >= age, 1).otherwise(0) for age in left_out]
        counts.append(reduce(Column.__sub__, within, all_days))
    return series.withColumn("product_days", F.array(*counts))


def with_weekday_counts(series: DataFrame, all_series: DataFrame) -> DataFrame:
    """Add `weekday_counts`: order lines of the department on each weekday, then product-days.

    Series without department get the counts of the whole shop.
    """

    def totals(name: str) -> list[Column]:
        return [F.sum(F.coalesce(F.get(name, F.lit(k)), F.lit(0))) for k in range(WEEK)]

    counts = F.array(*totals("weekday_lines"), *totals("product_days"))
    departments = all_series.where(F.col("department").isNotNull())
    per_department = departments.groupBy("department").agg(counts.alias("_of_department"))
    whole = all_series.agg(counts.alias("_of_shop"))
    return (
        series.join(F.broadcast(per_department), on="department", how="left")
        .crossJoin(F.broadcast(whole))
        .withColumn("weekday_counts", F.coalesce("_of_department", "_of_shop"))
        .drop("_of_department", "_of_shop")
    )


def abc(series: DataFrame) -> DataFrame:
    """The value class of each series: A, B or C; a series that crosses a border is before it.

    Credits above the sales of a series are its own: they take nothing from the value of the others.
    """
    worth = F.greatest("cents", F.lit(0))
    by_value = W.orderBy(F.desc("cents"), *SERIES_KEY)
    running = by_value.rowsBetween(W.unboundedPreceding, W.currentRow)
    before = F.sum(worth).over(running) - worth
    whole = F.sum(worth).over(W.partitionBy())
    found = (
        F.when(F.col("cents") <= 0, F.lit("C"))
        .when(20 * before < FIRST_SHARE * whole, F.lit("A"))
        .when(20 * before < NEXT_SHARE * whole, F.lit("B"))
        .otherwise(F.lit("C"))
    )
    return series.select(*SERIES_KEY, found.alias("abc"))


def with_stock(series: DataFrame, in_stock: DataFrame, level: str) -> DataFrame:
    """Add the stock entries of each series: of its store, and of a stock shared by all stores."""
    own = in_stock.withColumnRenamed("stock", "own_stock")
    joined = series.join(own, on=list(SERIES_KEY), how="left")
    if level == "product":
        return joined.withColumn(
            "shared_stock", F.lit(None).cast(in_stock.schema["stock"].dataType)
        )
    shared = in_stock.where(F.col("store_id") == NO_STORE).select(
        "product_id", F.col("stock").alias("shared_stock")
    )
    is_store = F.col("store_id") != NO_STORE
    return joined.join(shared, on="product_id", how="left").withColumn(
        "shared_stock", F.when(is_store, F.col("shared_stock"))
    )
