"""Demand: one network for all series, trained twice on a training day.

Once on all that is known, for the nights to come; and once on what was known when the oldest
origin of the backtest began, so that the network is compared with the other methods on days that
it has not seen.
"""

import json
from dataclasses import asdict
from datetime import timedelta

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.config.training import NetworkConfig
from lakeshop.demand.examples import KEY, columns_of, examples, sampled
from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.training.networks import plan_of, recipe_of, steps_of, where_of
from lakeshop.training.registry import Model, as_bytes, as_table, sha256_of
from lakeshop.training.rounds import Trained
from lakeshop.training.rounds import train as train_rounds
from lakeshop.training.specification import ModelSpec

MODEL_NAME, BACKTEST_MODEL = "demand", "demand_backtest"
METHOD = "tide"
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


def recipe(
    options: DemandSettings, network: NetworkConfig, name: str, rows: int, shards: int
) -> ModelSpec:
    """What is trained."""
    columns = columns_of(options)
    widths = {part: len(names) for part, names in columns.inputs.items()}
    stated = {**widths, "horizon": options.horizon_days}
    return recipe_of(network, columns, stated, f"{name} {METHOD}", steps_of(network, rows, shards))


def _model(series: DataFrame, night: BuildContext, name: str, age: int) -> Model | None:
    options, shards = night.settings.section(DemandSettings), night.settings.training.shards
    rows = night.cache(examples(series, night.day, age, options))
    extent = rows.agg(F.count("*").alias("rows"), F.min("origin").alias("first")).first()
    assert extent is not None
    if not extent["rows"]:
        return None
    network = options.global_model.network
    stated = recipe(options, network, name, extent["rows"], shards)
    trained = _trained(stated, rows, night, name)
    payload = as_bytes(trained.model())
    return {
        "name": name,
        "method": METHOD,
        "is_champion": True,
        "inputs": [c for names in stated.columns.inputs.values() for c in names],
        "usual": [],
        "model": payload,
        "sha256": sha256_of(payload),
        "metrics": json.dumps({"loss": trained.history[-1].loss}),
        "parameters": json.dumps(
            {"recipe": _told(stated), "plan": asdict(plan_of(network, shards))}
        ),
        "score_quantiles": [],
        "training_id": trained.training_id,
        **_extent(extent, night, age),
    }


def _told(recipe: ModelSpec) -> dict[str, object]:
    """A recipe without its hundreds of columns, which stand under `inputs`."""
    return {name: value for name, value in asdict(recipe).items() if name != "columns"}


def _extent(extent: Row, night: BuildContext, age: int) -> dict[str, object]:
    return {
        "trained_rows": extent["rows"],
        "trained_from": extent["first"],
        "trained_to": night.day - timedelta(days=age),
    }


def _trained(recipe: ModelSpec, rows: DataFrame, night: BuildContext, name: str) -> Trained:
    return train_rounds(
        recipe,
        plan_of(
            night.settings.section(DemandSettings).global_model.network,
            night.settings.training.shards,
        ),
        rows,
        where_of(night, name, METHOD),
        key=[*KEY, "origin"],
        data_version=f"{night.day} {night.provenance.content}",
    )
