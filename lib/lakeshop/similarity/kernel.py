"""Top-k neighbours per item, exact, for a block of target items.

Whoever holds every full history of some targets, and the norms of all items, computes
these targets' neighbours to the last bit, in any order and in any block: sums are int64,
the measure is one float64 formula over those sums, and ties break by the smaller id.
One dense accumulator of the catalogue's size serves all targets; a list of the touched
items keeps the cost at the products there are.

This module checks and shapes; the loops are in `compiled.py`, histories and their exact
arithmetic in `histories.py`.
"""

import math
from dataclasses import dataclass

import numpy as np

from lakeshop.similarity.compiled import ranked_neighbours
from lakeshop.similarity.histories import (
    MAX_HISTORIES_PER_ITEM,
    MAX_WEIGHT,
    ONE,
    Floats,
    Histories,
    Ids,
    Integers,
    as_fixed,
    as_histories,
    as_integers,
    self_products,
)

__all__ = [
    "MAX_HISTORIES_PER_ITEM",
    "MAX_WEIGHT",
    "ONE",
    "Histories",
    "Neighbours",
    "as_fixed",
    "as_histories",
    "self_products",
    "top_neighbours",
]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Equally long columns, a row per item and neighbour, in order of targets and rank.

    Rank runs from 1; support is the number of histories that hold both with weight > 0.
    """

    item: Ids
    neighbour: Ids
    rank: Ids
    similarity: Floats
    support: Integers


def top_neighbours(
    histories: Histories,
    squared_norms: Integers,
    targets: Ids,
    *,
    k: int,
    shrinkage: float,
    min_support: int,
) -> Neighbours:
    """The k most similar items of each target, by shrunk cosine, then by smaller id.

    similarity = dot_ij / (sqrt(norm_i * norm_j) + shrinkage * ONE**2): the item-based
    cosine of Sarwar et al. ("Item-based collaborative filtering recommendation
    algorithms", 2001), shrunk towards 0 where little speaks for a pair, as in Bell and
    Koren ("Scalable collaborative filtering with jointly derived neighborhood
    interpolation weights", 2007).

    Args:
        histories: at least every history that holds one of the targets, each in full;
            more of them change nothing but the time.
        squared_norms: int64[n_items], over all histories (see `self_products`).
        targets: the block: unique items, in any order, which is the order of the result.
        k: neighbours per target at most.
        shrinkage: in co-occurrences of weight 1.0; 0 gives the plain cosine.
        min_support: histories a pair must share at least, both weights > 0.

    Returns:
        At most k rows per target; only pairs with dot > 0, never the target itself.

    Raises:
        ValueError: an argument is out of range, or histories and norms contradict each
            other, as they do when a history of a target is missing.
    """
    norms = as_integers("squared_norms", squared_norms)
    block = as_integers("targets", targets)
    _check_options(k, shrinkage, min_support)
    _check_targets(block, norms.size)
    _check_norms(self_products(histories, norms.size), norms, block)
    neighbour, similarity, support, sizes = ranked_neighbours(
        _without_zeros(histories),
        block,
        norms.astype(np.float64),
        (min(k, norms.size), float(shrinkage) * ONE**2, min_support),
    )
    rank = np.arange(neighbour.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    item = np.repeat(block, sizes)
    return Neighbours(item.astype(np.int32), neighbour, rank.astype(np.int32), similarity, support)


def _check_options(k: int, shrinkage: float, min_support: int) -> None:
    if k < 1 or min_support < 1:
        message = (
            f"k and min_support should be at least 1. Received k={k} and "
            f"min_support={min_support}. Change the configuration."
        )
        raise ValueError(message)
    if not 0 <= shrinkage < math.inf:
        message = (
            f"shrinkage should be a finite number of at least 0. Received {shrinkage}. "
            "Change the configuration."
        )
        raise ValueError(message)


def _check_targets(targets: Integers, n_items: int) -> None:
    if targets.size == 0:
        return
    if targets.min() < 0 or targets.max() >= n_items:
        message = (
            f"targets should be from 0 to {n_items - 1}. Received {targets.min()} to "
            f"{targets.max()}. Number targets and squared_norms alike."
        )
        raise ValueError(message)
    sizes = np.bincount(targets)
    if sizes.max() > 1:
        message = (
            f"targets should be unique. Received {sizes.argmax()} {sizes.max()} times. "
            "Give each item to one block."
        )
        raise ValueError(message)


def _check_norms(held: Integers, norms: Integers, targets: Integers) -> None:
    """Full norms bound every sum (Cauchy-Schwarz): no overflow, no division by zero."""
    is_wrong = held > norms
    is_wrong[targets] = held[targets] != norms[targets]
    if is_wrong.any():
        item = int(is_wrong.argmax())
        message = (
            f"squared_norms should cover all histories, and histories all those of the "
            f"targets. Received {norms[item]} for item {item}, whose histories here make "
            f"{held[item]}. Recompute the norms or pass the missing histories."
        )
        raise ValueError(message)


def _without_zeros(histories: Histories) -> tuple[Integers, Ids, Integers]:
    """CSR arrays of the entries with weight > 0: the inner loop then needs no branch."""
    is_positive = histories.weights > 0
    if is_positive.all():
        return histories.indptr, histories.items, histories.weights
    kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_positive)])
    return kept[histories.indptr], histories.items[is_positive], histories.weights[is_positive]
