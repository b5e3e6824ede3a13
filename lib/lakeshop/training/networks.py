"""A network of the configuration as what is trained: model, plan, and place of checkpoints."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from lakeshop.config.training import NetworkConfig
from lakeshop.engine.context import BuildContext
from lakeshop.training.rounds import CheckpointLocation
from lakeshop.training.specification import FeatureSpec, ModelSpec, TrainingPlan, seed_of

BOARDS = "_tensorboard"  # below the lake's root


def model_spec(
    network: NetworkConfig, columns: FeatureSpec, stated: Mapping[str, Any], name: str, steps: int
) -> ModelSpec:
    """Return the specification of a model.

    Args:
        network: builder, arguments and compile configuration.
        columns: what it reads.
        stated: statistics of the training rows; the builder's argument `statistics`.
        name: seeds the first weights and the order of rows.
        steps: batches that one process, or one shard, trains on in all.
    """
    return ModelSpec(
        builder=network.builder,
        columns=columns,
        arguments={**network.arguments, "statistics": stated},
        optimizer=_decaying(network, steps),
        loss=network.loss,
        batch_size=network.batch_size,
        seed=seed_of(name),
    )


def batches_of(network: NetworkConfig, rows: int, shards: int = 1) -> int:
    """Batches that a shard trains on in all, where shards are equally large."""
    return max(1, round(network.epochs * ceil(rows / shards / network.batch_size)))


def _decaying(network: NetworkConfig, steps: int) -> str | Mapping[str, Any]:
    """The optimiser, its learning rate falling to nothing along a cosine (Loshchilov 2017)."""
    stated = network.optimizer
    if network.decay is None or isinstance(stated, str):
        return stated
    begin = stated["config"]["learning_rate"]
    schedule = {"initial_learning_rate": begin, "decay_steps": steps, "alpha": 0.02}
    decayed = {"class_name": "CosineDecay", "config": schedule}
    return {**stated, "config": {**stated["config"], "learning_rate": decayed}}


def training_plan(network: NetworkConfig, shards: int) -> TrainingPlan:
    """Return the plan of the rounds; validation is measured after each round."""
    return TrainingPlan(
        shards=shards,
        local_steps=network.local_steps,
        epochs=network.epochs,
        outer=network.outer,
        patience=network.patience,
    )


def checkpoint_location(night: BuildContext, name: str, method: str) -> CheckpointLocation:
    """Return the place of a training's rounds; a board only if the lake is a folder."""
    assert night.lake is not None, "a training leaves its rounds in a lake"
    is_local = "://" not in night.lake.root
    board = Path(night.lake.root, BOARDS, name, method, f"{night.day}") if is_local else None
    return CheckpointLocation(night.lake, night.day, board)
