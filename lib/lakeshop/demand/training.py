"""Demand: one network for all series, trained twice on a training day.

Once on all that is known, for the nights to come; and once on what was known when the oldest
origin of the backtest began, so that the network is compared with the other methods on days that
it has not seen.
"""

from datetime import timedelta

from pyspark.sql import DataFrame

from lakeshop.demand.examples import KEY, columns_of, examples, sampled
from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.training.models import Examples, trained_model
from lakeshop.training.registry import Model, as_table

MODEL_NAME, BACKTEST_MODEL = "demand", "demand_backtest"
METHOD = "tide"
TOLERANCE = 1e-5  # of a forecast v by LiteRT, times 1 + |v|
DEMAND_TABLE = "features.demand"


def train(tables: Tables, night: BuildContext) -> DataFrame:
    """Return the rows of models.demand of a training day; none where history is too short."""
    options = night.settings.section(DemandSettings)
    oldest = oldest_origin(options)
    series = night.cache(sampled(tables[DEMAND_TABLE], options.global_model.series, oldest))
    ages = {MODEL_NAME: 0, BACKTEST_MODEL: oldest}
    found = [_model(series, night, name, age) for name, age in ages.items()]
    if None in found:
        night.warn("demand: too short a history for a network, forecasts are by local methods")
    return as_table([model for model in found if model is not None], night)


def oldest_origin(options: DemandSettings) -> int:
    """Days before the training day that the backtest's oldest origin is."""
    backtest = options.backtest
    return options.horizon_days + backtest.stride_days * (backtest.origins - 1)


def widths(options: DemandSettings) -> dict[str, int]:
    """The numbers of each input's columns, and of days ahead."""
    inputs = columns_of(options).inputs
    return {**{part: len(names) for part, names in inputs.items()}, "horizon": options.horizon_days}


def _model(series: DataFrame, night: BuildContext, name: str, age: int) -> Model | None:
    options = night.settings.section(DemandSettings)
    training_set = Examples.of(
        night.cache(examples(series, night.day, age, options)),
        columns_of(options),
        (*KEY, "origin"),
        day="origin",
        statistics=widths(options),
    )
    if training_set is None:
        return None
    network = options.global_model.network
    model = trained_model(
        training_set, network, night, name=name, method=METHOD, tolerance=TOLERANCE
    )
    return model | {"trained_to": night.day - timedelta(days=age)}
