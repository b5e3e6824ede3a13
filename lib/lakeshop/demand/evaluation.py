"""Forecasts of demand in ops.metrics: how good they are, every method on the same days.

`forecast`, filed under a training day: the figures of its backtest, ours and the methods' own.
`forecast_published`, filed under a night once its next days are over: how good it was, as it was
published. Days on which stock was sold out say how much there was, and are left out; of a category,
of which nearly always some product is, none is.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.dates import days_between, newest_weekday
from lakeshop.demand.entries import as_series, catalogue
from lakeshop.demand.forecasting.backtest import ALL, CHOSEN
from lakeshop.demand.inventory_forecasts import quantile_name
from lakeshop.demand.report import report_forecasts
from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.metrics import EvaluationContext, Figure
from lakeshop.engine.transforms import latest_versions
from lakeshop.features.exclusions import without_excluded
from lakeshop.features.product_days import NO_STORE

SUBJECT, OURS = "forecast", "lakeshop"
BACKTESTS, FORECASTS = "ops.backtests", "gold.inventory_forecasts"
SOLD, STOCK, PRODUCTS = "features.product_days", "silver.stock", "silver.products"
CATEGORY = "category_store"
SERIES_KEY = ("product_id", "store_id")
PARTS = 1000  # units are summed in thousandths: sums of integers have no order
LEAST_SOLD = 4  # units; of fewer a tracking signal is chance
ALARM = 0.5  # of a tracking signal, from -1 to 1


def evaluate(context: EvaluationContext) -> None:
    """Publish figures of forecasts on the days of the context."""
    _backtested(context, newest_weekday(context.settings.training.weekday_number, context.last))
    horizon = timedelta(days=context.settings.evaluation.horizon_days)
    for day in days_between(context.first, context.last):
        if context.content(FORECASTS, day - horizon):
            _published(context, day - horizon, day)


def _backtested(context: EvaluationContext, day: date) -> None:
    """The figures that the backtest of a training day found."""
    source = (context.content(BACKTESTS, day),)
    if not source[0] or context.is_published(day, SUBJECT, source):
        return
    rows = context.read(BACKTESTS, day, day)
    own = rows.where(F.col("method").isNotNull() | (F.col("segment") == ALL))
    figures = {row["segment"]: json.loads(row["figures"]) for row in own.collect()}
    found = [f for segment in sorted(figures) for f in figures_of(segment, figures[segment])]
    report_forecasts(f"{day}", found)
    context.publish(day, SUBJECT, found, source)


def figures_of(
    segment: str, figures: Mapping[str, Mapping[str, float]], chosen: str = CHOSEN
) -> Sequence[Figure]:
    """method, metric, segment, value: figures of a segment in a backtest, its choice as ours."""
    return [
        (OURS if method == chosen else method, metric, segment, float(value))
        for method, of_method in figures.items()
        for metric, value in of_method.items()
    ]


def _published(context: EvaluationContext, night: date, day: date) -> None:
    """A night's own forecasts of the days until `day`, by what was sold on them."""
    days = days_between(night + timedelta(days=1), day)
    outcome = [context.content(table, d) for table in (SOLD, STOCK) for d in days]
    source = (context.content(FORECASTS, night), *outcome)
    if context.is_published(night, f"{SUBJECT}_published", source):
        return
    read = context.read
    forecasts = read(FORECASTS, night, night).where(F.col("target_date") <= F.lit(day))
    sold, stock = (read(table, days[0], day) for table in (SOLD, STOCK))
    options = context.settings.section(DemandSettings)
    versions, excluded = read(PRODUCTS, None, night), context.settings.shop.exclude_products
    known = catalogue(versions, night)
    goods = without_excluded(sold, latest_versions(versions, ["product_id"]), excluded)
    is_of_products = options.level != CATEGORY
    compared = comparable_days(
        told_days(forecasts, sold),
        as_series(goods, known, options.level),
        as_series(stock.where(F.lit(is_of_products)), known, options.level),
    )
    figures = by_segment(compared, options.quantiles)
    context.publish(night, f"{SUBJECT}_published", figures, source)


def told_days(forecasts: DataFrame, sold: DataFrame) -> DataFrame:
    """The forecasts of days on which the shop sold anything: others are unknown, or closed."""
    per_day = sold.groupBy("event_date").agg(F.sum("lines").alias("lines"))
    told = per_day.where("lines > 0").select(F.col("event_date").alias("target_date"))
    return forecasts.join(F.broadcast(told), on="target_date", how="left_semi")


def comparable_days(forecasts: DataFrame, sold: DataFrame, stock: DataFrame) -> DataFrame:
    """Add `units`, thousandths sold, to forecasts; days that were sold out are left out.

    A count without hours sold out says so by an empty shelf.

    Args:
        forecasts: gold.inventory_forecasts of one night.
        sold: features.product_days that were delivered since, by series.
        stock: silver.stock that was delivered since, by series.
    """
    key = [*map(F.col, SERIES_KEY), F.col("event_date").alias("target_date")]
    per_day = sold.groupBy(*key).agg(F.sum(_parts(F.col("units"))).alias("units"))
    is_out = F.coalesce(F.col("hours_sold_out") > 0, F.col("on_hand") == 0)
    out = stock.where(is_out).select(*key).distinct()
    # One stock for all stores is each store's.
    is_same = (
        (F.col("forecast.product_id") == F.col("out.product_id"))
        & (F.col("forecast.target_date") == F.col("out.target_date"))
        & F.col("out.store_id").isin(F.col("forecast.store_id"), F.lit(NO_STORE))
    )
    return (
        forecasts.alias("forecast")
        .join(out.alias("out"), on=is_same, how="left_anti")
        .join(per_day, on=[*SERIES_KEY, "target_date"], how="left")
        .withColumn("units", F.coalesce("units", F.lit(0)))
    )


def by_segment(compared: DataFrame, levels: Sequence[float]) -> DataFrame:
    """method, metric, segment, value: of all series, and of each class of demand."""
    error = _parts(F.col("mean")) - F.col("units")
    names = ("days", "sold", "error", "absolute", *_shares(levels))
    per_series = compared.groupBy(*SERIES_KEY, "demand_class").agg(
        F.count("*").alias("days"),
        F.sum("units").alias("sold"),
        F.sum(error).alias("error"),
        F.sum(F.abs(error)).alias("absolute"),
        *[F.count_if(holds).alias(name) for name, holds in _shares(levels).items()],
    )
    is_told = F.col("sold") >= LEAST_SOLD * PARTS
    is_alarm = is_told & (F.abs("error") > F.lit(ALARM) * F.col("absolute"))
    segment = F.explode(F.array(F.lit(ALL), "demand_class"))
    return (
        per_series.withColumns({"segment": segment, "is_alarm": is_alarm})
        .groupBy("segment")
        .agg(
            F.count("*").alias("series"),
            F.count_if("is_alarm").alias("alarms"),
            *[F.sum(f"`{name}`").alias(name) for name in names],
        )
        .select("segment", F.explode(_figures(levels)).alias("figure"))
        .select(F.lit(OURS).alias("method"), "figure.metric", "segment", "figure.value")
    )


def _shares(levels: Sequence[float]) -> dict[str, Column]:
    """Return two conditions per quantile: a day sold less than it, and no more than it."""
    units = F.col("units")
    quantiles = {level: _parts(F.col(quantile_name(level))) for level in levels}
    below = {f"below_{level:g}": units < quantile for level, quantile in quantiles.items()}
    return below | {f"up_to_{level:g}": units <= quantile for level, quantile in quantiles.items()}


def _figures(levels: Sequence[float]) -> Column:
    """The figures of a segment as an array; NULL of one where nothing was sold."""
    sold, days = F.nullif(F.col("sold"), F.lit(0)), F.col("days")
    values = {
        "wape": F.col("absolute") / sold,
        "bias": F.col("error") / sold,
        **{name: F.col(f"`{name}`") / days for name in _shares(levels)},
        "tracking_signal_alarms": F.col("alarms"),
        "series": F.col("series"),
    }
    return F.array(
        *[
            F.struct(F.lit(name).alias("metric"), value.cast("double").alias("value"))
            for name, value in values.items()
        ]
    )


def _parts(units: Column) -> Column:
    return F.rint(units.cast("double") * PARTS).cast("bigint")
