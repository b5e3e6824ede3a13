"""ops.backtests: how each kind of series is forecast from a training day on, and how well.

The series are a sample, so that all methods' forecasts of them at all origins is held on the
driver. The network of the backtest learned nothing after the oldest origin; the one that serves
the nights knows a few weeks more.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakeshop.contracts.application import resolve
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.demand.candidates import Borders, Series, series_of
from lakeshop.demand.examples import KEY, LEAST_DAYS, active, sampled
from lakeshop.demand.forecasting.backtest import (
    ALL,
    BacktestOrigin,
    SegmentBacktest,
    evaluate_backtest,
)
from lakeshop.demand.forecasting.candidates import named
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.forecasting.policies import SegmentPolicy
from lakeshop.demand.inputs import targets_of
from lakeshop.demand.settings import DemandSettings
from lakeshop.demand.training import BACKTEST_MODEL, DEMAND_TABLE, oldest_origin
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.outcome import explain, failing_alone
from lakeshop.engine.transforms import rows_of_newest_day, sorted_frame
from lakeshop.training.inference import Network

BACKTEST = (
    "segment",
    "method",
    "reason",
    "levels",
    "variance_factor",
    "level_variance",
    "series",
    "origins",
    "figures",
)


@dataclass(frozen=True, eq=False)
class Backtest:
    """The forecasts of a backtest, for applications that add segments of their own.

    Attributes:
        rows: of features.demand, n series.
        panel: of these, up to the training day.
        origins: by how many days before it, the forecasts of each series.
        rules: by segment, as chosen over these origins.
    """

    rows: pd.DataFrame
    panel: Panel
    origins: Mapping[int, BacktestOrigin]
    rules: Mapping[str, SegmentPolicy]


def extended(
    backtest: Backtest, tables: Tables, context: BuildContext
) -> dict[str, SegmentBacktest]:
    """Return the segments that other applications add; one that fails leaves the others whole."""
    found: dict[str, SegmentBacktest] = {}
    for place in context.extensions:
        with failing_alone() as errors:
            found |= resolve(place)(backtest, tables, context)
        for error in errors:
            context.fail(f"rows of {place} are missing: {explain(error)}")
    return found


def backtests(tables: Tables, night: BuildContext) -> DataFrame:
    """One row per segment, one of all, one of the reorder plan; none where history is too short."""
    options = night.settings.section(DemandSettings)
    oldest = oldest_origin(options)
    rows = sorted_frame(sampled(tables[DEMAND_TABLE], options.backtest.series, oldest), KEY)
    spark = SparkSession.active()
    ages = [n for n in _ages(night) if len(rows) and _length(rows, night) - n >= LEAST_DAYS]
    if len(ages) < options.backtest.origins:
        night.warn("no backtest of demand: history should reach back before its oldest origin")
        return spark.createDataFrame([], night.schema(*BACKTEST))
    models = tables["models.demand"]
    models = models.where(
        (F.col("name") == BACKTEST_MODEL) & (F.col(BUSINESS_DATE) == F.lit(night.day))
    )
    row = models.first()
    network = None if row is None else Network.of(row)
    whole = series_of(rows, night.day, options)
    borders = _borders(tables[DEMAND_TABLE])
    origins = {age: _origin(whole, age, network, night, borders) for age in ages}
    found = evaluate_backtest(
        list(origins.values()),
        rows["is_fractional"].to_numpy(np.bool_),
        np.array(options.quantiles),
        _last(tables["ops.backtests"], night),
    )
    rules = {segment: one.policy for segment, one in found.items() if one.policy}
    backtest = Backtest(rows, whole.panel, origins, rules)
    found |= extended(backtest, tables, night)
    return spark.createDataFrame(_rows(found, len(origins)), night.schema(*BACKTEST))


def _ages(night: BuildContext) -> list[int]:
    """Return the age of each origin in days, the newest first."""
    options = night.settings.section(DemandSettings)
    return list(
        range(options.horizon_days, oldest_origin(options) + 1, options.backtest.stride_days)
    )


def _length(rows: pd.DataFrame, night: BuildContext) -> int:
    """Days of the longest history."""
    return int((night.day - rows["first_day"].min()).days) + 1


def _borders(series: DataFrame) -> Borders:
    """The least value of a series of A, and of one of B."""
    rows = series.groupBy("abc").agg(F.min("value").alias("least")).collect()
    least = {row["abc"]: float(row["least"]) for row in rows}
    return least.get("A", math.inf), least.get("B", math.inf)


def _origin(
    whole: Series, age: int, network: Network | None, night: BuildContext, borders: Borders
) -> BacktestOrigin:
    options = night.settings.section(DemandSettings)
    series = whole.until(age, borders, options.active_days)
    forecasts = series.candidate_forecasts(
        series.pooled(), network, named(network is not None), options
    )
    came = targets_of(whole.panel, age, options.horizon_days).astype(np.float64)
    units, exposure = np.split(came, 2, axis=1)
    # A series that no night would have forecast counts for no method.
    exposure *= active(series.panel, options)[:, None]
    return BacktestOrigin(series.panel, series.segments, series.value, forecasts, units, exposure)


def _last(backtests: DataFrame, night: BuildContext) -> dict[str, str]:
    """The methods chosen on the training day before."""
    earlier = backtests.where(
        (F.col(BUSINESS_DATE) < F.lit(night.day)) & F.col("method").isNotNull()
    )
    newest = rows_of_newest_day(earlier.select(BUSINESS_DATE, "segment", "method"))
    return {row["segment"]: row["method"] for row in newest}


def _rows(found: Mapping[str, SegmentBacktest], origins: int) -> Sequence[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for segment, one in found.items():
        rule = one.policy
        of_rule: tuple[object, ...] = (None,) * 5
        if rule is not None:
            factors = (float(rule.variance_factor), float(rule.level_variance))
            of_rule = (rule.method, rule.reason, rule.levels.ravel().tolist(), *factors)
        figures = json.dumps(_known(one.figures), sort_keys=True)
        rows.append((segment, *of_rule, one.series, origins, figures))
    assert any(segment == ALL for segment in found)
    return rows


def _known(figures: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Figures that JSON can hold: it knows no NaN."""
    return {
        method: {name: value for name, value in of.items() if math.isfinite(value)}
        for method, of in figures.items()
    }
