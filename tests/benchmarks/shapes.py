"""Interactions that look like a shop's, by number: seeded, in chunks of users, NumPy alone.

How active a user is follows a log-normal law, how popular an item is a Zipf-Mandelbrot law:
item 0 is the most popular. A chunk depends on the shape, the seed and its own number only, so
that chunks may be made anywhere, in any order, and never all at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ACTIVITY_SIGMA = 1.2
POPULARITY_EXPONENT, POPULARITY_SHIFT = 1.1, 20
USERS_PER_CHUNK = 50_000
DAYS = 365
DAYS_PER_HALF_WEIGHT = 36.5  # from 1024 on the day to 1 after a year
SAMPLE_OF_USERS = 20_000

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """How many there are of each; interactions are met within about two percent."""

    interactions: int
    users: int
    items: int
    seed: int = 20_260_310

    def scaled(self, scale: float) -> "Shape":
        """A smaller one, as dense in users; fewer items, so that pairs still meet."""
        if scale == 1:
            return self
        return Shape(
            interactions=max(int(self.interactions * scale), 1_000),
            users=max(int(self.users * scale), 100),
            items=max(int(self.items * scale**0.5), 50),
            seed=self.seed,
        )

    @property
    def chunks(self) -> int:
        """Chunks there are."""
        return -(-self.users // USERS_PER_CHUNK)


@dataclass(frozen=True, eq=False)
class Interactions:
    """Equally long columns, a row per user and item, by user and item."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    weight: Integers
    age: NDArray[np.int32]


def chunk_of(shape: Shape, chunk: int, draws: float) -> Interactions:
    """The interactions of the users of one chunk.

    Args:
        shape: of the whole.
        chunk: 0..shape.chunks-1.
        draws: mean draws per user, as from `draws_per_user`.
    """
    random = np.random.default_rng([shape.seed, chunk])
    first = chunk * USERS_PER_CHUNK
    n_users = min(USERS_PER_CHUNK, shape.users - first)
    pairs = _distinct_pairs(random, n_users, draws, popularity(shape.items))
    age = random.integers(0, DAYS, pairs.size, dtype=np.int32)
    weight = np.rint(2.0 ** (10 - age / DAYS_PER_HALF_WEIGHT)).astype(np.int64)
    users, items = np.divmod(pairs, shape.items)
    return Interactions(
        (first + users).astype(np.int32), items.astype(np.int32), np.maximum(weight, 1), age
    )


def all_chunks(shape: Shape) -> Iterator[Interactions]:
    """All interactions, a chunk at a time."""
    draws = draws_per_user(shape)
    return (chunk_of(shape, chunk, draws) for chunk in range(shape.chunks))


def draws_per_user(shape: Shape) -> float:
    """Mean draws that leave the wanted number of distinct pairs, found on a sample of users."""
    wanted = shape.interactions / shape.users
    n_users = min(shape.users, SAMPLE_OF_USERS)
    draws = wanted
    for _ in range(8):
        random = np.random.default_rng([shape.seed, 2**31])
        found = _distinct_pairs(random, n_users, draws, popularity(shape.items)).size / n_users
        draws *= wanted / found
    return float(draws)


def popularity(items: int) -> Floats:
    """Share of the draws that fall on each item or one before it."""
    weights = (np.arange(items) + 1.0 + POPULARITY_SHIFT) ** -POPULARITY_EXPONENT
    cumulated = np.cumsum(weights)
    return cumulated / cumulated[-1]


def _distinct_pairs(
    random: np.random.Generator, n_users: int, draws: float, cumulated: Floats
) -> Integers:
    """user * items + item of each pair that is drawn, once, rising."""
    activity = random.lognormal(-(ACTIVITY_SIGMA**2) / 2, ACTIVITY_SIGMA, n_users)  # mean 1
    users = np.repeat(np.arange(n_users), random.poisson(draws * activity))
    items = np.searchsorted(cumulated, random.random(users.size), side="right")
    return np.unique(users * cumulated.size + np.minimum(items, cumulated.size - 1))
