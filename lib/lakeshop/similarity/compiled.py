"""The compiled kernel: the best neighbours of targets by several measures in one pass.

Three seams: `_accumulate` adds exact integer sums, `_score` turns them into a measure, `_best`
keeps the largest. One dense accumulator of the catalogue's size serves all targets and measures;
a list of touched items keeps the cost at the products there are. Arguments come checked.

The time goes into memory, not arithmetic: a history is one run of 4-byte entries, fetched eight
histories ahead; sum and number of histories share one 64-bit accumulator; and the exact measure
is computed only for the few candidates that a product of two factors does not rule out.
"""

import math

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Floats, Ids, Integers
from lakeshop.ml.numeric import compiled, fetch
from lakeshop.similarity.counting import BITS, WEIGHT, Column
from lakeshop.similarity.histories import Entries

CO_COUNT, COSINE, ASYMMETRIC_COSINE, JACCARD, LIFT, LOG_LIKELIHOOD = range(6)

SUM_BITS, SUM, ONE_HISTORY = np.uint64(42), np.uint64(2**42 - 1), np.uint64(2**42)
SAMPLE = 8  # of so many candidates one is looked at first
AHEAD = 8  # histories between fetching and reading one; 4 to 32 are equally fast
SLACK = 1 + 1e-9  # far more than two ways of rounding a score can differ by

Sums = NDArray[np.uint64]
Touched = NDArray[np.uint32]
# Histories and squared norm of each item, and the number of histories.
Items = tuple[Floats, Floats, float]
# Neighbours per target, least support, shrinkage in products of weights, exponent of the target.
Options = tuple[int, int, float, float]
# Neighbour, similarity, support.
Found = tuple[Ids, Floats, Integers]


@compiled
def best_neighbours(
    entries: Entries,
    columns: tuple[Integers, Integers, Column],
    measures: tuple[Integers, Floats, Floats, Floats],
    items: Items,
    options: Options,
    capacity: int,
) -> tuple[Integers, Found]:
    """The best neighbours of each target by each measure, best first.

    Args:
        entries: of all histories.
        columns: targets, unique, and theirs (see `counting.target_columns`).
        measures: codes, and [measure, item] left, right and base of `_collect`.
        items: see `Items`.
        options: see `Options`.
        capacity: rows to make room for.

    Returns:
        Rows of each target and measure [n_targets, n_measures], and the rows in that order.
    """
    codes, left, right, base = measures
    (targets, starts, column), n_items = columns, items[0].size
    neighbour, support = np.empty(capacity, np.int32), np.empty(capacity, np.int64)
    similarity = np.empty(capacity, np.float64)
    sizes = np.zeros((targets.size, codes.size), np.int64)
    # One longer than the catalogue: the branch-free list writes past its end.
    sums, touched = np.zeros(n_items + 1, np.uint64), np.empty(n_items + 1, np.uint32)
    end = 0
    for slot in range(targets.size):
        target = targets[slot]
        own = slice(starts[slot], starts[slot + 1])
        history = (column[0][own], column[1][own], column[2][own])
        n_touched = _accumulate(history, entries, sums, touched)
        sums[target] = 0  # no support for itself
        for m in range(codes.size):
            best = (neighbour[end:], similarity[end:], support[end:])
            factors = (left[m, target], base[m, target], right[m])
            counts = (sums, touched[:n_touched])
            sizes[slot, m] = _best((codes[m], target), counts, factors, (items, options), best)
            end += sizes[slot, m]
        for item in touched[:n_touched]:
            sums[item] = 0
    return sizes, (neighbour[:end], similarity[:end], support[:end])


@compiled
def _accumulate(column: Column, entries: Entries, sums: Sums, touched: Touched) -> int:
    """Add the products, and 1, of each history to its items; list the items and count them."""
    first, length, weight = column
    n_touched = 0
    for place in range(first.size):
        if place + AHEAD < first.size:
            fetch(entries, first[place + AHEAD])
            fetch(entries, first[place + AHEAD] + 16)  # a line of the cache holds 16 entries
        # All unsigned: numba has to look whether a signed index counts from the end.
        own, start = np.uint64(weight[place]), np.uint64(first[place])
        for at in range(start, start + np.uint64(length[place])):
            entry = np.uint64(entries[at])
            item = entry >> BITS
            before = sums[item]
            # No branch: whether an item is new is not predictable, and a branch costs twice.
            touched[n_touched] = item
            n_touched += before == 0
            sums[item] = before + (own * (entry & WEIGHT) + ONE_HISTORY)
    return n_touched


@compiled
def _best(
    of: tuple[int, int],
    counts: tuple[Sums, Touched],
    factors: tuple[float, float, Floats],
    given: tuple[Items, Options],
    best: Found,
) -> int:
    """Write the best by `of`, a measure and target, to the front of `best` in order; count them."""
    sums, touched = counts
    neighbour, similarity, support = best
    width, floor = given[1][0], 0.0
    few = width // SAMPLE + 4
    if of[0] != LOG_LIKELIHOOD and touched.size > 4 * SAMPLE * few:
        # A score that few of a sample reach is reached by enough of all, with odds of 20 to 1.
        sample = (sums, touched[::SAMPLE])
        if _collect(of, sample, factors, given, best, (few, floor)) == few:
            floor = similarity[0]
    size = _collect(of, counts, factors, given, best, (width, floor))
    if size < width and floor > 0:
        size = _collect(of, counts, factors, given, best, (width, 0.0))
    for last in range(size - 1, 0, -1):
        item, score = neighbour[last], similarity[last]
        neighbour[last], similarity[last] = neighbour[0], similarity[0]
        _sink(neighbour, similarity, last, item, score)
    for place in range(size):
        support[place] = sums[neighbour[place]] >> SUM_BITS
    return size


@compiled
def _collect(
    of: tuple[int, int],
    counts: tuple[Sums, Touched],
    factors: tuple[float, float, Floats],
    given: tuple[Items, Options],
    best: Found,
    wanted: tuple[int, float],
) -> int:
    """Gather the best of at least a floor, `wanted`, in `best`, a heap with the worst on top.

    A score is (sum or support) / (left * right[item] + base), up to rounding. A candidate that
    cannot beat the worst by this bound is rejected before it is scored.
    """
    (measure, target), (sums, touched), (left, base, right) = of, counts, factors
    (items, options), (width, floor), (neighbour, similarity, _) = given, wanted, best
    is_of_sums, least = measure in (COSINE, ASYMMETRIC_COSINE), np.uint64(options[1])
    shared = 1.0 if measure == JACCARD else 0.0
    # Log-likelihood has no such form; pairs no more frequent than by chance are ruled out.
    bound = 1.0 if measure == LOG_LIKELIHOOD else floor
    # score < bound, by the form above, with loop invariants hoisted.
    slope, offset, weight = bound * left, bound * base, SLACK + bound * shared
    size = 0
    for item in touched:
        support, total = sums[item] >> SUM_BITS, sums[item] & SUM
        top = np.float64(total if is_of_sums else support)
        if top * weight < slope * right[item] + offset or support < least:
            continue
        pair = (np.float64(total), np.float64(support))
        score = _score(measure, target, item, pair, items, options)
        if score <= 0 or score < floor:
            continue
        if size < width:
            size += 1
            _rise(neighbour, similarity, size - 1, item, score)
        elif _is_worse(similarity[0], neighbour[0], score, item):
            _sink(neighbour, similarity, size, item, score)
        if size == width and measure != LOG_LIKELIHOOD:
            bound = similarity[0]
            slope, offset, weight = bound * left, bound * base, SLACK + bound * shared
    return size


@compiled
def _score(
    measure: int, i: int, j: int, pair: tuple[float, float], items: Items, options: Options
) -> float:
    """The similarity of j to i, from their sum of products and their common histories."""
    (counts, norms, n), (total, both) = items, pair
    shrinkage, exponent = options[2], options[3]
    score = both
    if measure == COSINE:
        score = total / (math.sqrt(norms[i] * norms[j]) + shrinkage)
    elif measure == ASYMMETRIC_COSINE:
        score = total / (norms[i] ** exponent * norms[j] ** (1 - exponent) + shrinkage)
    elif measure == JACCARD:
        score = both / (counts[i] + counts[j] - both)
    elif measure == LIFT:
        score = both * n / (counts[i] * counts[j])
    elif measure == LOG_LIKELIHOOD:
        score = _log_likelihood(both, counts[i], counts[j], n)
    return score


@compiled
def _log_likelihood(both: float, i: float, j: float, n: float) -> float:
    """2 n times the mutual information of two items; 0 if no more frequent than by chance."""
    if both * n <= i * j:
        return 0.0
    cells = _x_log_x(both) + _x_log_x(i - both) + _x_log_x(j - both) + _x_log_x(n - i - j + both)
    margins = _x_log_x(i) + _x_log_x(n - i) + _x_log_x(j) + _x_log_x(n - j)
    return 2 * (cells + _x_log_x(n) - margins)


@compiled
def _x_log_x(x: float) -> float:
    return x * math.log(x) if x > 0 else 0.0


@compiled
def _sink(items: Ids, scores: Floats, size: int, item: int, score: float) -> None:
    """Put an item in the place of the worst.

    The hole first goes down all the way, without a branch that is hard to predict. Then it moves up
    a step or two (Wegener, "Bottom-up heapsort", 1993).
    """
    hole, child = 0, 1
    while child < size:
        other = min(child + 1, size - 1)
        is_tie = (scores[other] == scores[child]) & (items[other] > items[child])
        child += (scores[other] < scores[child]) | is_tie
        items[hole], scores[hole] = items[child], scores[child]
        hole, child = child, 2 * child + 1
    _rise(items, scores, hole, item, score)


@compiled
def _rise(items: Ids, scores: Floats, hole: int, item: int, score: float) -> None:
    """Put an item in at the hole or above it, so that no parent is better than its children."""
    while hole > 0:
        parent = (hole - 1) >> 1
        if not _is_worse(score, item, scores[parent], items[parent]):
            break
        items[hole], scores[hole] = items[parent], scores[parent]
        hole = parent
    items[hole], scores[hole] = item, score


@compiled
def _is_worse(score: float, item: int, other_score: float, other: int) -> bool:
    return score < other_score or (score == other_score and item > other)
