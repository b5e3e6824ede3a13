"""Weighted histories x items as checked, packed arrays: the input of the similarity kernel.

A history is a user or a basket: one row of a sparse matrix X. Weights are fixed-point integers:
sums over them are exact and equal in any order. An entry is one integer, its item above its weight:
4 bytes for catalogues of up to 2,097,152 products, 8 beyond. A history is one contiguous read, and
memory reads dominate the kernel's time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lakeshop.ml.arrays import Floats, Ids, Integers

WEIGHT_SCALE = 2**10
"""The fixed-point one, and the largest weight: 1.0 is stored as 1024."""

WEIGHT_BITS = 11
"""An entry is `item << WEIGHT_BITS | weight`."""

MAX_HISTORIES_PER_ITEM = 2**22 - 1
"""A pair's sum of products is then below 2**42, and its number of histories below 2**22."""

Entries = NDArray[np.uint32] | NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class InteractionMatrix:
    """Weighted histories x items in CSR form; `as_histories` makes and checks one.

    History h holds entries[indptr[h]:indptr[h + 1]], each item once, all weights above 0.
    """

    indptr: Integers
    entries: Entries

    @property
    def items(self) -> Ids:
        """Item of each entry."""
        return (self.entries >> WEIGHT_BITS).astype(np.int32)

    @property
    def weights(self) -> Integers:
        """Fixed-point weight of each entry, 1..WEIGHT_SCALE."""
        weights: Integers = (self.entries & (2**WEIGHT_BITS - 1)).astype(np.int64)
        return weights


def as_fixed(weights: Floats) -> Integers:
    """Fixed-point weights: round(weight * WEIGHT_SCALE), halves to even.

    Raises:
        ValueError: a weight is NaN, infinite, negative or above 1.
    """
    received = np.asarray(weights, dtype=np.float64)
    is_wrong = ~((received >= 0) & (received <= 1))
    if is_wrong.any():
        message = (
            f"weights should be finite numbers from 0 to 1. Received {received[is_wrong][0]} "
            f"at position {is_wrong.argmax()}. Scale, clip or drop it first."
        )
        raise ValueError(message)
    return np.rint(received * WEIGHT_SCALE).astype(np.int64)


def as_histories(
    indptr: ArrayLike, items: ArrayLike, weights: ArrayLike, *, n_items: int
) -> InteractionMatrix:
    """Histories of items 0..n_items-1 from CSR arrays of any integer type, all checked.

    Args:
        indptr: n + 1 offsets, from 0 to the number of entries, never falling.
        items: item of each entry, unique within a history, in any order.
        weights: fixed-point weight of each entry, 0..WEIGHT_SCALE (see `as_fixed`);
            entries of weight 0 are left out.
        n_items: size of the catalogue.

    Raises:
        ValueError: the arrays are not such histories.
    """
    offsets, ids = as_integers("indptr", indptr), as_integers("items", items)
    received = as_integers("weights", weights)
    _check_shapes(offsets, ids, received)
    _check_values(ids, received, n_items)
    _check_unique(offsets, ids, n_items)
    counted = received > 0
    if not counted.all():
        offsets = offsets_of(counted)[offsets]
        ids, received = ids[counted], received[counted]
    return InteractionMatrix(offsets, packed_entries(ids, received, n_items))


def packed_entries(items: Integers, weights: Integers, n_items: int) -> Entries:
    """Items and their weights as entries; the items fit a catalogue of n_items."""
    if entry_type(n_items) == np.uint32:
        return (items.astype(np.uint32) << np.uint32(WEIGHT_BITS)) | weights.astype(np.uint32)
    return (items.astype(np.uint64) << np.uint64(WEIGHT_BITS)) | weights.astype(np.uint64)


def entry_type(n_items: int) -> np.dtype[np.uint32] | np.dtype[np.uint64]:
    """The type of the entries of a catalogue of n_items."""
    is_small = n_items <= 2 ** (32 - WEIGHT_BITS)
    return np.dtype(np.uint32) if is_small else np.dtype(np.uint64)


def as_entries(raw: NDArray[np.uint8], n_items: int) -> Entries:
    """Bytes as the entries of a catalogue of n_items."""
    return raw.view(np.uint32) if entry_type(n_items) == np.uint32 else raw.view(np.uint64)


def offsets_of(lengths: NDArray[np.integer] | NDArray[np.bool_]) -> Integers:
    """The n + 1 offsets of n rows of these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


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


def check_weights(weights: Integers) -> None:
    """Fixed-point weights should be from 0 to WEIGHT_SCALE.

    Raises:
        ValueError: one is not.
    """
    if weights.size and (weights.min() < 0 or weights.max() > WEIGHT_SCALE):
        message = (
            f"weights should be fixed-point integers from 0 to {WEIGHT_SCALE}. Received "
            f"{weights.min()} to {weights.max()}. Make them with as_fixed."
        )
        raise ValueError(message)


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
    if items.size and (items.min() < 0 or items.max() >= n_items):
        message = (
            f"items should be from 0 to {n_items - 1}. Received {items.min()} to "
            f"{items.max()}. Number the items densely from 0."
        )
        raise ValueError(message)
    check_weights(weights)


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
