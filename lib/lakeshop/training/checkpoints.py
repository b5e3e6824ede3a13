"""Checkpoints of trainings: rounds committed to `ops.rounds`, to resume after a crash.

A commit costs more than many a round trains, so that rounds of half a minute share one. It carries
the training's id and the number of its last round as Delta's transaction: a second writer of the
same rounds changes nothing. Where two writers grouped them otherwise, a round may be there twice.
Rows of two attempts differ only in their times, and one is read.
"""

import hashlib
import time
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
COMMIT_EVERY = 30.0  # seconds of training that share a commit, and that a crash may cost
MOST_HELD = 64 * 1024 * 1024  # bytes of weights and slots that wait for their commit


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

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        return int(self.weights.nbytes + self.slots.nbytes)


@dataclass
class Checkpoints:
    """The rounds of one training, filed under a business date."""

    lake: Lake
    training_id: str
    business_date: date
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _waiting: list[Future[None]] = field(default_factory=list)
    _held: list[Checkpoint] = field(default_factory=list)
    _committed: float = field(default_factory=time.monotonic)
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
        rows = self._rows().select(*names, "shard_losses").collect()
        rounds = {row["round"]: row for row in rows}
        return [
            Progress(
                **{name: row[name] for name in names}, shard_losses=tuple(row["shard_losses"] or ())
            )
            for _, row in sorted(rounds.items())
        ]

    def weights(self, training_round: int) -> tuple[Floats, Floats]:
        """Weights after a round and the outer optimiser's slots, float64 each."""
        row = self._rows().where(F.col("round") == training_round).first()
        assert row is not None
        return np.frombuffer(row["weights"], "<f8"), np.frombuffer(row["slots"], "<f8")

    def write(self, checkpoint: Checkpoint) -> None:
        """Commit a round with those that are held, if it is time, while the next one is trained.

        Rounds lost in a crash are trained again with the same result. An error of an earlier commit
        is raised here or by `wait`; no later round is committed.
        """
        if self._failed is not None:
            raise self._failed
        self._held.append(checkpoint)
        is_late = time.monotonic() - self._committed >= COMMIT_EVERY
        if is_late or sum(held.size for held in self._held) >= MOST_HELD:
            self._finish(at_most=IN_FLIGHT - 1)
            self._submit()

    def wait(self) -> None:
        """Commit what is held, and wait until no commit is open."""
        self._submit()
        self._finish()

    def _submit(self) -> None:
        if self._held:
            self._waiting.append(self._writer.submit(self._commit_next, self._held))
        self._held, self._committed = [], time.monotonic()

    def _finish(self, at_most: int = 0) -> None:
        while len(self._waiting) > at_most:
            self._waiting.pop(0).result()

    def commit(self, *checkpoints: Checkpoint) -> None:
        """Commit rounds now, together."""
        contract = self.lake.contract(ROUNDS)
        held = [self._row(checkpoint) for checkpoint in checkpoints]
        rows = self.lake.spark.createDataFrame(
            [tuple(row[name] for name in contract.column_names) for row in held], contract.struct
        )
        transaction = (self.training_id, checkpoints[-1].progress.round)
        self.lake.append(ROUNDS, rows, run_id=self.training_id, transaction=transaction)

    def close(self) -> None:
        """End the commit thread after its commits and what is held, also after a failure."""
        self._submit()
        self._writer.shutdown()

    def _row(self, checkpoint: Checkpoint) -> dict[str, object]:
        weights = checkpoint.weights.astype("<f8").tobytes()
        return {
            **asdict(checkpoint.progress),
            BUSINESS_DATE: self.business_date,
            "training_id": self.training_id,
            "weights": weights,
            "slots": checkpoint.slots.astype("<f8").tobytes(),
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
        }

    def _commit_next(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Commit rounds unless one before failed: a history with a gap cannot be resumed."""
        if self._failed is not None:
            raise self._failed
        try:
            self.commit(*checkpoints)
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
