"""One shard's part of a round: some steps from the round's weights, on its own rows. No Spark.

The compiled model and its traced steps stay in the process from round to round. All state of the
steps is reset before each round, as a function of run, round and shard: a repeated attempt gives
the same bits in any process. The optimiser's moments are reset with its step count: with the old
count, Adam's first step would be 3.16 times too long.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lakeshop.ml.arrays import Floats32
from lakeshop.training.backend import compiled_model, configured
from lakeshop.training.batches import Schedule
from lakeshop.training.specification import FeatureSpec, ModelSpec, seed_of
from lakeshop.training.weights import assign, flat


@dataclass(frozen=True)
class RoundTask:
    """Task of every shard in a round; rounds and steps count from 0."""

    spec: ModelSpec
    training_round: int
    first_step: int
    steps: int
    evaluate: bool


@dataclass(frozen=True, eq=False)
class Outcome:
    """Result of a shard: its weights float32[P] afterwards and sums over its rows.

    `weight` is the weight of its change in the mean. `loss` is the mean over the training rows,
    `validation_loss` the loss of the round's first weights; NaN without rows.
    """

    weights: Floats32
    rows: int
    weight: float
    loss: float
    validation_rows: int
    validation_loss: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Trainer:
    """A compiled model, its steps as graphs, and the state that each round begins with."""

    model: Any
    train_step: Any
    test_step: Any
    offset: Any
    fresh: list[Any]
    seeds: list[Any]
    first_seeds: list[Any]

    @classmethod
    def of(cls, spec: ModelSpec) -> "Trainer":
        """Build it."""
        keras = configured()
        offset = keras.Variable(0, dtype="int64", trainable=False)
        model = compiled_model(spec, offset)
        seeds = [v for v in model.variables if "seed_generator_state" in v.path]
        return cls(
            model,
            _graph(model.train_step, spec.columns),
            _graph(model.test_step, spec.columns),
            offset,
            [v.numpy() for v in model.optimizer.variables],
            seeds,
            [v.numpy() for v in seeds],
        )

    def reset(self, weights: Floats32, work: RoundTask, shard: int) -> None:
        """Begin a round."""
        assign(self.model, weights)
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        self.offset.assign(work.first_step)
        for place, (variable, first) in enumerate(zip(self.seeds, self.first_seeds, strict=True)):
            variable.assign(_seed_state(first, work, shard, place))


def do_steps(
    work: RoundTask,
    schedule: Schedule,
    weights: Floats32,
    chunks: Mapping[int, Floats32],
    validation: Iterable[Floats32],
) -> Outcome:
    """Evaluate the round's weights if requested, then train.

    Args:
        work: the round.
        schedule: batches of the shard.
        weights: float32[P], the round's first weights.
        chunks: records float32[rows, stored columns] of each chunk that the steps read.
        validation: records of the shard's validation rows.
    """
    trainer = _trainer(work.spec)
    begun = time.perf_counter()
    trainer.reset(weights, work, schedule.shard)
    held_out, validation_loss = _evaluated(trainer, work.spec.columns, validation)
    trainer.model.reset_metrics()
    batches = schedule.batches(chunks, work.first_step, work.steps)
    rows, weight, logs = _trained(trainer, work.spec, batches)
    return Outcome(
        weights=flat(trainer.model),
        rows=rows,
        weight=weight,
        loss=float(logs.get("loss", np.nan)),
        validation_rows=held_out,
        validation_loss=validation_loss,
        seconds=time.perf_counter() - begun,
    )


def _trained(
    trainer: Trainer, spec: ModelSpec, batches: Iterable[Floats32]
) -> tuple[int, float, Mapping[str, Any]]:
    """Rows and weight of the completed steps, and the last logs: means over all steps."""
    rows, weight = 0, 0.0
    logs: Mapping[str, Any] = {}
    by_weight = spec.columns.weight and _is_mean_by_weight(trainer.model.loss)
    for records in batches:
        arrays = spec.columns.arrays(records)
        logs = trainer.train_step(arrays)
        rows += len(records)
        weight += float(arrays[2].sum(dtype=np.float64)) if by_weight else len(records)
    return rows, weight, logs


def _evaluated(
    trainer: Trainer, columns: FeatureSpec, validation: Iterable[Floats32]
) -> tuple[int, float]:
    """Rows and mean loss, as `evaluate` has it."""
    trainer.model.reset_metrics()
    rows = 0
    logs: Mapping[str, Any] = {}
    for records in validation:
        logs = trainer.test_step(columns.arrays(records))
        rows += len(records)
    return rows, float(logs.get("loss", np.nan))


def _is_mean_by_weight(loss: Any) -> bool:
    """True if a batch's loss is divided by its weights, not by its rows as in Keras."""
    return getattr(loss, "reduction", None) == "mean_with_sample_weight"


@lru_cache(maxsize=2)
def _trainer(spec: ModelSpec) -> Trainer:
    """Kept from round to round: to build one takes seconds, and some memory is never given back."""
    return Trainer.of(spec)


def _graph(step: Any, columns: FeatureSpec) -> Any:
    """A step as a graph for batches of any number of rows, traced once."""
    import tensorflow as tf

    def spec(*shape: int) -> Any:
        return tf.TensorSpec((None, *shape), tf.float32)

    inputs = {name: spec(len(names)) for name, names in columns.inputs.items()}
    x = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    weight = () if columns.weight is None else (spec(),)
    signature = [(x, spec(len(columns.target)), *weight)]
    return tf.function(step, input_signature=signature, autograph=False)


def _seed_state(first: Any, work: RoundTask, shard: int, place: int) -> Any:
    """Of the first shard's first round the model's own, so that one shard and round is `fit`."""
    if shard == 0 and work.training_round == 0:
        return first
    seed = seed_of(work.spec.seed, "steps", work.training_round, shard, place)
    return np.array([seed, 0], dtype=first.dtype)
