"""A round as one Spark job: a task per shard, ordinary tasks that may be repeated anywhere."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from pyspark import Broadcast
from pyspark.sql import Row, SparkSession

from lakeshop.errors import TrainingError
from lakeshop.ml.arrays import Floats32
from lakeshop.training.batches import Schedule
from lakeshop.training.local_steps import Outcome, RoundTask, do_steps
from lakeshop.training.shards import SHARD_SPAN, VALIDATION, Shards, as_records

BLOCK = 2 * 1024 * 1024  # numbers, 8 MB: a row of Arrow should not be much larger
FIGURES = ("rows", "weight", "loss", "validation_rows", "validation_loss", "seconds")
OUTCOME = (
    "shard LONG, block LONG, weights BINARY, rows LONG, weight DOUBLE, loss DOUBLE, "
    "validation_rows LONG, validation_loss DOUBLE, seconds DOUBLE"
)


def outcomes_of(
    spark: SparkSession, shards: Shards, work: RoundTask, weights: Floats32
) -> list[Outcome]:
    """Outcomes of all shards in a round, in the order of the shards.

    Raises:
        TrainingError: a loss or a weight is no longer a number.
    """
    sent = spark.sparkContext.broadcast(weights.tobytes())
    try:
        chunks = shards.of_round(work.first_step, work.steps, evaluate=work.evaluate)
        task = _task(work, sent, shards.schedules)
        rows = chunks.mapInPandas(task, OUTCOME).collect()
    finally:
        sent.destroy()
    blocks = sorted(rows, key=lambda row: (row["shard"], row["block"]))
    outcomes = [
        _outcome(list(of_shard)) for _, of_shard in groupby(blocks, key=lambda row: row["shard"])
    ]
    assert len(outcomes) == len(shards.schedules), "every shard answers, also one without rows"
    _refuse_divergence(outcomes, work)
    return outcomes


def _outcome(blocks: Sequence[Row]) -> Outcome:
    payload = b"".join(block["weights"] for block in blocks)
    # On their way through Arrow pandas' NaN became NULL.
    figures: dict[str, Any] = {
        name: np.nan if blocks[0][name] is None else blocks[0][name] for name in FIGURES
    }
    return Outcome(np.frombuffer(payload, "<f4"), **figures)


def _task(
    work: RoundTask, weights: Broadcast[bytes], schedules: Sequence[Schedule]
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    columns = len(work.spec.columns.stored)

    def task(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        chunks: dict[int, dict[int, Floats32]] = defaultdict(dict)
        for batch in batches:
            for place, payload in zip(batch["place"], batch["records"], strict=True):
                shard, chunk = divmod(place, SHARD_SPAN)
                chunks[shard][chunk] = as_records(payload, columns)
        first = np.frombuffer(weights.value, np.float32)
        for shard in sorted(chunks):
            held = chunks.pop(shard)
            held_out = [held[place] for place in sorted(held) if place >= VALIDATION]
            outcome = do_steps(work, schedules[shard], first, held, held_out)
            yield _as_rows(shard, outcome)

    return task


def _as_rows(shard: int, outcome: Outcome) -> pd.DataFrame:
    blocks = range(0, max(1, len(outcome.weights)), BLOCK)
    payloads = [outcome.weights[at : at + BLOCK].astype("<f4").tobytes() for at in blocks]
    rows = pd.DataFrame({"shard": shard, "block": range(len(payloads)), "weights": payloads})
    return rows.assign(**{name: getattr(outcome, name) for name in FIGURES})


def _refuse_divergence(outcomes: Sequence[Outcome], work: RoundTask) -> None:
    """No NaN is ever averaged or committed."""
    for shard, outcome in enumerate(outcomes):
        wrong = []
        if outcome.rows and not np.isfinite(outcome.loss):
            wrong.append(f"a loss of {outcome.loss}")
        if outcome.validation_rows and not np.isfinite(outcome.validation_loss):
            wrong.append(f"a validation loss of {outcome.validation_loss}")
        if not np.isfinite(outcome.weights).all():
            wrong.append("weights that are no numbers")
        if wrong:
            msg = (
                "Losses and weights should be numbers. Received "
                f"{' and '.join(wrong)} in round {work.training_round + 1}, shard {shard}, which "
                "was not committed. Look for NaN or extreme values in the inputs, or lower the "
                "learning rate; a train_step of one's own should return its loss as 'loss'."
            )
            raise TrainingError(msg)
