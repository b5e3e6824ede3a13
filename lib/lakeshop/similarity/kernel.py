"""Top-k neighbours per item by several measures, exact, for a block of target items.

Neighbours of a target are equal to the last bit in any order and in any block. Sums are integers, a
measure is one float64 formula over these sums, and ties break by the smaller id.

Memory beside the histories: 14 bytes for each of the targets' entries, 60 per item of the catalogue
and measure, and the result.

This module checks and shapes; the loops are in `compiled.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Floats, Ids, Integers
from lakeshop.similarity import compiled
from lakeshop.similarity.counting import item_sums, target_columns
from lakeshop.similarity.histories import (
    MAX_HISTORIES_PER_ITEM,
    WEIGHT_SCALE,
    InteractionMatrix,
    as_integers,
)

MEASURES = {
    "co_count": compiled.CO_COUNT,
    "cosine": compiled.COSINE,
    "asymmetric_cosine": compiled.ASYMMETRIC_COSINE,
    "jaccard": compiled.JACCARD,
    "lift": compiled.LIFT,
    "log_likelihood": compiled.LOG_LIKELIHOOD,
}


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of each item, without its pairs.

    `histories`, `norms` and `works` are int64[n_items]: histories with the item, the sum of its
    squared weights, and the summed length of its histories. The last one is the kernel's cost of
    the item. `n_histories` counts all histories that are not empty.
    """

    histories: Integers
    norms: Integers
    works: Integers
    n_histories: int


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Equally long columns, a row per item, measure and neighbour, in that order, best first.

    Rank runs from 1; support is the number of histories that hold both.
    """

    item: Ids
    measure: Ids
    neighbour: Ids
    rank: Ids
    similarity: Floats
    support: Integers


def statistics_of(histories: InteractionMatrix, n_items: int) -> Statistics:
    """Statistics of each item.

    Raises:
        ValueError: an item lies in more than MAX_HISTORIES_PER_ITEM histories, or is none of
            the n_items.
    """
    if histories.entries.size and int(histories.items.max()) >= n_items:
        message = (
            f"n_items should exceed every item. Received {n_items} and item "
            f"{histories.items.max()}. Pass the size of the catalogue."
        )
        raise ValueError(message)
    sums = item_sums(histories.indptr, histories.entries, n_items)
    if n_items and sums[0].max() > MAX_HISTORIES_PER_ITEM:
        message = (
            f"an item should lie in at most {MAX_HISTORIES_PER_ITEM} histories. Received "
            f"{sums[0].max()} for item {sums[0].argmax()}. Drop it or shorten the window."
        )
        raise ValueError(message)
    return Statistics(sums[0], sums[1], sums[2], int(np.count_nonzero(np.diff(histories.indptr))))


def top_neighbours(
    histories: InteractionMatrix,
    statistics: Statistics,
    targets: NDArray[np.integer],
    *,
    measures: Sequence[str],
    k: int,
    shrinkage: float = 0.0,
    asymmetry: float = 0.5,
    min_support: int = 1,
) -> Neighbours:
    """The k most similar items of each target by each measure, then by smaller id.

    With dot = sum of products of weights, n_ij = histories with both, n_i = histories with i,
    norm_i = sum of squared weights of i, n = histories:

    - co_count: n_ij
    - cosine: dot / (sqrt(norm_i * norm_j) + shrinkage): the item-based cosine of Sarwar et al.
      ("Item-based collaborative filtering recommendation algorithms", 2001). The shrinkage of pairs
      with little support is by Bell and Koren ("Scalable collaborative filtering with jointly
      derived neighborhood interpolation weights", 2007).
    - asymmetric_cosine: dot / (norm_i^asymmetry * norm_j^(1 - asymmetry) + shrinkage), i the
      target: Aiolli ("Efficient top-n recommendation for very large scale binary rated datasets",
      2013)
    - jaccard: n_ij / (n_i + n_j - n_ij)
    - lift: n_ij * n / (n_i * n_j): Brin et al. ("Dynamic itemset counting", 1997)
    - log_likelihood: the ratio G^2 of Dunning ("Accurate methods for the statistics of surprise and
      coincidence", 1993), of pairs more frequent than by chance

    Args:
        histories: all of them.
        statistics: of the same histories.
        targets: the block: unique items in any order; the result keeps this order.
        measures: names of MEASURES, each once; the result keeps their order.
        k: neighbours per target and measure at most; may exceed the catalogue.
        shrinkage: in co-occurrences of weight 1.0; 0 gives the plain cosines.
        asymmetry: 0 to 1; 0.5 gives the cosine, 1 the weighted confidence of target to item.
        min_support: histories that a pair shares at least.

    Returns:
        At most k rows per target and measure, all similarities above 0, never the target itself.

    Raises:
        ValueError: an argument is out of range.
    """
    block = as_integers("targets", targets)
    n_items = statistics.histories.size
    _check_options(k, shrinkage, asymmetry, min_support)
    _check_measures(measures)
    _check_targets(block, n_items)
    width, scale = min(k, n_items), float(shrinkage) * WEIGHT_SCALE**2
    codes = np.array([MEASURES[measure] for measure in measures], np.int64)
    beside = statistics.works[block] - statistics.histories[block]
    sizes, (neighbour, similarity, support) = compiled.best_neighbours(
        histories.entries,
        (block, *target_columns((histories.indptr, histories.entries), block, n_items)),
        (codes, *_factors(measures, statistics, scale, asymmetry)),
        (*_as_floats(statistics), float(statistics.n_histories)),
        (width, min_support, scale, float(asymmetry)),
        int(np.minimum(beside, width).sum()) * codes.size,
    )
    rows = sizes.ravel()
    rank = np.arange(neighbour.size) - np.repeat(np.cumsum(rows) - rows, rows) + 1
    return Neighbours(
        item=np.repeat(block, sizes.sum(axis=1)).astype(np.int32),
        measure=np.repeat(np.tile(np.arange(codes.size), block.size), rows).astype(np.int32),
        neighbour=neighbour,
        rank=rank.astype(np.int32),
        similarity=similarity,
        support=support,
    )


def expected_support(statistics: Statistics, item: Ids, neighbour: Ids) -> Floats:
    """Histories of each item that would hold its neighbour by chance.

    Histories keep their lengths: the places beside the item are filled with others by how often
    these occur. So a large basket makes no pair look related (Smith and Linden, "Two decades of
    recommender systems at Amazon.com", 2017, to first order).

    Args:
        statistics: of all histories.
        item: of each pair.
        neighbour: of each pair, another item.
    """
    histories, _ = _as_floats(statistics)
    beside = (statistics.works - statistics.histories).astype(np.float64)
    others = histories.sum() - histories
    expected: Floats = beside[item] * histories[neighbour] / others[item]
    return expected


def _as_floats(statistics: Statistics) -> tuple[Floats, Floats]:
    return statistics.histories.astype(np.float64), statistics.norms.astype(np.float64)


def _factors(
    measures: Sequence[str], statistics: Statistics, scale: float, asymmetry: float
) -> tuple[Floats, Floats, Floats]:
    """left[m, i], right[m, j] and base[m, i]: a score is its sum / (left * right + base).

    Log-likelihood has no such form and takes the factors of lift.
    """
    histories, norms = _as_floats(statistics)
    nothing, ones = np.zeros(norms.size), np.ones(norms.size)
    shrunk = ones * scale
    lift = (histories / max(statistics.n_histories, 1), histories, nothing)
    factors = {
        "co_count": (nothing, nothing, ones),
        "cosine": (np.sqrt(norms), np.sqrt(norms), shrunk),
        "asymmetric_cosine": (norms**asymmetry, norms ** (1 - asymmetry), shrunk),
        "jaccard": (ones, histories, histories),
        "lift": lift,
        "log_likelihood": lift,
    }
    left, right, base = zip(*[factors[measure] for measure in measures], strict=True)
    return np.array(left), np.array(right), np.array(base)


def _check_options(k: int, shrinkage: float, asymmetry: float, min_support: int) -> None:
    if k < 1 or min_support < 1:
        message = (
            f"k and min_support should be at least 1. Received k={k} and "
            f"min_support={min_support}. Change the configuration."
        )
        raise ValueError(message)
    if not (0 <= shrinkage < math.inf and 0 <= asymmetry <= 1):
        message = (
            "shrinkage should be a finite number of at least 0, asymmetry one from 0 to 1. "
            f"Received {shrinkage} and {asymmetry}. Change the configuration."
        )
        raise ValueError(message)


def _check_measures(measures: Sequence[str]) -> None:
    unknown = sorted(set(measures) - set(MEASURES))
    if unknown or not measures or len(set(measures)) < len(measures):
        message = (
            f"measures should be some of {', '.join(MEASURES)}, each once. Received "
            f"{', '.join(measures) or 'none'}. Change the configuration."
        )
        raise ValueError(message)


def _check_targets(targets: Integers, n_items: int) -> None:
    if targets.size == 0:
        return
    if targets.min() < 0 or targets.max() >= n_items:
        message = (
            f"targets should be from 0 to {n_items - 1}. Received {targets.min()} to "
            f"{targets.max()}. Number targets as the histories do."
        )
        raise ValueError(message)
    sizes = np.bincount(targets)
    if sizes.max() > 1:
        message = (
            f"targets should be unique. Received {sizes.argmax()} {sizes.max()} times. "
            "Give each item to one block."
        )
        raise ValueError(message)
