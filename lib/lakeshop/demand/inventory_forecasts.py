"""gold.inventory_forecasts: forecast units of each series on each of the next days.

One row per series of features.demand and day of the horizon. ops.backtests of the newest training
day sets the method and the quantile calibration of each segment. Without it, as in a new shop, the
forecast is the mean of the last 56 days times the weekday factor. So is the forecast of a series
that its method cannot do, with a reason.

Series are independent: their priors (dispersion of the class, level of new series of the group) are
pooled once from a sample and sent to the tasks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.demand.candidates import Series, series_of
from lakeshop.demand.examples import KEY, sampled
from lakeshop.demand.forecasting.candidates import uses_network
from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.demand.forecasting.policies import Forecast, SegmentPolicy, forecast, policies_for
from lakeshop.demand.forecasting.pooling import Pooled
from lakeshop.demand.reasons import reasons
from lakeshop.demand.settings import DemandSettings
from lakeshop.demand.training import DEMAND_TABLE, MODEL_NAME
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import of_newest_day
from lakeshop.ml.arrays import Floats
from lakeshop.training.inference import Network
from lakeshop.training.registry import champion

SERIES_PER_TASK = 2000
DIGITS = 4


def inventory_forecasts(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per active series and day of the horizon."""
    series = context.cache(tables[DEMAND_TABLE].where("is_active"))
    inputs = _inputs(tables, series, context)
    task = _forecaster(inputs, context.day, context.settings.section(DemandSettings))
    # Spark coalesces small inputs into one task, but keeps an explicit number of partitions.
    spread = series.repartition(max(1, series.count() // SERIES_PER_TASK), *KEY)
    model = (inputs.model_date, inputs.network.sha256 if inputs.network else None)
    schema = context.task_schema(*_columns(context.settings.section(DemandSettings)))
    return spread.mapInPandas(task, schema).withColumns(
        {
            "target_date": F.date_add(F.lit(context.day), F.col("horizon")),
            "model_date": F.lit(model[0]).cast("date"),
            "model_sha256": F.lit(model[1]).cast("string"),
        }
    )


def quantile_name(level: float) -> str:
    """The column of a quantile: q05 for 0.05."""
    return f"q{100 * level:02.0f}"


@dataclass(frozen=True, eq=False)
class ForecastInputs:
    """Inputs common to all series."""

    policies: Mapping[str, SegmentPolicy]
    shared: Pooled | None
    network: Network | None
    model_date: date | None


def _inputs(tables: Tables, series: DataFrame, context: BuildContext) -> ForecastInputs:
    options = context.settings.section(DemandSettings)
    policies = _rules(tables["ops.backtests"], options)
    if not policies:
        context.warn(f"no backtest of demand yet: forecasts are by {DEFAULT}")
    sample = sampled(series, options.backtest.series, 0).orderBy(*KEY).toPandas()
    shared = series_of(sample, context.day, options).pooled() if len(sample) else None
    needs = any(uses_network(policy.method) for policy in policies.values())
    row = champion(tables["models.demand"], MODEL_NAME) if needs else None
    network = None if row is None else Network.of(row)
    return ForecastInputs(policies, shared, network, None if row is None else row[BUSINESS_DATE])


def _rules(backtests: DataFrame, options: DemandSettings) -> dict[str, SegmentPolicy]:
    """Policies of the newest training day, by segment."""
    chosen = backtests.where(F.col("method").isNotNull())
    return {
        row["segment"]: SegmentPolicy(
            row["method"],
            row["reason"],
            np.array(row["levels"]).reshape(-1, len(options.quantiles)),
            row["variance_factor"],
            row["level_variance"],
        )
        for row in of_newest_day(chosen).collect()
    }


def _columns(options: DemandSettings) -> Iterator[str]:
    """The columns that a task makes."""
    yield from (*KEY, "horizon", "mean", "variance", "level_variance")
    yield from map(quantile_name, options.quantiles)
    yield from ("method", "demand_class", "abc", "reason", "is_fallback")


def _forecaster(
    inputs: ForecastInputs, day: date, options: DemandSettings
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """The task: the forecasts of a batch of series."""

    def task(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            if len(batch):
                yield forecasts_of(batch, inputs, day, options)

    return task


def forecasts_of(
    batch: pd.DataFrame, inputs: ForecastInputs, day: date, options: DemandSettings
) -> pd.DataFrame:
    """The rows of a batch of series, all of a series one after the other."""
    assert inputs.shared is not None, "a sample exists wherever a series does"
    series = series_of(batch, day, options)
    levels = np.array(options.quantiles)
    policies = policies_for(inputs.policies, series.segments, levels)
    names = {policy.method for policy in policies.values()} | {DEFAULT}
    candidates = series.candidate_forecasts(inputs.shared, inputs.network, names, options)
    is_fractional = batch["is_fractional"].to_numpy(np.bool_)
    found = forecast(candidates, series.segments, policies, is_fractional)
    sold = on_sale(batch, day, options.horizon_days)
    texts = reasons(series.panel, series.segments, found, policies, sold)
    return _table(batch, series, found, sold, options).assign(reason=texts)


def on_sale(batch: pd.DataFrame, day: date, horizon: int) -> Floats:
    """1 on days ahead on which a series is still sold, 0 after it was discontinued: [n, H]."""
    last = pd.to_datetime(batch["discontinued_on"]).to_numpy("datetime64[D]")
    ahead = np.array([np.datetime64(day + timedelta(days=n + 1)) for n in range(horizon)])
    found: Floats = (np.isnat(last)[:, None] | (ahead[None, :] <= last[:, None])).astype(float)
    return found


def _table(
    batch: pd.DataFrame, series: Series, found: Forecast, sold: Floats, options: DemandSettings
) -> pd.DataFrame:
    n, horizon = found.mean.shape
    numbers = {
        "mean": found.mean,
        "variance": found.variance,
        "level_variance": np.broadcast_to(found.level_variance[:, None], (n, horizon)),
    }
    columns = {name: np.round(values * sold, DIGITS).ravel() for name, values in numbers.items()}
    quantiles = np.round(found.quantiles * sold[:, :, None], DIGITS).reshape(n * horizon, -1)
    each = {
        "product_id": batch["product_id"],
        "store_id": batch["store_id"],
        "method": found.method,
        "demand_class": series.classes,
        "abc": series.abc,
        "is_fallback": found.failed != "",
    }
    table = pd.DataFrame({name: np.repeat(np.asarray(v), horizon) for name, v in each.items()})
    names = map(quantile_name, options.quantiles)
    columns |= dict(zip(names, quantiles.T, strict=True))
    return table.assign(horizon=np.tile(np.arange(1, horizon + 1), n), **columns)
