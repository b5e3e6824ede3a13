"""Train a model by rounds: the loop of the driver.

Broadcast the weights, let each shard do its steps, average, commit; stop early by the validation
loss. A killed training resumes after its newest committed round. A finished one is read from the
table. See docs/training.md for guarantees and costs.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from lakeshop.errors import InputError
from lakeshop.ml.arrays import Floats
from lakeshop.storage.lake import Lake
from lakeshop.training.backend import compiled_model
from lakeshop.training.checkpoints import Checkpoint, Checkpoints, Progress, best_of
from lakeshop.training.local_steps import Outcome, RoundTask
from lakeshop.training.logs import Board, log_round
from lakeshop.training.outer import GlobalState, mean_change
from lakeshop.training.shards import Shards, packed
from lakeshop.training.specification import ModelSpec, TrainingPlan, training_id
from lakeshop.training.tasks import outcomes_of
from lakeshop.training.weights import Layout, assign, flat


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training: its best weights float64[P], and figures of each round."""

    spec: ModelSpec
    training_id: str
    weights: Floats
    best_round: int
    validation_loss: float | None
    history: tuple[Progress, ...]

    def model(self) -> Any:
        """The compiled Keras model with these weights."""
        model = compiled_model(self.spec)
        assign(model, self.weights)
        return model


@dataclass(frozen=True)
class CheckpointLocation:
    """Location of a training's rounds: the lake, the business date, and a TensorBoard folder."""

    lake: Lake
    business_date: date
    board: Path | None = None


def train(
    spec: ModelSpec,
    plan: TrainingPlan,
    rows: DataFrame,
    where: CheckpointLocation,
    *,
    key: Sequence[str],
    data_version: str,
    held_out: str | None = None,
) -> Trained:
    """Train a model on rows, or resume an interrupted training.

    Args:
        rows: flat columns, from tables read at a version that `data_version` names.
        spec: the model.
        plan: shards, steps and rounds.
        where: location of the rounds.
        key: columns that identify rows; rows of one value share a shard.
        data_version: names the rows' content, for the training's id.
        held_out: boolean column, true of rows for validation alone.

    Raises:
        InputError: there are no training rows, or a target or a weight is not a number.
        TrainingError: a loss or a weight is no longer a number.
        ModelError: the builder gives no model.
    """
    named = training_id(spec, plan, repr((data_version, tuple(key), held_out)))
    checkpoints = Checkpoints(where.lake, named, where.business_date)
    try:
        history = checkpoints.resume()
        if not (history and history[-1].is_finished):
            shards = packed(rows, spec, plan, key, held_out=held_out)
            try:
                history = _resume_rounds(spec, plan, shards, checkpoints, history, where)
            finally:
                shards.release()
        weights, _ = checkpoints.weights(history[-1].round)
        end = history[-1]
        assert end.best_round is not None
        found, rounds = checkpoints.training_id, tuple(history[:-1])
        return Trained(spec, found, weights, end.best_round, end.validation_loss, rounds)
    finally:
        checkpoints.close()


def _resume_rounds(
    spec: ModelSpec,
    plan: TrainingPlan,
    shards: Shards,
    checkpoints: Checkpoints,
    history: list[Progress],
    where: CheckpointLocation,
) -> list[Progress]:
    """Do the remaining rounds and the end; return the extended history."""
    if not shards.longest_epoch:
        msg = "A training should have rows that are not held out. Received none; widen its window."
        raise InputError(msg)
    model = compiled_model(spec)
    first = flat(model).astype(np.float64)
    state = GlobalState.of(Layout.of(model), first, plan.outer)
    if history:
        state.restore(*checkpoints.weights(history[-1].round))
    rounds = plan.rounds_for(shards.longest_epoch)
    with Board.open(where.board) as board:
        for work in _rounds_left(spec, plan, rounds, len(history), shards):
            begun = time.monotonic()
            sent = state.weights.astype(np.float32)
            outcomes = outcomes_of(where.lake.spark, shards, work, sent)
            progress = _progress(work, outcomes, time.monotonic() - begun)
            history = [*history, progress]
            log_round(checkpoints.training_id, progress, rounds)
            board.add(progress, work.first_step)
            # Without steps, or too long without gain, only the measurement counts.
            if not work.steps or _is_over(plan, history):
                break
            state.step(mean_change(sent, outcomes))
            checkpoints.write(Checkpoint(progress, state.weights, state.slots))
    return _ended(checkpoints, history, first, state)


def _rounds_left(
    spec: ModelSpec, plan: TrainingPlan, rounds: int, done: int, shards: Shards
) -> Iterator[RoundTask]:
    """The rounds from `done` on, and a last one without steps to measure the last weights."""
    has_validation = sum(shards.validation_rows) > 0
    for training_round in range(done, rounds):
        measured = has_validation and training_round % plan.evaluate_every == 0
        before, steps = plan.steps_before(training_round), plan.steps_of(training_round)
        yield RoundTask(spec, training_round, before, steps, measured)
    if has_validation:
        yield RoundTask(spec, rounds, plan.steps_before(rounds), 0, evaluate=True)


def _is_over(plan: TrainingPlan, history: Sequence[Progress]) -> bool:
    best = best_of(history)
    return plan.patience is not None and best is not None and best.measured_since >= plan.patience


def _ended(
    checkpoints: Checkpoints, history: Sequence[Progress], first: Floats, state: GlobalState
) -> list[Progress]:
    """Commit the best weights as the final ones; return all committed rounds."""
    checkpoints.wait()
    committed = checkpoints.history()
    last = committed[-1].round if committed else 0
    best = best_of(history)
    chosen = last if best is None else best.round
    weights = checkpoints.weights(chosen)[0] if chosen else first
    end = Progress(
        round=last + 1,
        local_steps=committed[-1].local_steps if committed else 0,
        rows=0,
        loss=None,
        shard_losses=(),
        validation_loss=None if best is None else best.loss,
        seconds=0.0,
        training_seconds=0.0,
        is_finished=True,
        best_round=chosen,
    )
    checkpoints.commit(Checkpoint(end, weights, state.slots))
    return [*committed, end]


def _progress(work: RoundTask, outcomes: Sequence[Outcome], seconds: float) -> Progress:
    trained = [(o.loss, o.rows) for o in outcomes if o.rows]
    held_out = [(o.validation_loss, o.validation_rows) for o in outcomes if o.validation_rows]
    return Progress(
        round=work.training_round + 1,
        local_steps=work.first_step + work.steps,
        rows=sum(outcome.rows for outcome in outcomes),
        loss=_mean(trained),
        shard_losses=tuple(o.loss if o.rows else None for o in outcomes),
        validation_loss=_mean(held_out) if work.evaluate else None,
        seconds=seconds,
        training_seconds=max(outcome.seconds for outcome in outcomes),
    )


def _mean(values: Sequence[tuple[float, int]]) -> float | None:
    rows = sum(count for _, count in values)
    return sum(value * count for value, count in values) / rows if rows else None
