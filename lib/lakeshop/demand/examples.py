"""Training examples of demand: a series as known on an earlier day, and its demand after it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakeshop.demand.calendar import NAMES, calendar_features
from lakeshop.demand.entries import CATALOGUE_NEW_DAYS
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.inputs import bucket, columns, inputs_of, targets_of
from lakeshop.demand.panels import panel_of
from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.transforms import is_nth
from lakeshop.ml.arrays import Floats, Floats32
from lakeshop.training.shards import RECORD
from lakeshop.training.specification import FeatureSpec

KEY = ("product_id", "store_id")
EXAMPLE = f"product_id STRING, store_id STRING, origin DATE, {RECORD} ARRAY<FLOAT>"
# Not the place in the year: of a year or two a network would learn which month was which.
CALENDAR = (
    "is_holiday",
    "holiday_nearness",
    "is_after",
    "is_payday",
    "since_payday",
    "day_of_month",
)
LEAST_DAYS = 56  # of history at an origin
LEAST_EXPOSED = 7  # days of a training series


def columns_of(options: DemandSettings) -> FeatureSpec:
    """Inputs and target of a shop's network."""
    return FeatureSpec(*columns(options.horizon_days, CALENDAR))


def calendar_ahead(day: date, options: DemandSettings) -> Floats:
    """Calendar features of the days of the horizon, float64[H, k]."""
    first, last = day + timedelta(days=1), day + timedelta(days=options.horizon_days)
    features = calendar_features(first, last, options.country, options.paydays)
    return features[:, [NAMES.index(name) for name in CALENDAR]]


def groups_of(series: pd.DataFrame) -> Floats:
    """The hashed department and category of each series, float64[n, 2]."""
    names = ("department", "category")
    return np.array([[bucket(row[name]) for name in names] for row in series.to_dict("records")])


def inputs_on(panel: Panel, groups: Floats, options: DemandSettings) -> Floats32:
    """The network's inputs of each series as known on the panel's day."""
    return inputs_of(panel, groups, calendar_ahead(panel.day, options))


def sampled(
    series: DataFrame, most: int, days_before: int, n_series: int | None = None
) -> DataFrame:
    """Sample about `most` series: the half of highest value, and as many of the others.

    Valuable series matter most; the others show rare sales.

    Args:
        series: rows of features.demand.
        most: approximate number of series.
        days_before: sales count until so many days before. Later days would select series by the
            values to be forecast.
        n_series: how many there are, if known; else they are counted.
    """
    total = series.count() if n_series is None else n_series
    if total <= most:
        return series
    by_value = Window.orderBy(_value(days_before).desc(), *KEY)
    half = most // 2
    ranked = series.select(*KEY, F.row_number().over(by_value).alias("_rank"))
    is_first = F.col("_rank") <= half
    others = is_nth("_key", max(1, round((total - half) / (most - half))))
    chosen = ranked.withColumn("_key", F.concat_ws("\n", *KEY)).where(is_first | others)
    kept: DataFrame = series.join(chosen.select(*KEY), on=list(KEY), how="left_semi")
    return kept


def _value(days_before: int) -> Column:
    """Amount paid for a series' units until `days_before` days before its last day."""
    paid = F.zip_with("units", "price", lambda units, price: units * F.coalesce(price, F.lit(0.0)))
    days = F.greatest(F.size("units") - days_before, F.lit(0))
    return F.aggregate(F.slice(paid, F.lit(1), days), F.lit(0.0), lambda total, x: total + x)


def examples(series: DataFrame, day: date, days_before: int, options: DemandSettings) -> DataFrame:
    """Key, origin and record of each example, as known `days_before` before the day.

    Args:
        series: rows of features.demand of the day.
        day: their business date.
        days_before: days held out at the end.
        options: origins, horizon, calendar.
    """
    return series.mapInPandas(_maker(day, days_before, options), EXAMPLE)


def _maker(
    day: date, days_before: int, options: DemandSettings
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def make(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            whole = panel_of(batch, day, options.history_days, options.horizon_days)
            panel, groups = whole.until(days_before) if days_before else whole, groups_of(batch)
            for age in origins(panel, options):
                yield _examples(batch, panel, groups, age, options)

    return make


def active(panel: Panel, options: DemandSettings) -> NDArray[np.bool_]:
    """Mask of series that would have been forecast on the panel's day: sold lately, or new."""
    sold = np.any(panel.units[:, -options.active_days :] > 0, axis=1)
    known = panel.exposure > 0
    is_old = np.any(known[:, :-CATALOGUE_NEW_DAYS], axis=1)
    return np.asarray(np.any(known, axis=1) & (sold | ~is_old))


def origins(panel: Panel, options: DemandSettings) -> list[int]:
    """Ages in days of the examples' origins; the newest is a week before the panel's day."""
    teaching = options.global_model
    ages = [7 + teaching.stride_days * n for n in range(teaching.origins)]
    return [age for age in ages if panel.days - age >= LEAST_DAYS]


def _examples(
    batch: pd.DataFrame, panel: Panel, groups: Floats, age: int, options: DemandSettings
) -> pd.DataFrame:
    past = panel.until(age)
    target = targets_of(panel, age, options.horizon_days)
    is_example = active(past, options) & (target[:, options.horizon_days :] > 0).any(axis=1)
    is_example &= (past.exposure > 0).sum(axis=1) >= LEAST_EXPOSED
    records = np.concatenate([inputs_on(past, groups, options), target], axis=1)[is_example]
    found: pd.DataFrame = batch.loc[is_example, list(KEY)].reset_index(drop=True)
    # Object dtype: without any example pandas would make a column of numbers.
    found["origin"], found[RECORD] = past.day, pd.Series(list(records), dtype=object)
    return found
