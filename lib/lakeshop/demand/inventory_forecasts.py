"""gold.inventory_forecasts: forecast units of each series on each of the next days.

One row per series of features.demand and day of the horizon. ops.backtests of the newest training
day sets the method and the quantile calibration of each segment. Without it, as in a new shop, the
forecast is the mean of the last 56 days times the weekday factor. So is the forecast of a series
that its method cannot do, with a reason.

Series are independent: their priors (dispersion of the class, level of new series of the group) are
pooled once from a sample and sent to the tasks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.demand.candidates import Series, series_of
from lakeshop.demand.examples import KEY, sampled
from lakeshop.demand.forecasting.candidates import uses_network
from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.demand.forecasting.policies import Forecast, SegmentPolicy, forecast, policies_for
from lakeshop.demand.forecasting.pooling import Pooled
from lakeshop.demand.reasons import Reasons, reasons
from lakeshop.demand.settings import DemandSettings
from lakeshop.demand.training import DEMAND_TABLE, MODEL_NAME
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import rows_of_newest_day, sorted_frame
from lakeshop.ml.arrays import Floats
from lakeshop.training.inference import Network
from lakeshop.training.registry import champion

SERIES_PER_TASK = 2000
DIGITS = 4
OF_SERIES = (*KEY, "method", "demand_class", "abc", "is_fallback", "reason")
OF_DAY = "reason_of_day"


def inventory_forecasts(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per active series and day of the horizon."""
    series = context.cache(tables[DEMAND_TABLE].where("is_active"))
    n_series = series.count()
    inputs = _inputs(tables, series, n_series, context)
    task = _forecaster(inputs, context.day, context.settings.section(DemandSettings))
    # Spark coalesces small inputs into one task, but keeps an explicit number of partitions.
    spread = series.repartition(max(1, n_series // SERIES_PER_TASK), *KEY)
    model = (inputs.model_date, inputs.network.sha256 if inputs.network else None)
    days = _columns_of_days(context.settings.section(DemandSettings))
    # A row per series comes from the tasks, with arrays of days: its texts are there once.
    series_of_days = spread.mapInArrow(task, _schema(context, days)).select(
        *OF_SERIES, F.inline(F.arrays_zip(*days, OF_DAY))
    )
    return series_of_days.withColumns(
        {
            "target_date": F.date_add(F.lit(context.day), F.col("horizon")),
            "reason": F.coalesce(OF_DAY, "reason"),
            "model_date": F.lit(model[0]).cast("date"),
            "model_sha256": F.lit(model[1]).cast("string"),
        }
    ).drop(OF_DAY)


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


def _inputs(
    tables: Tables, series: DataFrame, n_series: int, context: BuildContext
) -> ForecastInputs:
    options = context.settings.section(DemandSettings)
    policies = _rules(tables["ops.backtests"], options)
    if not policies:
        context.warn(f"no backtest of demand yet: forecasts are by {DEFAULT}")
    sample = sorted_frame(sampled(series, options.backtest.series, 0, n_series), KEY)
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
        for row in rows_of_newest_day(chosen)
    }


def _columns_of_days(options: DemandSettings) -> tuple[str, ...]:
    """Columns with a number for each day ahead."""
    quantiles = map(quantile_name, options.quantiles)
    return ("horizon", "mean", "variance", "level_variance", *quantiles)


def _schema(context: BuildContext, days: Sequence[str]) -> T.StructType:
    """The rows of a task: a series each, with arrays of days."""
    arrays = [T.StructField(f.name, T.ArrayType(f.dataType)) for f in context.task_schema(*days)]
    texts = T.StructField(OF_DAY, T.ArrayType(T.StringType()))
    return T.StructType([*context.task_schema(*OF_SERIES), *arrays, texts])


def _forecaster(
    inputs: ForecastInputs, day: date, options: DemandSettings
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The task: the forecasts of a batch of series."""

    def task(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                yield forecasts_of(batch, inputs, day, options)

    return task


def forecasts_of(
    batch: pa.RecordBatch, inputs: ForecastInputs, day: date, options: DemandSettings
) -> pa.RecordBatch:
    """The forecasts of a batch of series, a row each."""
    assert inputs.shared is not None, "a sample exists wherever a series does"
    series = series_of(batch, day, options)
    levels = np.array(options.quantiles)
    policies = policies_for(inputs.policies, series.segments, levels)
    names = {policy.method for policy in policies.values()} | {DEFAULT}
    candidates = series.candidate_forecasts(inputs.shared, inputs.network, names, options)
    is_fractional = np.asarray(batch["is_fractional"].to_numpy(zero_copy_only=False), np.bool_)
    found = forecast(candidates, series.segments, policies, is_fractional)
    sold = on_sale(batch["discontinued_on"], day, options.horizon_days)
    is_open = opened(batch["closed"], options.horizon_days)
    texts = reasons(series.panel, series.segments, found, policies, (sold, is_open))
    return _table(batch, series, found, sold * is_open, texts, options)


def on_sale(discontinued_on: pa.Array, day: date, horizon: int) -> Floats:
    """1 on days ahead on which a series is still sold, 0 after it was discontinued: [n, H]."""
    last = np.asarray(discontinued_on.cast(pa.date32()), "datetime64[D]")
    ahead = np.array([np.datetime64(day + timedelta(days=n + 1)) for n in range(horizon)])
    found: Floats = (np.isnat(last)[:, None] | (ahead[None, :] <= last[:, None])).astype(float)
    return found


def opened(closed: pa.Array, horizon: int) -> Floats:
    """1 on days ahead on which the shop is open, 0 where it is closed: [H]."""
    found = np.ones(horizon)
    found[[ahead - 1 for ahead in closed[0].as_py() or ()]] = 0.0
    return found


def _table(
    batch: pa.RecordBatch,
    series: Series,
    found: Forecast,
    sold: Floats,
    texts: Reasons,
    options: DemandSettings,
) -> pa.RecordBatch:
    n, horizon = found.mean.shape
    numbers = {
        "mean": found.mean,
        "variance": found.variance,
        "level_variance": np.broadcast_to(found.level_variance[:, None], (n, horizon)),
    }
    days = {name: np.round(values * sold, DIGITS) for name, values in numbers.items()}
    quantiles = np.round(found.quantiles * sold[:, :, None], DIGITS)
    names = map(quantile_name, options.quantiles)
    days |= {name: quantiles[:, :, place] for place, name in enumerate(names)}
    edges = pa.array(np.arange(0, n * horizon + 1, horizon), pa.int32())
    ahead = np.tile(np.arange(1, horizon + 1, dtype=np.int32), n)
    columns = {
        "product_id": batch["product_id"],
        "store_id": batch["store_id"],
        "method": pa.array(found.method.tolist(), pa.string()),
        "demand_class": pa.array(series.classes.tolist(), pa.string()),
        "abc": pa.array(series.abc.tolist(), pa.string()),
        "is_fallback": pa.array(found.failed != ""),
        "reason": pa.array(texts.of_series, pa.string()),
        "horizon": pa.ListArray.from_arrays(edges, pa.array(ahead)),
        **{name: _lists(edges, values.ravel()) for name, values in days.items()},
        OF_DAY: pa.ListArray.from_arrays(edges, pa.array(texts.of_days, pa.string())),
    }
    return pa.RecordBatch.from_pydict(columns)


def _lists(edges: pa.Array, values: Floats) -> pa.ListArray:
    """Arrays of days; what is no number is NULL."""
    return pa.ListArray.from_arrays(edges, pa.array(values, mask=np.isnan(values)))
