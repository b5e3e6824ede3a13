"""A network of the configuration from its examples to a row of `models.<application>`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.training import NetworkConfig
from lakeshop.engine.context import BuildContext
from lakeshop.ml.arrays import Floats32
from lakeshop.training.inference import with_export
from lakeshop.training.networks import batches_of, checkpoint_location, model_spec, training_plan
from lakeshop.training.registry import Model, as_bytes, sha256_of
from lakeshop.training.rounds import Trained, train
from lakeshop.training.shards import RECORD
from lakeshop.training.specification import FeatureSpec, TrainingPlan

COMPARED_ROWS = 512  # of the examples, on which LiteRT must give what Keras gives


@dataclass(frozen=True, eq=False)
class Examples:
    """Training rows of a network.

    Attributes:
        rows: the columns, the key and, where there is one, the mark of rows for validation.
        columns: which of them are inputs, target and weight.
        key: columns that identify a row; rows of one value share a shard.
        count: number of rows that are trained on.
        first: their first day.
        last: the last day of all rows.
        statistics: of the rows, for the builder's argument of this name.
        held_out: boolean column, true of rows for validation alone.
    """

    rows: DataFrame
    columns: FeatureSpec
    key: tuple[str, ...]
    count: int
    first: date
    last: date
    statistics: Mapping[str, Any] = field(default_factory=dict)
    held_out: str | None = None

    @classmethod
    def of(
        cls,
        rows: DataFrame,
        columns: FeatureSpec,
        key: tuple[str, ...],
        *,
        day: str,
        statistics: Mapping[str, Any],
        held_out: str | None = None,
    ) -> "Examples | None":
        """Count rows by their column `day`; None where there is nothing to train on."""
        is_taught = ~F.col(held_out) if held_out else F.lit(True)
        extent = rows.agg(
            F.count_if(is_taught).alias("count"),
            F.min(F.when(is_taught, F.col(day))).alias("first"),
            F.max(day).alias("last"),
        ).first()
        if extent is None or not extent["count"]:
            return None
        count, first, last = extent
        return cls(rows, columns, key, count, first, last, statistics, held_out)


def trained_model(
    examples: Examples,
    network: NetworkConfig,
    night: BuildContext,
    *,
    name: str,
    method: str,
    tolerance: float = 1e-6,
) -> Model:
    """Train a network by rounds and return it as a champion's row of `models.<application>`.

    A training that was interrupted goes on.

    Args:
        examples: what it learns from.
        network: builder, arguments, compile configuration, epochs.
        night: the training day.
        name: of the model, one of those that the application declares.
        method: how it works, in a word.
        tolerance: difference allowed of a number v of the LiteRT file, times 1 + |v|.
    """
    shards = night.settings.training.shards
    steps, plan = batches_of(network, examples.count, shards), training_plan(network, shards)
    trained = train(
        model_spec(network, examples.columns, examples.statistics, f"{name} {method}", steps),
        plan,
        examples.rows,
        checkpoint_location(night, name, method),
        key=examples.key,
        data_version=f"{night.day} {night.provenance.content}",
        held_out=examples.held_out,
    )
    model = _row(trained, plan, examples) | {"name": name, "method": method}
    inputs = FeatureSpec(examples.columns.inputs, ())
    return with_export(model, inputs, _sample(examples, inputs), night, tolerance=tolerance)


def _sample(examples: Examples, inputs: FeatureSpec) -> Floats32:
    """Inputs float32[n, inputs] of the first rows by their key."""
    stored = examples.columns.stored
    is_wide = RECORD in examples.rows.columns
    values = F.col(RECORD) if is_wide else F.array(*[F.col(n).cast("float") for n in stored])
    first = examples.rows.orderBy(*examples.key).limit(COMPARED_ROWS)
    rows = first.select(values.cast("array<float>").alias(RECORD)).collect()
    records = np.array([row[RECORD] for row in rows], np.float32).reshape(-1, len(stored))
    return records[:, [stored.index(name) for name in inputs.stored]]


def _row(trained: Trained, plan: TrainingPlan, examples: Examples) -> Model:
    payload = as_bytes(trained.model())
    losses = {"loss": trained.history[-1].loss, "validation_loss": trained.validation_loss}
    # Its columns, of which there may be hundreds, stand under `inputs`.
    recipe = {part: value for part, value in asdict(trained.spec).items() if part != "columns"}
    return {
        "is_champion": True,
        "inputs": [c for names in trained.spec.columns.inputs.values() for c in names],
        "usual": [],
        "model": payload,
        "sha256": sha256_of(payload),
        "metrics": json.dumps({name: loss for name, loss in losses.items() if loss is not None}),
        "parameters": json.dumps({"recipe": recipe, "plan": asdict(plan)}),
        "score_quantiles": [],
        "training_id": trained.training_id,
        "trained_rows": examples.count,
        "trained_from": examples.first,
        "trained_to": examples.last,
    }
