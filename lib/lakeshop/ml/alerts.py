"""Quality of alerts that people review: the riskiest customers of a day, and whom they hit.

Pure NumPy, independent of the order of rows.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lakeshop.ml.arrays import Bools, Floats, Integers
from lakeshop.ml.classification import check_scores

# Order of a day's customers, the riskiest first: column, ascending. `risk` is the largest of the
# customer's lines; text ascends by code points. Ranks in SQL sort by the same columns.
RISKIEST_FIRST = (("risk", False), ("customer", True))


class CustomerDays(NamedTuple):
    """Customers with a score of each day: day from 0, rank of the day from 1.

    `of_line` is the place of each line's customer and day.
    """

    days: Integers
    rank: Integers
    of_line: Integers


class TopCustomers(NamedTuple):
    """Precision among the k riskiest customers a day, its reachable maximum, and their ratio.

    `daily` and `daily_reachable` are those of each day, in the days' order. All NaN without days;
    `share` is NaN without any fraud.
    """

    precision: float
    reachable: float
    share: float
    daily: Floats
    daily_reachable: Floats


class FalsePositiveRates(NamedTuple):
    """False-positive rate of each group, and the smallest over the largest.

    The ratio is NaN where fewer than two groups have a rate, and where no group has any alert.
    """

    rates: Mapping[str, float]
    ratio: float


def precision_at(
    day: ArrayLike, customer: ArrayLike, target: ArrayLike, score: ArrayLike, k: int
) -> TopCustomers:
    """Share of frauds among the k riskiest customers of a day, averaged over days.

    The card precision of the Fraud Detection Handbook (Le Borgne et al. 2022): customers rank by
    the largest score of their lines of the day, ties by id. A customer is a hit if any of their
    lines of the day is fraud. The divisor is k even on a day with fewer customers. So perfect
    scores reach no more than min(k, frauds) / k.

    Args:
        day: of each line.
        customer: id of each line's customer, text.
        target: 1 or 0 of each line.
        score: of each line; lines without score or target are left out.
        k: customers a day.

    Raises:
        ValueError: k below 1.
    """
    if k < 1:
        msg = f"k should be at least 1. Received {k}. Change the configuration."
        raise ValueError(msg)
    check_scores(target, score)
    is_one, scores = np.asarray(target, np.float64), np.asarray(score, np.float64)
    has_both = ~np.isnan(is_one) & ~np.isnan(scores)
    found = customer_days(
        np.asarray(day)[has_both], np.asarray(customer)[has_both], scores[has_both]
    )
    if not found.days.size:
        unknown = float("nan")
        return TopCustomers(unknown, unknown, unknown, np.empty(0), np.empty(0))
    is_hit = np.bincount(found.of_line, weights=is_one[has_both]) > 0
    hits = np.bincount(found.days, weights=is_hit & (found.rank <= k)).astype(np.float64)
    frauds = np.minimum(np.bincount(found.days, weights=is_hit), k)
    share = float(hits.sum() / frauds.sum()) if frauds.any() else float("nan")
    return TopCustomers(hits.mean() / k, frauds.mean() / k, share, hits / k, frauds / k)


def among_riskiest(day: ArrayLike, customer: ArrayLike, score: ArrayLike, k: int) -> Bools:
    """True for scored lines whose customer is among the k riskiest of the day.

    Args:
        day: of each line.
        customer: id of each line's customer, text.
        score: of each line; NaN is no score.
        k: customers a day.
    """
    scores = np.asarray(score, np.float64)
    has_score = ~np.isnan(scores)
    found = customer_days(
        np.asarray(day)[has_score], np.asarray(customer)[has_score], scores[has_score]
    )
    is_among = np.zeros(scores.size, np.bool_)
    is_among[has_score] = found.rank[found.of_line] <= k
    return is_among


def customer_days(day: ArrayLike, customer: ArrayLike, score: Floats) -> CustomerDays:
    """Rank of each customer of each day in the order of `RISKIEST_FIRST`.

    Args:
        day: of each line.
        customer: id of each line's customer, text.
        score: of each line, never NaN.
    """
    _, days = np.unique(np.asarray(day), return_inverse=True)
    names, customers = np.unique(np.asarray(customer).astype(str), return_inverse=True)
    pairs, of_line = np.unique(days * max(1, len(names)) + customers, return_inverse=True)
    day_of, customer_of = np.divmod(pairs, max(1, len(names)))
    risk = np.full(len(pairs), -np.inf)
    np.maximum.at(risk, of_line, score)
    columns = {"risk": risk, "customer": customer_of}
    keys = [columns[name] if ascending else -columns[name] for name, ascending in RISKIEST_FIRST]
    order = np.lexsort((*keys[::-1], day_of))
    rank = np.empty(len(pairs), np.int64)
    rank[order] = np.arange(len(pairs)) - np.searchsorted(day_of, day_of[order]) + 1
    return CustomerDays(day_of, rank, of_line)


def false_positive_rates(
    group: ArrayLike, target: ArrayLike, is_alert: ArrayLike, *, least: int = 1
) -> FalsePositiveRates:
    """Share of genuine rows that were alerted in each group, and its evenness (BAF: min / max).

    Args:
        group: name of each row's group; rows without one count for none.
        target: 1 or 0 of each row.
        is_alert: of each row.
        least: groups with fewer genuine rows are left out: their rate is chance.
    """
    names = np.asarray(group, dtype=object)
    is_genuine = np.asarray(target, dtype=np.float64) == 0
    has_name = np.array([isinstance(name, str) for name in names], dtype=bool)
    alerted = np.asarray(is_alert, dtype=bool)
    rates = {}
    for name in sorted(set(names[has_name])):
        is_in = has_name & is_genuine & (names == name)
        if is_in.sum() >= max(1, least):
            rates[str(name)] = float(alerted[is_in].mean())
    largest = max(rates.values(), default=0.0)
    has_ratio = len(rates) > 1 and largest > 0
    return FalsePositiveRates(rates, min(rates.values()) / largest if has_ratio else float("nan"))
