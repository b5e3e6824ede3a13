"""Metrics of ranked lists: accuracy per user, coverage, exposure, novelty, a paired interval.

A list holds the products recommended to one user, best first, without repeats. Relevant products
are the ones the user then bought; relevance is binary. Every accuracy metric is between 0 and 1. A
user without relevant products has no accuracy: the functions raise instead of counting 0 or 1.
Metrics per user come first, because methods are compared by paired differences per user.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Two-sided 95 % point of the normal distribution.
NORMAL_95 = 1.959963984540054
MIN_USERS = 2


class Interval(NamedTuple):
    """Mean over n users with its 95 % interval low..high."""

    mean: float
    low: float
    high: float
    n: int


def precision_at(recommended: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Relevant products among the first k, divided by k.

    The divisor is k even if fewer were recommended: an empty place has no benefit.

    Raises:
        ValueError: k below 1, no relevant product, or a product recommended twice.
    """
    return len(_hit_ranks(recommended, relevant, k)) / k


def recall_at(recommended: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant products found among the first k.

    Raises:
        ValueError: k below 1, no relevant product, or a product recommended twice.
    """
    return len(_hit_ranks(recommended, relevant, k)) / len(set(relevant))


def hit_at(recommended: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1.0 if any of the first k is relevant, else 0.0.

    Raises:
        ValueError: k below 1, no relevant product, or a product recommended twice.
    """
    return float(bool(_hit_ranks(recommended, relevant, k)))


def ndcg_at(recommended: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Discounted gain of the first k over that of the best possible list.

    Each relevant product gains 1 / log2(rank + 1), ranks from 1. The best list has relevant
    products at its first min(k, number of relevant) ranks (Jarvelin and Kekalainen 2002).

    Raises:
        ValueError: k below 1, no relevant product, or a product recommended twice.
    """
    gain = _discounted_gain(_hit_ranks(recommended, relevant, k))
    return gain / _discounted_gain(range(1, min(k, len(set(relevant))) + 1))


def coverage(recommended_products: Iterable[Collection[str]], catalogue_size: int) -> float:
    """Share of a catalogue of catalogue_size products that appears in any of the lists.

    Raises:
        ValueError: catalogue_size below 1 or below the number of distinct products recommended,
            or products given one by one instead of in lists.
    """
    distinct: set[str] = set()
    for products in recommended_products:
        if isinstance(products, str):
            message = (
                "recommended_products should hold one list of products per user. "
                f"Received the text {products!r} in place of a list. Wrap the products in a list."
            )
            raise ValueError(message)
        distinct.update(products)
    if catalogue_size < max(1, len(distinct)):
        message = (
            "catalogue_size should be at least 1 and the number of distinct products recommended. "
            f"Received {catalogue_size} and {len(distinct)} distinct products. "
            "Count the catalogue from which the lists were made."
        )
        raise ValueError(message)
    return len(distinct) / catalogue_size


def gini(exposures: ArrayLike, catalogue_size: int) -> float:
    """Gini index of how often products are shown: 0 if all equally often, 1 if one alone.

    Of a catalogue of n products, with exposures x_1 <= ... <= x_n, the index is
    sum((2 i - n - 1) x_i) / ((n - 1) sum(x)) (Shani and Gunawardana 2011). Of one product it is 0.
    Sums are of integers, so the order of products does not matter.

    Args:
        exposures: in how many lists each product stands; those in no list may be left out.
        catalogue_size: n, with the products in no list.

    Raises:
        ValueError: an exposure is no whole number or negative, none is above 0, or there are more
            than catalogue_size.
    """
    times = np.asarray(exposures)
    _check_exposures(times)
    if catalogue_size < times.size:
        message = (
            "catalogue_size should be at least the number of exposures. "
            f"Received {catalogue_size} and {times.size} exposures. "
            "Count the catalogue from which the lists were made."
        )
        raise ValueError(message)
    if catalogue_size == 1:
        return 0.0
    # Those that are left out are the least: the places of the others are the last.
    place = np.arange(catalogue_size - times.size, catalogue_size) + 1
    weighted = int(np.sum((2 * place - catalogue_size - 1) * np.sort(times.astype(np.int64))))
    return weighted / ((catalogue_size - 1) * int(times.sum()))


def novelty(recommended: Sequence[str], popularity: Mapping[str, int], *, users: int) -> float:
    """Mean self-information of one list, in bits: the mean of -log2(p) over its products.

    p is the share of all users who bought the product, popularity[product] / users (Zhou et al.
    2010; Vargas and Castells 2011). A product without buyers counts as bought by half a user. The
    metric of a table is the mean over its lists.

    Raises:
        ValueError: users below 1, an empty list, a product recommended twice, or a popularity
            outside 0..users.
    """
    _check_distinct(recommended)
    if users < 1 or not recommended:
        message = (
            "users should be at least 1 and recommended not empty. "
            f"Received users {users} and {len(recommended)} products. Leave such lists out."
        )
        raise ValueError(message)
    buyers = [popularity.get(product, 0) for product in recommended]
    if min(buyers) < 0 or max(buyers) > users:
        message = (
            f"popularity should count buyers between 0 and users = {users}. "
            f"Received {min(buyers)} to {max(buyers)}. Count each user once per product."
        )
        raise ValueError(message)
    return math.fsum(math.log2(users / (count or 0.5)) for count in buyers) / len(buyers)


def paired_interval(differences_per_user: ArrayLike, users: ArrayLike) -> Interval:
    """Mean difference of two methods over users, with its normal 95 % interval.

    Row i is one difference (method a minus method b) of user users[i]; both have shape (rows,).
    Rows of one user are not independent: users are the clusters. With d_u the mean of user u's rows
    and n users, mean = sum(d_u) / n and s^2 = sum((d_u - mean)^2) / (n - 1). The interval is mean
    -+ 1.96 s / sqrt(n). The order of the rows does not matter, to the last bit.

    Raises:
        ValueError: Shapes differ, a difference is not finite, or fewer than 2 users.
    """
    differences = np.asarray(differences_per_user, dtype=np.float64)
    names = np.asarray(users)
    _check_rows(differences, names)
    distinct, user = np.unique(names, return_inverse=True)
    n = distinct.size
    if n < MIN_USERS:
        message = (
            f"users should hold at least {MIN_USERS} different users. Received {n}. "
            "Compare the methods on more users."
        )
        raise ValueError(message)
    # Sums of doubles depend on their order, so the order is fixed before adding.
    order = np.lexsort((differences, user))
    sums = np.bincount(user[order], weights=differences[order], minlength=n)
    means = sums / np.bincount(user, minlength=n)
    mean = float(means.mean())
    half = NORMAL_95 * float(means.std(ddof=1)) / math.sqrt(n)
    return Interval(mean=mean, low=mean - half, high=mean + half, n=n)


def _check_distinct(recommended: Sequence[str]) -> None:
    if len(set(recommended)) < len(recommended):
        repeated = min(product for product in recommended if recommended.count(product) > 1)
        message = (
            "recommended should name each product once. "
            f"Received {repeated!r} {recommended.count(repeated)} times. Drop the repeats."
        )
        raise ValueError(message)


def _check_exposures(times: NDArray[np.int64]) -> None:
    is_count = times.ndim == 1 and np.issubdtype(times.dtype, np.integer)
    if not is_count or not times.any() or times.min() < 0:
        message = (
            "exposures should be whole numbers from 0, one of them above 0. "
            f"Received {times.ravel()[:3].tolist()}. Count the lists that each product stands in."
        )
        raise ValueError(message)


def _hit_ranks(recommended: Sequence[str], relevant: Collection[str], k: int) -> list[int]:
    """Ranks, from 1, of the relevant products among the first k."""
    if k < 1:
        message = f"k should be at least 1. Received {k}. Ask for one place or more."
        raise ValueError(message)
    if not relevant:
        message = "relevant should not be empty. Received no product; leave such users out."
        raise ValueError(message)
    _check_distinct(recommended)
    wanted = set(relevant)
    return [rank for rank, product in enumerate(recommended[:k], start=1) if product in wanted]


def _discounted_gain(ranks: Iterable[int]) -> float:
    return math.fsum(1.0 / math.log2(rank + 1) for rank in ranks)


def _check_rows(differences: NDArray[np.float64], users: NDArray[np.generic]) -> None:
    if differences.ndim != 1 or differences.shape != users.shape:
        message = (
            "differences_per_user and users should be two columns of one length. "
            f"Received shapes {differences.shape} and {users.shape}. Give one user per difference."
        )
        raise ValueError(message)
    if not np.isfinite(differences).all():
        message = (
            "differences_per_user should be finite. "
            f"Received {int((~np.isfinite(differences)).sum())} values that are not. "
            "Leave out users whom a method could not be measured on."
        )
        raise ValueError(message)
