"""Cosines of a few items with all others, straight from the definition: what all must find.

No method is timed against it; it holds one number per user and sampled item, reads the table a
file at a time, and so serves at any size.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.child import Prepared
from benchmarks.data import COLUMNS, files_of, sample_of
from benchmarks.shapes import Floats

EVERY = 25  # of the items that methods are compared by


def exact(table: str, n_items: int, k: int) -> Prepared:
    """The answer alone; nothing is timed."""
    return Prepared(lambda: None, lambda: _answer(Path(table), n_items, k))


def _answer(table: Path, n_items: int, k: int) -> dict[str, NDArray[np.generic]]:
    sampled = sample_of(n_items)[::EVERY]
    dots, norms = _sums(table, sampled, n_items)
    parts = []
    for place, item in enumerate(sampled):
        others = np.flatnonzero(dots[place])
        others = others[others != item]
        cosines = dots[place, others] / np.sqrt(norms[item] * norms[others])
        best = np.argsort(-cosines, kind="stable")[:k]
        parts.append((np.full(best.size, item), others[best], cosines[best]))
    names = ("item", "neighbour", "similarity")
    return dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True))


def _sums(table: Path, sampled: NDArray[np.integer], n_items: int) -> tuple[Floats, Floats]:
    """Products of each sampled item and each item, and squared norms: integers below 2**53."""
    place = np.full(n_items, -1)
    place[sampled] = np.arange(sampled.size)
    n_users = 1 + max(int(user.max()) for user, _, _ in _files(table))
    weights = np.zeros((sampled.size, n_users), np.int16)
    for user, item, weight in _files(table):
        is_sampled = place[item] >= 0
        weights[place[item[is_sampled]], user[is_sampled]] = weight[is_sampled]
    dots, norms = np.zeros((sampled.size, n_items)), np.zeros(n_items)
    for user, item, weight in _files(table):
        norms += np.bincount(item, weight**2, n_items)
        for one in range(sampled.size):
            own = weights[one, user]
            met = np.flatnonzero(own)
            dots[one] += np.bincount(item[met], own[met] * weight[met], n_items)
    return dots, norms


def _files(table: Path) -> Iterator[tuple[NDArray[np.integer], ...]]:
    for file in files_of(table):
        rows = pq.read_table(file, columns=list(COLUMNS))
        yield tuple(rows[name].to_numpy() for name in COLUMNS)
