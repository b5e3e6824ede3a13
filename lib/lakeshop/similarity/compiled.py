"""The compiled loops of item similarity.

`ranked_neighbours` is the kernel: sums, then measure, then choice, per target.

Three seams: `_accumulate` adds integer sums, `_measure` turns them into scores, `_choose`
keeps the best. One dense accumulator of the catalogue's size serves all targets; a list of
touched items keeps the cost at the products there are. Arguments come checked.

Compiled once per machine (2 to 3 s) where numba finds a folder to cache in, else once per
process. All loops lie in this file: numba sees by its time whether the cache is stale.
"""

import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakeshop.similarity.histories import Floats, Ids, Integers

Matrix = NDArray[np.float32]

Rows = tuple[Integers, Ids, Integers]
"""indptr, items and weights of histories, or offsets, histories and weights of targets."""

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, without the lock of the interpreter."""
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no folder to cache in
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def ranked_neighbours(
    rows: Rows, targets: Integers, norms: Floats, options: tuple[int, float, int]
) -> tuple[Ids, Floats, Integers, Integers]:
    """Neighbours of target after target, best first, and how many each target has.

    Args:
        rows: histories in CSR form, weights > 0.
        targets: unique items.
        norms: squared norm of every item.
        options: neighbours per target, shrinkage in products of weights, least support.

    Returns:
        neighbour, similarity and support of each row; rows of each target.
    """
    width, shrinkage, min_support = options
    starts, members, weights = _target_columns(rows, targets, norms.size)
    capacity = _most_rows(rows[0], starts, members, width)
    neighbour = np.empty(capacity, np.int32)
    similarity = np.empty(capacity, np.float64)
    support = np.empty(capacity, np.int64)
    sizes = np.zeros(targets.size, np.int64)
    # One more than there are items: the branch-free lists write one place past their end.
    sums = np.zeros((norms.size + 1, 2), np.int64)
    touched = np.empty(norms.size + 1, np.int32)
    candidates = np.empty(norms.size + 1, np.int32)
    scores = np.empty(norms.size + 1, np.float64)
    end = 0
    for slot in range(targets.size):
        column = slice(starts[slot], starts[slot + 1])
        n_touched = _accumulate((members[column], weights[column]), rows, sums, touched)
        sums[targets[slot], 1] = 0  # no support for itself
        n = _keep_supported(touched[:n_touched], sums, min_support, candidates)
        scale = (norms[targets[slot]], shrinkage)
        _measure(candidates[:n], sums, norms, scale, scores)
        size = _choose(candidates[:n], scores, width)
        for place in range(size):
            neighbour[end + place] = candidates[place]
            similarity[end + place] = scores[place]
            support[end + place] = sums[candidates[place], 1]
        for item in touched[:n_touched]:
            sums[item, 0] = 0
            sums[item, 1] = 0
        sizes[slot] = size
        end += size
    return neighbour[:end].copy(), similarity[:end].copy(), support[:end].copy(), sizes


@compiled
def _target_columns(
    rows: Rows, targets: Integers, n_items: int
) -> tuple[Integers, Integers, Integers]:
    """CSC of the targets alone: offsets per target, then history and weight per entry."""
    indptr, items, weights = rows
    slots = np.full(n_items, -1, np.int64)
    for slot in range(targets.size):
        slots[targets[slot]] = slot
    # Shifted by two: filling moves each start to its end, which is the next one's start.
    starts = np.zeros(targets.size + 2, np.int64)
    for item in items:
        if slots[item] >= 0:
            starts[slots[item] + 2] += 1
    for slot in range(targets.size):
        starts[slot + 2] += starts[slot + 1]
    members = np.empty(starts[-1], np.int64)
    member_weights = np.empty(starts[-1], np.int64)
    for history in range(indptr.size - 1):
        for entry in range(indptr[history], indptr[history + 1]):
            slot = slots[items[entry]]
            if slot >= 0:
                members[starts[slot + 1]] = history
                member_weights[starts[slot + 1]] = weights[entry]
                starts[slot + 1] += 1
    return starts[:-1], members, member_weights


@compiled
def _most_rows(indptr: Integers, starts: Integers, members: Integers, width: int) -> int:
    """Rows the result has at most: a target has no more neighbours than entries beside it."""
    total = 0
    for slot in range(starts.size - 1):
        beside = 0
        for history in members[starts[slot] : starts[slot + 1]]:
            beside += indptr[history + 1] - indptr[history]
        total += min(width, beside)
    return total


@compiled
def _accumulate(column: tuple[Integers, Integers], rows: Rows, sums: Integers, touched: Ids) -> int:
    """Add (product, 1) of one target and each item to sums; list the items and count them."""
    indptr, items, weights = rows
    members, member_weights = column
    n_touched = 0
    for place in range(members.size):
        weight = member_weights[place]
        entries = slice(indptr[members[place]], indptr[members[place] + 1])
        history_items, history_weights = items[entries], weights[entries]
        for entry in range(history_items.size):
            item = history_items[entry]
            support = sums[item, 1]
            # No branch: whether an item is new is not predictable, and a branch costs twice.
            touched[n_touched] = item
            n_touched += support == 0
            sums[item, 0] += weight * history_weights[entry]
            sums[item, 1] = support + 1
    return n_touched


@compiled
def _keep_supported(touched: Ids, sums: Integers, min_support: int, kept: Ids) -> int:
    n_kept = 0
    for item in touched:
        kept[n_kept] = item
        n_kept += sums[item, 1] >= min_support
    return n_kept


@compiled
def _measure(
    candidates: Ids, sums: Integers, norms: Floats, scale: tuple[float, float], scores: Floats
) -> None:
    """Shrunk cosine of the target, whose norm leads scale, and each candidate."""
    norm, shrinkage = scale
    # numba makes vector instructions of the second loop; gathering in it would prevent that.
    products = np.empty(candidates.size)
    for place in range(candidates.size):
        products[place] = sums[candidates[place], 0]
        scores[place] = norm * norms[candidates[place]]
    for place in range(candidates.size):
        scores[place] = products[place] / (math.sqrt(scores[place]) + shrinkage)


@compiled
def _choose(candidates: Ids, scores: Floats, width: int) -> int:
    """Bring the best candidates to the front in order, by a heap with the worst on top."""
    size = min(width, candidates.size)
    for root in range(size // 2 - 1, -1, -1):
        _sift_down(candidates, scores, root, size)
    for place in range(size, candidates.size):
        if _is_worse(scores[0], candidates[0], scores[place], candidates[place]):
            candidates[0], scores[0] = candidates[place], scores[place]
            _sift_down(candidates, scores, 0, size)
    for last in range(size - 1, 0, -1):
        candidates[0], candidates[last] = candidates[last], candidates[0]
        scores[0], scores[last] = scores[last], scores[0]
        _sift_down(candidates, scores, 0, last)
    return size


@compiled
def _sift_down(candidates: Ids, scores: Floats, root: int, size: int) -> None:
    while 2 * root + 1 < size:
        child, other = 2 * root + 1, 2 * root + 2
        if other < size and _is_worse(
            scores[other], candidates[other], scores[child], candidates[child]
        ):
            child = other
        if _is_worse(scores[root], candidates[root], scores[child], candidates[child]):
            return
        candidates[root], candidates[child] = candidates[child], candidates[root]
        scores[root], scores[child] = scores[child], scores[root]
        root = child


@compiled
def _is_worse(score: float, item: int, other_score: float, other: int) -> bool:
    return score < other_score or (score == other_score and item > other)


@compiled
def add_joint_counts(indptr: Integers, items: Ids, counts: Matrix) -> None:
    """Add 1 to counts[a, b] for each history with items a and b, a = b included."""
    for history in range(indptr.size - 1):
        together = items[indptr[history] : indptr[history + 1]]
        for item in together:
            row = counts[item]
            for other in together:
                row[other] += 1
