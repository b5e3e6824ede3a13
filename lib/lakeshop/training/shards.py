"""Rows of a table as shards of packed chunks, in an order that never changes.

A row's shard and its place in it are hashes of its key, independent of files and cores. Chunks hold
float32 records of a whole number of batches as bytes: a round moves only its own chunks, at the
price of copying memory. Spark caches them in memory, then on disk, each near its executor. It
recomputes lost ones from the table's pinned version.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from pyspark import StorageLevel, TaskContext
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.errors import InputError
from lakeshop.ml.arrays import Floats32
from lakeshop.training.batches import Schedule
from lakeshop.training.specification import ModelSpec, TrainingPlan

CHUNK = "place LONG, rows LONG, unknown STRING, records BINARY"
SHARD_SPAN = 1 << 32  # places of one shard
VALIDATION = 1 << 31  # from here on they hold rows of validation
VALIDATION_ROWS = 8192
RECORD = "record"


@dataclass(frozen=True, eq=False)
class Shards:
    """Chunks of all shards, kept until `release`.

    `chunks` has a row per chunk, a partition per shard; `schedules` and `validation_rows` are by
    shard.
    """

    chunks: DataFrame
    schedules: tuple[Schedule, ...]
    validation_rows: tuple[int, ...]

    @property
    def longest_epoch(self) -> int:
        """Steps of an epoch of the largest shard."""
        return max(schedule.steps_per_epoch for schedule in self.schedules)

    def of_round(self, first: int, steps: int, *, evaluate: bool) -> DataFrame:
        """The chunks that a round reads, at least one of each shard."""
        spans = [
            (s.shard * SHARD_SPAN + chunk, s.shard * SHARD_SPAN + chunk)
            for s in self.schedules
            for chunk in (s.chunks_of(first, steps) or [0])
        ]
        wanted = [F.col("place").between(low, high) for low, high in merged(spans)]
        if evaluate:
            wanted.append(F.col("place").bitwiseAND(VALIDATION) != 0)
        return self.chunks.where(reduce(Column.__or__, wanted))

    def release(self) -> None:
        """Forget the chunks."""
        self.chunks.unpersist()


def packed(
    rows: DataFrame,
    spec: ModelSpec,
    plan: TrainingPlan,
    key: Sequence[str],
    *,
    held_out: str | None = None,
) -> Shards:
    """Shards of rows, packed and cached.

    Args:
        rows: flat columns, numbers or NULL, read from a pinned version; or, of wide rows, one
            column `record`, an array of them in the order of the model's `stored` columns.
        spec: the model; its columns are packed.
        plan: number of shards.
        key: columns that identify rows; rows of one value share a shard.
        held_out: boolean column, true of rows for validation alone.

    Raises:
        InputError: a target or a weight is not a number.
    """
    stored = list(spec.columns.stored)
    chunk_rows = spec.batch_size * plan.batches_per_chunk
    chunks = (
        _in_order(rows, stored, key, plan.shards, spec.seed, held_out)
        .mapInPandas(_packer(stored, list(spec.columns.known), chunk_rows), CHUNK)
        .persist(StorageLevel.MEMORY_AND_DISK)
    )
    try:
        found = chunks.select("place", "rows", "unknown").collect()
        _refuse_unknown([row["unknown"] for row in found if row["unknown"]])
    except BaseException:
        chunks.unpersist()
        raise
    sizes = np.zeros((plan.shards, 2), np.int64)
    for row in found:
        shard, place = divmod(row["place"], SHARD_SPAN)
        sizes[shard, int(place >= VALIDATION)] += row["rows"]
    schedules = tuple(
        Schedule(
            shard,
            int(count),
            spec.batch_size,
            plan.batches_per_chunk,
            spec.seed,
            plan.shuffle,
        )
        for shard, count in enumerate(sizes[:, 0])
    )
    return Shards(chunks, schedules, tuple(int(count) for count in sizes[:, 1]))


def as_records(payload: bytes, columns: int) -> Floats32:
    """The records float32[rows, columns] of a chunk."""
    return np.frombuffer(payload, np.float32).reshape(-1, columns)


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of whole numbers, with adjacent ones merged."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result


def _in_order(
    rows: DataFrame,
    stored: list[str],
    key: Sequence[str],
    shards: int,
    seed: int,
    held_out: str | None,
) -> DataFrame:
    """A partition per shard, sorted by the key and all columns: equal keys too keep an order."""
    shard = F.pmod(F.xxhash64(*key, F.lit("shard")), F.lit(shards)).cast("int")
    order = F.xxhash64(*key, F.lit(f"order {seed}"))
    is_held_out = F.lit(False) if held_out is None else F.coalesce(held_out, F.lit(False))
    values = (
        {"c": F.col(RECORD).cast("array<float>")}
        if RECORD in rows.columns
        else {f"c{i}": F.col(name).cast("float") for i, name in enumerate(stored)}
    )
    chosen = rows.select(
        shard.alias("__shard"),
        order.alias("__order"),
        is_held_out.alias("__held_out"),
        *[value.alias(name) for name, value in values.items()],
    )
    placed = chosen.repartitionById(shards, F.col("__shard"))
    return placed.sortWithinPartitions("__held_out", "__order", *values).select(
        "__held_out", *values
    )


def _packer(
    stored: list[str], known: list[str], chunk_rows: int
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Packs a sorted partition; a first, empty chunk stands for a shard without rows."""
    width = len(stored)

    def pack(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        context = TaskContext.get()
        assert context is not None
        start = context.partitionId() * SHARD_SPAN
        waiting = {False: np.zeros((0, width), np.float32), True: np.zeros((0, width), np.float32)}
        sizes = {False: chunk_rows, True: VALIDATION_ROWS}
        places = {False: start, True: start + VALIDATION}

        def chunk(is_held_out: bool, records: Floats32) -> pd.DataFrame:
            place, places[is_held_out] = places[is_held_out], places[is_held_out] + 1
            unknown = _unknown(records, stored, known)
            values = {"place": [place], "rows": [len(records)], "unknown": [unknown]}
            return pd.DataFrame({**values, "records": [records.tobytes()]})

        for batch in batches:
            held_out = batch.iloc[:, 0].to_numpy(bool)
            records = _records(batch.iloc[:, 1:], width)
            for part in (False, True):
                waiting[part] = np.concatenate([waiting[part], records[held_out == part]])
                while len(waiting[part]) >= sizes[part]:
                    yield chunk(part, waiting[part][: sizes[part]])
                    waiting[part] = waiting[part][sizes[part] :]
        for part in (False, True):
            if len(waiting[part]) or (part is False and places[part] == start):
                yield chunk(part, waiting[part])

    return pack


def _records(values: pd.DataFrame, width: int) -> Floats32:
    """float32[rows, width] of flat columns, or of one column of arrays."""
    if values.shape[1] == width or not len(values):
        return values.to_numpy(np.float32).reshape(len(values), width)
    stacked: Floats32 = np.stack(values.iloc[:, 0].to_list()).astype(np.float32, copy=False)
    if stacked.shape[1] != width:
        msg = f"A record should have the model's {width} numbers. Received {stacked.shape[1]}."
        raise InputError(msg)
    return stacked


def _unknown(records: Floats32, stored: list[str], known: list[str]) -> str | None:
    counts = {name: int((~np.isfinite(records[:, stored.index(name)])).sum()) for name in known}
    faulty = {name: count for name, count in counts.items() if count}
    return json.dumps(faulty) if faulty else None


def _refuse_unknown(found: Iterable[str]) -> None:
    counts: dict[str, int] = {}
    for text in found:
        for name, count in json.loads(text).items():
            counts[name] = counts.get(name, 0) + count
    if counts:
        listed = ", ".join(f"{name} in {count} rows" for name, count in sorted(counts.items()))
        msg = (
            "Targets and weights should be numbers wherever a model is trained. Received NULL, NaN "
            f"or infinity: {listed}. Leave these rows out, or fill the values, before training."
        )
        raise InputError(msg)
