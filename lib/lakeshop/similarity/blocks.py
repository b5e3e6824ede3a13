"""Which block computes which item: blocks of target items of about equal work.

The work of an item is what the kernel does for it: one product per entry of each of its
histories. A long-tail catalogue cut by id or by hash leaves one task with most of the
work; here the heaviest items are dealt first, each to the block that has least to do.
"""

import heapq
from collections.abc import Iterator

import numpy as np

from lakeshop.similarity.histories import Histories, Ids, Integers, as_integers, offsets_of


def pair_work(histories: Histories, n_items: int) -> Integers:
    """Products the kernel makes for each item: the summed length of its histories.

    Args:
        histories: all of them; zero weights count as entries.
        n_items: size of the catalogue.

    Returns:
        int64[n_items], 0 for an item in no history.

    Raises:
        ValueError: n_items does not cover the items.
    """
    if histories.items.size and histories.items.max() >= n_items:
        message = (
            f"n_items should exceed every item. Received {n_items} and item "
            f"{histories.items.max()}. Pass the size of the catalogue."
        )
        raise ValueError(message)
    lengths = np.diff(histories.indptr)
    work = np.zeros(n_items, dtype=np.int64)
    np.add.at(work, histories.items, np.repeat(lengths, lengths))
    return work


def balanced_blocks(work: Integers, n_blocks: int) -> Ids:
    """Block 0..n_blocks-1 of each item, so that blocks have about the same total work.

    Longest processing time first (Graham, "Bounds on multiprocessing timing anomalies",
    1969): the largest block has at most 4/3 of the least possible. Ties go to the smaller
    item, then to the smaller block. Items without work go to the block with the fewest
    items. Runs on the driver, about a microsecond per item.

    Args:
        work: int64[n_items], not negative, as from `pair_work`.
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
            f"{received.argmin()}. Use pair_work."
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


def parts_of(histories: Histories, block_of: Ids) -> Iterator[tuple[int, Histories]]:
    """The histories that touch each block, in full: what computes the block needs no others.

    Args:
        histories: some or all of them.
        block_of: the block of each item, as from `balanced_blocks`.

    Yields:
        Each block that is touched, in order, and its histories.
    """
    lengths = np.diff(histories.indptr)
    history = np.repeat(np.arange(lengths.size), lengths)
    for block in np.unique(block_of[histories.items]).tolist():
        touches = np.zeros(lengths.size, dtype=bool)
        touches[history[block_of[histories.items] == block]] = True
        kept = touches[history]
        part = (offsets_of(lengths[touches]), histories.items[kept], histories.weights[kept])
        yield block, Histories(*part)


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
