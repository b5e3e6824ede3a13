"""Weighted histories x items as checked integer arrays: what the similarity kernel reads.

A history is a user or a basket: one row of a sparse matrix X. Weights are fixed-point
integers, so that sums over them are exact and equal in any order; the limits on weights
and histories keep every sum of products within 2**62, so within int64.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ONE = 2**10
"""The fixed-point one: a weight of 1.0 is stored as 1024."""

MAX_WEIGHT = 2**20
"""Largest fixed-point weight (1024.0)."""

MAX_HISTORIES_PER_ITEM = 2**22
"""MAX_HISTORIES_PER_ITEM * MAX_WEIGHT**2 is 2**62; a product of two items is no larger."""

Integers = NDArray[np.int64]
Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histories:
    """Weighted histories x items in CSR form; `as_histories` makes and checks one.

    History h holds items[indptr[h]:indptr[h + 1]], each once, with their weights.
    """

    indptr: Integers
    items: Ids
    weights: Integers


def as_fixed(weights: Floats) -> Integers:
    """Fixed-point weights: round(weight * ONE), halves to even.

    Raises:
        ValueError: a weight is NaN, infinite, negative or above MAX_WEIGHT / ONE.
    """
    received = np.asarray(weights, dtype=np.float64)
    is_wrong = ~((received >= 0) & (received <= MAX_WEIGHT / ONE))
    if is_wrong.any():
        message = (
            f"weights should be finite numbers from 0 to {MAX_WEIGHT // ONE}. Received "
            f"{received[is_wrong][0]} at position {is_wrong.argmax()}. Clip or drop it first."
        )
        raise ValueError(message)
    return np.rint(received * ONE).astype(np.int64)


def as_histories(
    indptr: ArrayLike, items: ArrayLike, weights: ArrayLike, *, n_items: int
) -> Histories:
    """Histories of items 0..n_items-1 from CSR arrays of any integer type, all checked.

    Args:
        indptr: n + 1 offsets, from 0 to the number of entries, never falling.
        items: item of each entry, unique within a history, in any order.
        weights: fixed-point weight of each entry, 0..MAX_WEIGHT (see `as_fixed`).
        n_items: size of the catalogue.

    Raises:
        ValueError: the arrays are not such histories.
    """
    offsets, ids = as_integers("indptr", indptr), as_integers("items", items)
    received = as_integers("weights", weights)
    _check_shapes(offsets, ids, received)
    _check_values(ids, received, n_items)
    _check_unique(offsets, ids, n_items)
    return Histories(offsets, ids.astype(np.int32), received)


def joined(parts: Sequence[Histories]) -> Histories:
    """Histories one after the other."""
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    return Histories(
        offsets_of(lengths),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def offsets_of(lengths: NDArray[np.integer]) -> Integers:
    """The n + 1 offsets of n rows of these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def self_products(histories: Histories, n_items: int) -> Integers:
    """Squared norm of each item, the sum of its squared weights: int64[n_items].

    Norms of parts of the histories add up to the norms of all; whoever adds them has to
    keep each item within MAX_HISTORIES_PER_ITEM in total.

    Raises:
        ValueError: an item lies in more than MAX_HISTORIES_PER_ITEM histories, or the
            histories do not fit n_items.
    """
    _check_shapes(histories.indptr, histories.items, histories.weights)
    _check_values(histories.items, histories.weights, n_items)
    sizes = np.bincount(histories.items, minlength=n_items)
    if sizes.size and sizes.max() > MAX_HISTORIES_PER_ITEM:
        message = (
            f"an item should lie in at most {MAX_HISTORIES_PER_ITEM} histories. Received "
            f"{sizes.max()} for item {sizes.argmax()}. Drop it or shorten the window."
        )
        raise ValueError(message)
    norms = np.zeros(n_items, dtype=np.int64)
    np.add.at(norms, histories.items, histories.weights**2)
    return norms


def as_integers(name: str, values: ArrayLike) -> Integers:
    """One-dimensional, contiguous, writable int64 of any integers; copies where needed.

    Writable, because numba compiles a second kernel for the read-only buffers of Arrow.

    Raises:
        ValueError: values are not one-dimensional integers.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        message = (
            f"{name} should be one-dimensional integers. Received {array.dtype} of shape "
            f"{array.shape}. Convert it first; as_fixed converts weights."
        )
        raise ValueError(message)
    return np.require(array, np.int64, ["C", "W"])


def _check_shapes(indptr: Integers, items: NDArray[np.integer], weights: Integers) -> None:
    if items.size != weights.size:
        message = (
            f"weights should be as many as items. Received {weights.size} weights for "
            f"{items.size} items. Pass one weight per entry."
        )
        raise ValueError(message)
    is_rising = indptr.size > 0 and indptr[0] == 0 and bool((np.diff(indptr) >= 0).all())
    if not is_rising or indptr[-1] != items.size:
        message = (
            f"indptr should rise from 0 to the number of entries, {items.size}, and never "
            f"fall. Received {indptr}. Pass the row offsets of a CSR matrix."
        )
        raise ValueError(message)


def _check_values(items: NDArray[np.integer], weights: Integers, n_items: int) -> None:
    if not 0 <= n_items < 2**31:
        message = (
            f"n_items should be from 0 to 2**31 - 1. Received {n_items}. "
            "Number the items densely from 0."
        )
        raise ValueError(message)
    if items.size == 0:
        return
    if items.min() < 0 or items.max() >= n_items:
        message = (
            f"items should be from 0 to {n_items - 1}. Received {items.min()} to "
            f"{items.max()}. Number the items densely from 0."
        )
        raise ValueError(message)
    if weights.min() < 0 or weights.max() > MAX_WEIGHT:
        message = (
            f"weights should be fixed-point integers from 0 to {MAX_WEIGHT}. Received "
            f"{weights.min()} to {weights.max()}. Make them with as_fixed."
        )
        raise ValueError(message)


def _check_unique(indptr: Integers, items: Integers, n_items: int) -> None:
    history = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    entries = np.sort(history * n_items + items)
    is_repeated = entries[1:] == entries[:-1]
    if is_repeated.any():
        first = entries[int(is_repeated.argmax())]
        message = (
            f"items should be unique within a history. Received item {first % n_items} more "
            f"than once in history {first // n_items}. Sum its weights first."
        )
        raise ValueError(message)
