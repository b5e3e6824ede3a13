"""Compiled loops over all entries, once each: sums per item, pairs of a dense model, grouping."""

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Floats32, Ids, Integers
from lakeshop.ml.numeric import compiled
from lakeshop.similarity.histories import WEIGHT_BITS, Entries

# Start and length of its history, and weight, of each of a target's entries.
Column = tuple[Integers, Ids, NDArray[np.uint16]]

BITS = np.uint64(WEIGHT_BITS)
WEIGHT = np.uint64(2**WEIGHT_BITS - 1)


@compiled
def item_sums(indptr: Integers, entries: Entries, n_items: int) -> Integers:
    """Histories, squared norm and work (summed length of its histories) per item: [3, n_items]."""
    sums = np.zeros((3, n_items), np.int64)
    for history in range(indptr.size - 1):
        length = indptr[history + 1] - indptr[history]
        for entry in entries[indptr[history] : indptr[history + 1]]:
            item = np.uint64(entry) >> BITS
            weight = np.int64(np.uint64(entry) & WEIGHT)
            sums[0, item] += 1
            sums[1, item] += weight * weight
            sums[2, item] += length
    return sums


@compiled
def target_columns(
    rows: tuple[Integers, Entries], targets: Integers, n_items: int
) -> tuple[Integers, Column]:
    """Offsets of the targets' columns, and the columns: CSC, but of the targets alone."""
    indptr, entries = rows
    slots = np.full(n_items, -1, np.int32)
    slots[targets] = np.arange(targets.size)
    # Shifted by two: filling moves each start to its end, which is the next one's start.
    starts = np.zeros(targets.size + 2, np.int64)
    for entry in entries:
        slot = slots[np.uint64(entry) >> BITS]
        if slot >= 0:
            starts[slot + 2] += 1
    starts[:] = np.cumsum(starts)
    first, length = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.int32)
    weight = np.empty(starts[-1], np.uint16)
    for history in range(indptr.size - 1):
        for entry in entries[indptr[history] : indptr[history + 1]]:
            slot = slots[np.uint64(entry) >> BITS]
            if slot >= 0:
                place = starts[slot + 1]
                first[place] = indptr[history]
                length[place] = indptr[history + 1] - indptr[history]
                weight[place] = np.uint64(entry) & WEIGHT
                starts[slot + 1] = place + 1
    return starts[:-1], (first, length, weight)


@compiled
def add_joint_counts(indptr: Integers, entries: Entries, place_of: Ids, counts: Floats32) -> None:
    """Add 1 to counts[a, b] for each history with items at places a and b, a = b included.

    Items with a `place_of` below 0 are left out.
    """
    together = np.empty(counts.shape[0], np.int64)
    for history in range(indptr.size - 1):
        n = 0
        for entry in entries[indptr[history] : indptr[history + 1]]:
            place = place_of[np.uint64(entry) >> BITS]
            if place >= 0:
                together[n] = place
                n += 1
        for a in together[:n]:
            row = counts[a]
            for b in together[:n]:
                row[b] += 1


@compiled
def by_group(groups: Ids, n_groups: int) -> tuple[Integers, Integers]:
    """Offsets of each group and the places of its members, in their order: a counting sort."""
    offsets = np.zeros(n_groups + 2, np.int64)
    for group in groups:
        offsets[group + 2] += 1
    for group in range(n_groups):
        offsets[group + 2] += offsets[group + 1]
    places = np.empty(groups.size, np.int64)
    # Shifted by one: filling moves each start to its end, which is the next one's start.
    for place in range(groups.size):
        group = groups[place]
        places[offsets[group + 1]] = place
        offsets[group + 1] += 1
    return offsets[:-1], places


@compiled
def merge_repeats(
    indptr: Integers, items: Ids, weights: Integers, ages: Ids, n_items: int
) -> Integers:
    """Keep each item once per history, in place: the largest weight and the least age.

    Returns the new offsets; the entries of the histories are moved to the front of the arrays.
    """
    kept = np.zeros(indptr.size, np.int64)
    place_of = np.full(n_items, -1, np.int64)
    end = 0
    for history in range(indptr.size - 1):
        start = end
        for place in range(indptr[history], indptr[history + 1]):
            before = place_of[items[place]]
            if before >= start:
                weights[before] = max(weights[before], weights[place])
                ages[before] = min(ages[before], ages[place])
            else:
                place_of[items[place]] = end
                items[end], weights[end], ages[end] = items[place], weights[place], ages[place]
                end += 1
        kept[history + 1] = end
    return kept
