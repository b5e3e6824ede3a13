"""Which block computes which item: blocks of target items of about equal work.

The work of an item is what the kernel does for it: one product per entry of each of its
histories. A long-tail catalogue cut by id or by hash leaves one task with most of the
work; here the heaviest items are dealt first, each to the block that has least to do.
"""

import heapq

import numpy as np

from lakeshop.similarity.histories import Ids, Integers, as_integers


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
