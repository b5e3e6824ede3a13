"""Balanced blocks of target items, and interactions packed into histories.

The work of an item is the kernel's cost of it: one product per entry of each of its histories. A
long-tail catalogue cut by id or by hash leaves one task with most of the work. Here the heaviest
items are assigned first, each to the block with the least load.

Histories are packed in memory: grouped, each item once, cut to the newest entries. No Spark here:
rows come in Arrow batches, as tasks receive them. Two 64-bit hashes replace the id of a history: 16
bytes instead of a pseudonym's 64. Two of a billion ids collide with odds of 1 to 10^20. Memory: the
rows of one part, some 100 bytes each.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakeshop.ml.arrays import Ids, Integers
from lakeshop.similarity.catalogue import Items
from lakeshop.similarity.counting import by_group, merge_repeats
from lakeshop.similarity.histories import (
    InteractionMatrix,
    as_entries,
    as_integers,
    check_weights,
    offsets_of,
    packed_entries,
)


def balanced_blocks(work: Integers, n_blocks: int) -> Ids:
    """Block 0..n_blocks-1 of each item, so that blocks have about the same total work.

    Longest processing time first (Graham, "Bounds on multiprocessing timing anomalies",
    1969): the largest block has at most 4/3 of the least possible. Ties go to the smaller
    item, then to the smaller block. Items without work go to the block with the fewest
    items. Runs on the driver, about a microsecond per item.

    Args:
        work: int64[n_items], not negative, the works of `statistics_of`.
        n_blocks: at least 1; may exceed the number of items.

    Returns:
        int32[n_items]

    Raises:
        ValueError: n_blocks is below 1, or a work is negative or no integer.
    """
    received = as_integers("work", work)
    if n_blocks < 1:
        message = f"n_blocks should be at least 1. Received {n_blocks}. Change the configuration."
        raise ValueError(message)
    if received.size and received.min() < 0:
        message = (
            f"work should not be negative. Received {received.min()} for item "
            f"{received.argmin()}. Use statistics_of."
        )
        raise ValueError(message)
    blocks = np.zeros(received.size, dtype=np.int32)
    n_busy = int(np.count_nonzero(received))
    heaviest_first = np.argsort(-received, kind="stable")
    busy, idle = heaviest_first[:n_busy], heaviest_first[n_busy:]
    blocks[busy] = _dealt(received[busy].tolist(), [0] * n_blocks)
    n_per_block = np.bincount(blocks[busy], minlength=n_blocks)
    blocks[idle] = _dealt([1] * idle.size, n_per_block.tolist())
    return blocks


def _dealt(costs: list[int], loads: list[int]) -> list[int]:
    """Block of each cost in turn: the one with the least load so far, then the first."""
    heap = [(load, block) for block, load in enumerate(loads)]
    heapq.heapify(heap)
    blocks = []
    for cost in costs:
        load, block = heap[0]
        blocks.append(block)
        heapq.heapreplace(heap, (load + cost, block))
    return blocks


ROW = "lengths BINARY, entries BINARY, cut_histories BIGINT, cut_interactions BIGINT"


@dataclass(frozen=True, eq=False)
class Interactions:
    """A row per event: the number of its history, its item, fixed-point weight and age in days."""

    history: Ids
    item: Ids
    weight: Integers
    age: Ids
    n_histories: int


@dataclass(frozen=True)
class Cut:
    """Number of histories that were too long, and of their interactions that were left out."""

    histories: int = 0
    interactions: int = 0


def numbered(batches: Iterable[pa.RecordBatch], catalogue: Items) -> Interactions:
    """Rows of hash, other_hash (of the history's id), product_id, weight, age, bought by number.

    Rows without a product, with a product outside the catalogue, or of weight 0 are left out, and
    so are purchases that were taken back.

    Raises:
        ValueError: a weight is NULL, no integer, below 0 or above WEIGHT_SCALE.
    """
    # Start with empty arrays: concatenation needs at least one.
    hashes = [np.empty((0, 2), np.int64)]
    items, weights, ages = [np.empty(0, np.int32)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    bought = [np.empty(0, np.int32)]
    for batch in batches:
        item = catalogue.numbers(batch["product_id"])
        weight = as_integers("weights", batch["weight"].to_numpy(zero_copy_only=False))
        check_weights(weight)
        counts = (item >= 0) & (weight > 0)
        both = [batch[name].to_numpy()[counts] for name in ("hash", "other_hash")]
        hashes.append(np.stack(both, axis=1))
        items.append(item[counts].astype(np.int32))
        weights.append(weight[counts])
        ages.append(batch["age"].to_numpy(zero_copy_only=False)[counts].astype(np.int32))
        bought.append(batch["bought"].to_numpy(zero_copy_only=False)[counts].astype(np.int32))
    ids = np.concatenate(hashes)
    sixteen_bytes = [None, pa.py_buffer(ids)]
    encoded = pa.Array.from_buffers(pa.binary(16), len(ids), sixteen_bytes).dictionary_encode()
    rows = Interactions(
        encoded.indices.to_numpy().astype(np.int32),
        np.concatenate(items),
        np.concatenate(weights),
        np.concatenate(ages),
        len(encoded.dictionary),
    )
    return without_taken_back(rows, np.concatenate(bought))


def without_taken_back(rows: Interactions, bought: Ids) -> Interactions:
    """The rows without purchases of a history, item and day that were taken back.

    Args:
        rows: interactions.
        bought: int32[n], purchases of each row; negative where they are taken back.
    """
    if not (bought < 0).any():
        return rows
    keys = np.stack([rows.history, rows.item, rows.age, rows.weight], axis=1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    left = np.bincount(group.ravel(), weights=bought)[group.ravel()]  # exact below 2**53
    kept = (bought == 0) | ((bought > 0) & (left > 0))
    left_over, history = np.unique(rows.history[kept], return_inverse=True)
    return Interactions(
        history.astype(np.int32),
        rows.item[kept],
        rows.weight[kept],
        rows.age[kept],
        left_over.size,
    )


def packed(rows: Interactions, n_items: int, max_history: int) -> tuple[InteractionMatrix, Cut]:
    """One history per number, each item once with its largest weight; and the `Cut`.

    Longer histories keep the `max_history` items with the smallest ages, then the larger weights,
    then the smaller items: old events of bots and resellers carry no information.
    """
    offsets, places = by_group(rows.history, rows.n_histories)
    item, weight, age = rows.item[places], rows.weight[places], rows.age[places]
    offsets = merge_repeats(offsets, item, weight, age, n_items)
    n = int(offsets[-1])
    item, weight, age = item[:n], weight[:n], age[:n]
    kept = _newest(offsets, item, weight, age, max_history)
    cut = Cut(int((np.diff(offsets) > max_history).sum()), int(n - kept.sum()))
    if cut.interactions:
        offsets, item, weight = offsets_of(kept)[offsets], item[kept], weight[kept]
    return InteractionMatrix(offsets, packed_entries(item, weight, n_items)), cut


def as_rows(
    histories: InteractionMatrix, cut: Cut, at_once: int = 2**20
) -> Iterator[pa.RecordBatch]:
    """Histories as rows of ROW, each of about `at_once` entries, so that no row is large.

    The first row carries the cut.
    """
    n_rows = -(-histories.entries.size // at_once)
    edges = np.searchsorted(histories.indptr, np.arange(1, n_rows) * at_once)
    for start, end in itertools.pairwise([0, *edges.tolist(), histories.indptr.size - 1]):
        offsets = histories.indptr[start : end + 1]
        lengths = np.diff(offsets).astype(np.int32)
        entries = histories.entries[offsets[0] : offsets[-1]]
        yield pa.RecordBatch.from_pydict(
            {
                "lengths": pa.array([lengths.tobytes()], pa.binary()),
                "entries": pa.array([entries.tobytes()], pa.binary()),
                "cut_histories": pa.array([cut.histories]),
                "cut_interactions": pa.array([cut.interactions]),
            }
        )
        cut = Cut()


def from_rows(batches: Iterable[pa.RecordBatch], n_items: int) -> Iterator[InteractionMatrix]:
    """The histories of each row, as from `as_rows`."""
    for batch in batches:
        for lengths, entries in zip(batch["lengths"], batch["entries"], strict=True):
            yield InteractionMatrix(
                offsets_of(np.frombuffer(lengths.as_buffer(), np.int32)),
                as_entries(np.frombuffer(entries.as_buffer(), np.uint8), n_items),
            )


def _newest(
    offsets: Integers, item: Ids, weight: Integers, age: Ids, most: int
) -> NDArray[np.bool_]:
    """Mask of the entries among the `most` newest of their history."""
    lengths = np.diff(offsets)
    kept = np.ones(item.size, dtype=bool)
    is_long = np.repeat(lengths > most, lengths)
    if not is_long.any():
        return kept
    long = np.flatnonzero(is_long)
    history = np.repeat(np.arange(lengths.size), lengths)[long]
    order = np.lexsort((item[long], -weight[long], age[long], history))
    starts = np.flatnonzero(np.diff(history[order], prepend=-1))
    sizes = np.diff(np.append(starts, order.size))
    rank = np.arange(order.size) - np.repeat(starts, sizes)
    kept[long[order]] = rank < most
    return kept
