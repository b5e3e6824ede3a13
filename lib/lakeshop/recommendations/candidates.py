"""Candidates of a batch of users: products that a list might show, each with its sources.

What a user bought; neighbours of what they bought or looked at, by every measure; popular and
trending products of their preferred departments, and new arrivals of these; the best sellers; a
few explored ones. Bounded per user and source. No Spark here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from scipy import sparse

from lakeshop.ml.arrays import Bools, Floats, Integers
from lakeshop.ml.hashing import draws_of
from lakeshop.recommendations.histories import Pairs, Users
from lakeshop.recommendations.scoring import NOTHING_SPEAKS
from lakeshop.recommendations.settings import NewTerms, RecommendationSettings
from lakeshop.recommendations.shelf import NEW_DAYS, Shelf, trend_of
from lakeshop.similarity.linear import largest

BOUGHT, LOOKED_AT, POPULAR, TRENDING, ARRIVED, BEST_SELLER, EXPLORED, RULE = (
    "bought", "looked_at", "popular", "trending", "new_arrival", "best_seller", "explored", "rule",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Candidates:
    """Users and products, by user and then by product, each pair once.

    Attributes:
        user: place of the user in the batch, int64[n].
        product: number of the product, int64[n].
        sources: bits of the sources, in the order of `names`, int64[n].
        names: of the sources.
        sums: by measure what the user's products say of each target, float64[users, targets].
        looked_at: the same of what they looked at, by the first measure.
        propensity: probability with which an explored product was drawn, by user.
    """

    user: Integers
    product: Integers
    sources: Integers
    names: tuple[str, ...]
    sums: dict[str, Floats] = field(repr=False)
    looked_at: Floats = field(repr=False)
    propensity: Floats = field(repr=False)

    def is_of(self, source: str) -> Integers:
        """1 for the candidates of a source, else 0."""
        return self.sources >> self.names.index(source) & 1


@dataclass(frozen=True, eq=False)
class Always:
    """Numbers of products that the shop always shows: to all, and to those who bought them."""

    to_all: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    to_buyers: Integers = field(default_factory=lambda: np.empty(0, np.int64))


def source_names(measures: Iterable[str], main: str) -> tuple[str, ...]:
    """Names of all sources, in the order of their bits."""
    of_looked_at = f"{LOOKED_AT}_{main}"
    others = (POPULAR, TRENDING, ARRIVED, BEST_SELLER, EXPLORED, RULE)
    return (BOUGHT, LOOKED_AT, *measures, of_looked_at, *others)


def candidates(
    users: Users,
    shelf: Shelf,
    options: RecommendationSettings,
    day: date,
    always: Always | None = None,
) -> Candidates:
    """The candidates of each user; products that are not on offer are none.

    Args:
        users: a batch of them.
        shelf: the products.
        options: bounds and the main measure.
        day: seeds what is explored.
        always: products that are candidates whatever speaks for them.
    """
    bounds, main, size = options.candidates, options.new_measure, shelf.size
    sums = {
        measure: _sums(users, users.bought, _weights(users.bought, measure), matrix)
        for measure, matrix in shelf.weights.items()
    }
    ones = np.ones(users.acted.user.size)
    looked_at = _sums(users, users.acted, ones, shelf.weights[main])
    again, acted = (
        pairs.where(shelf.is_offered[pairs.product]) for pairs in (users.bought, users.acted)
    )
    found = {
        BOUGHT: _most(again, again.values["habit"], bounds.again, size),
        LOOKED_AT: _most(acted, -acted.values["days_since_action"], bounds.per_source, size),
        **_neighbours(sums | {f"{LOOKED_AT}_{main}": looked_at}, shelf, options),
        **dict(_of_departments(users, shelf, bounds.per_department)),
        BEST_SELLER: _of_all(_best_sellers(shelf, options), users, shelf),
        EXPLORED: np.empty(0, np.int64),
        RULE: _always(always or Always(), users, shelf),
    }
    taken = np.unique(np.concatenate(list(found.values())))
    # Each place that explores gets one, so that what is drawn is what is shown.
    explored = int(options.explore.share * options.list_length + 0.5) or bounds.drawn
    found[EXPLORED], propensity = _explored(users, shelf, taken, explored, day)
    keys, sources = _merged(found, users.bought, size)
    names = source_names(sums, main)
    assert names == tuple(found), "each source has its bit"
    return Candidates(keys // size, keys % size, sources, names, sums, looked_at, propensity)


def _neighbours(
    sums: dict[str, Floats], shelf: Shelf, options: RecommendationSettings
) -> dict[str, Integers]:
    """Keys of the targets that each measure speaks most for, with their popularity."""
    popularity, found = popularity_of(shelf, options.new)[shelf.targets], {}
    for measure, total in sums.items():
        is_main = measure == options.new_measure
        k = options.candidates.main if is_main else options.candidates.per_source
        likely = popularity + options.new.similarity * np.log(np.maximum(total, 0) + NOTHING_SPEAKS)
        found[measure] = _best(np.where(total > 0, likely, -np.inf), k, shelf)
    return found


def _merged(found: dict[str, Integers], bought: Pairs, size: int) -> tuple[Integers, Integers]:
    """Keys of all sources, each once and in order, and the bits of their sources."""
    keys = np.unique(np.concatenate(list(found.values())))
    sources = np.zeros(keys.size, np.int64)
    for bit, pairs in enumerate(found.values()):
        sources[np.searchsorted(keys, np.unique(pairs))] |= 1 << bit
    kept = _not_brought_back(keys, bought, size)
    return keys[kept], sources[kept]


def popularity_of(shelf: Shelf, terms: NewTerms) -> Floats:
    """The part of each product's log-odds that is the same for all users, by the prior terms."""
    p = shelf.figures
    popularity: Floats = (
        terms.popularity * np.log1p(p["purchase_days_28"])
        + terms.trend * trend_of(p, 3)
        + terms.mailer * np.log1p(p["mailer_stores"])
    )
    return popularity


def _weights(bought: Pairs, measure: str) -> Floats:
    """Weight of each product bought: by the linear model as it was learned, else by recency."""
    is_kept = bought.values["purchase_days"] > 0
    recent = bought.values["recent"]
    weight = np.ones(recent.size) if measure.endswith("linear") else recent / (recent + 0.5)
    return np.where(is_kept, weight, 0.0)


def _sums(users: Users, pairs: Pairs, weights: Floats, matrix: sparse.csr_matrix) -> Floats:
    shape = (users.size, matrix.shape[0])
    own = sparse.csr_matrix((weights, (pairs.user, pairs.product)), shape=shape)
    own.sort_indices()
    return np.asarray((own @ matrix).todense())


def _best(likely: Floats, k: int, shelf: Shelf) -> Integers:
    """Keys of each user's `k` likeliest targets that anything speaks for."""
    best = largest(likely.astype(np.float32), k)
    user, place = np.nonzero(np.isfinite(np.take_along_axis(likely, best, axis=1)))
    return user.astype(np.int64) * shelf.size + shelf.targets[best[user, place]]


def _most(pairs: Pairs, value: Floats, k: int, size: int) -> Integers:
    """Keys of each user's `k` pairs of the largest value; ties go to the smaller product."""
    order = np.lexsort((pairs.product, -value, pairs.user))
    user = pairs.user[order]
    rank = np.arange(user.size) - np.searchsorted(user, user)
    chosen = order[rank < k]
    return pairs.user[chosen] * size + pairs.product[chosen]


def _of_departments(users: Users, shelf: Shelf, k: int) -> Iterator[tuple[str, Integers]]:
    """Keys of the `k` first products of each user's departments, by source."""
    p, size = shelf.figures, shelf.size
    is_new = p["age_days"] < NEW_DAYS
    orders = {
        POPULAR: (p["purchase_days_28"], p["purchase_days_28"] > 0),
        TRENDING: (trend_of(p, 3) + np.log1p(p["purchase_days_14"]), p["purchase_days_3"] > 0),
        ARRIVED: (p["purchase_days_28"], is_new),
    }
    for source, (value, is_one) in orders.items():
        first = _first_of(shelf, value, is_one, k)
        chosen = first[users.departments].reshape(users.size, -1)
        user, place = np.nonzero(chosen >= 0)
        yield source, user.astype(np.int64) * size + chosen[user, place]


def _first_of(shelf: Shelf, value: Floats, is_one: Bools, k: int) -> Integers:
    """Numbers of the first `k` products of each department, -1 where there are fewer."""
    chosen = np.flatnonzero(shelf.is_offered & is_one & (shelf.department > 0))
    order = chosen[np.lexsort((chosen, -value[chosen], shelf.department[chosen]))]
    department = shelf.department[order]
    rank = np.arange(order.size) - np.searchsorted(department, department)
    first = np.full((len(shelf.departments), k), -1, np.int64)
    first[department[rank < k], rank[rank < k]] = order[rank < k]
    return first


def _best_sellers(shelf: Shelf, options: RecommendationSettings) -> Integers:
    """Numbers of the most popular products on offer: they fill the list of anybody."""
    value, chosen = popularity_of(shelf, options.new), np.flatnonzero(shelf.is_offered)
    return chosen[np.lexsort((chosen, -value[chosen]))][: 2 * options.list_length]


def _of_all(products: Integers, users: Users, shelf: Shelf) -> Integers:
    """Keys of the same products for each user."""
    return (np.arange(users.size)[:, None] * shelf.size + products[None, :]).ravel()


def _always(always: Always, users: Users, shelf: Shelf) -> Integers:
    own = users.bought.where(np.isin(users.bought.product, always.to_buyers))
    return np.concatenate(
        [_of_all(always.to_all, users, shelf), own.user * shelf.size + own.product]
    )


def _explored(
    users: Users, shelf: Shelf, taken: Integers, n: int, day: date
) -> tuple[Integers, Floats]:
    """Keys of `n` products on offer that nothing speaks for, drawn by user and day.

    Args:
        users: of the batch.
        shelf: the products.
        taken: keys of what other sources propose, ascending.
        n: how many; fewer where there are fewer.
        day: of the night.
    """
    offered = np.flatnonzero(shelf.is_offered)
    drawn, propensity = [np.empty(0, np.int64)], np.zeros(users.size)
    starts = np.searchsorted(users.bought.user, np.arange(users.size + 1))
    for place, user in enumerate(users.ids.to_pylist() if n else []):
        own = users.bought.product[starts[place] : starts[place + 1]]
        first, last = np.searchsorted(taken, (place * shelf.size, (place + 1) * shelf.size))
        others = np.union1d(own, taken[first:last] - place * shelf.size)
        open_ones = offered[~np.isin(offered, others, assume_unique=True)]
        chosen = draws_of(f"{day} {user}").choice(open_ones, min(n, open_ones.size), replace=False)
        drawn.append(place * shelf.size + np.sort(chosen))
        propensity[place] = chosen.size / max(open_ones.size, 1)
    return np.concatenate(drawn), propensity


def _not_brought_back(keys: Integers, bought: Pairs, size: int) -> Bools:
    """Mask of the keys of products that the user did not bring back altogether."""
    gone = bought.where(bought.values["purchase_days"] == 0)
    return ~np.isin(keys, gone.user * size + gone.product, assume_unique=True)
