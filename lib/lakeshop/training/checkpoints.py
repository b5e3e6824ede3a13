"""Checkpoints of trainings: one commit per round in `ops.rounds`, to resume after a crash.

A round's commit carries the training's id and the round's number as Delta's transaction: a second
writer of the same round changes nothing. Rows of two attempts differ only in their times.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.ml.arrays import Floats
from lakeshop.storage.lake import Lake

ROUNDS = "ops.rounds"
IN_FLIGHT = 2  # commits that may wait while training goes on


@dataclass(frozen=True)
class Progress:
    """Metrics of a round; `round` counts from 1.

    `validation_loss` is measured with the round's first weights. The last row of a training,
    `is_finished`, holds the weights and the loss of `best_round`; round 0 is the beginning.
    """

    round: int
    local_steps: int
    rows: int
    loss: float | None
    shard_losses: tuple[float | None, ...]
    validation_loss: float | None
    seconds: float
    training_seconds: float
    is_finished: bool = False
    best_round: int | None = None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A round's figures, the weights after it and the outer optimiser's slots."""

    progress: Progress
    weights: Floats
    slots: Floats


@dataclass
class Checkpoints:
    """The rounds of one training, filed under a business date."""

    lake: Lake
    training_id: str
    business_date: date
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _waiting: list[Future[None]] = field(default_factory=list)
    _failed: BaseException | None = None

    def resume(self) -> list[Progress]:
        """Metrics of the completed rounds; sets the training id that they carry.

        Rounds after a gap depend on missing weights. Delta skips a round with a number in its log,
        even after the removal of its row. In both cases the training restarts as `<training_id>.1`
        or a later number.
        """
        configured, attempts, history = self.training_id, 0, self.history()
        while not self._can_resume(history):
            attempts += 1
            self.training_id = f"{configured}.{attempts}"
            history = self.history()
        return history

    def history(self) -> list[Progress]:
        """Figures of all rounds, in order."""
        names = [name for name in Progress.__dataclass_fields__ if name != "shard_losses"]
        rows = self._rows().select(*names, "shard_losses").orderBy("round").collect()
        return [
            Progress(
                **{name: row[name] for name in names}, shard_losses=tuple(row["shard_losses"] or ())
            )
            for row in rows
        ]

    def weights(self, training_round: int) -> tuple[Floats, Floats]:
        """Weights after a round and the outer optimiser's slots, float64 each."""
        row = self._rows().where(F.col("round") == training_round).first()
        assert row is not None
        return np.frombuffer(row["weights"], "<f8"), np.frombuffer(row["slots"], "<f8")

    def write(self, checkpoint: Checkpoint) -> None:
        """Commit a round, after earlier ones, during the training of the next one.

        A commit takes longer than many a round. Rounds lost in a crash are trained again with the
        same result. An error of an earlier commit is raised here or by `wait`; no later round is
        committed.
        """
        self.wait(at_most=IN_FLIGHT - 1)
        self._waiting.append(self._writer.submit(self._commit_next, checkpoint))

    def wait(self, at_most: int = 0) -> None:
        """Wait until no more commits than that are open."""
        while len(self._waiting) > at_most:
            self._waiting.pop(0).result()

    def commit(self, checkpoint: Checkpoint) -> None:
        """Commit a round now."""
        weights = checkpoint.weights.astype("<f8").tobytes()
        progress = asdict(checkpoint.progress)
        row = {
            **progress,
            BUSINESS_DATE: self.business_date,
            "training_id": self.training_id,
            "weights": weights,
            "slots": checkpoint.slots.astype("<f8").tobytes(),
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
        }
        contract = self.lake.contract(ROUNDS)
        rows = self.lake.spark.createDataFrame(
            [tuple(row[name] for name in contract.column_names)], contract.struct
        )
        transaction = (self.training_id, checkpoint.progress.round)
        self.lake.append(ROUNDS, rows, run_id=self.training_id, transaction=transaction)

    def close(self) -> None:
        """End the commit thread after its waiting commits."""
        self._writer.shutdown()

    def _commit_next(self, checkpoint: Checkpoint) -> None:
        """Commit a round unless one before it failed: a history with a gap cannot be resumed."""
        if self._failed is not None:
            raise self._failed
        try:
            self.commit(checkpoint)
        except BaseException as error:
            self._failed = error
            raise

    def _can_resume(self, history: Sequence[Progress]) -> bool:
        """True if its rounds are complete and the next one would be committed."""
        if history or not self.lake.exists(ROUNDS):
            return [done.round for done in history] == [*range(1, len(history) + 1)]
        return not self.lake.snapshot(ROUNDS).transactions().contains(self.training_id)

    def _rows(self) -> DataFrame:
        return self.lake.read(ROUNDS).where(F.col("training_id") == self.training_id)


@dataclass(frozen=True)
class Best:
    """The round after which weights were best, their validation loss, and measurements since."""

    round: int
    loss: float
    measured_since: int


def best_of(history: Sequence[Progress]) -> Best | None:
    """The best weights so far, None where nothing was measured; of equal losses the first."""
    best: Best | None = None
    for progress in history:
        if progress.is_finished or progress.validation_loss is None:
            continue
        if best is None or progress.validation_loss < best.loss:
            best = Best(progress.round - 1, progress.validation_loss, 0)
        else:
            best = Best(best.round, best.loss, best.measured_since + 1)
    return best
