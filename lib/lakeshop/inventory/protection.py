"""Distribution of demand over the days that an order must cover.

A safety stock of sigma times the root of the lead time assumes independent days and fixed lead
times. Here the sum over a number of days is a negative binomial with the mean and variance of that
sum. The variance includes the error of the forecast's level: all days share it, and it grows with
the days, not with their root. Lead times are random: demand until the replacement of an order is a
mixture of these sums over lead times.

Distributions are tables of probabilities by count, built by the ratio of adjacent counts from the
mode on: without gamma functions, and without a special case for Poisson. Tables of more than
MOST_COUNTS counts are in steps of several.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lakeshop.inventory.demand import Demand, Interval, check
from lakeshop.ml.arrays import Floats, Integers
from lakeshop.ml.numeric import compiled

WEEK = 7
MOST_COUNTS = 2**20
MOST_DEVIATIONS = 5.0  # of a lead time, beyond which it is not expected
RELATIVE_CUTOFF = 1e-18  # probability, relative to the likeliest count, at which a table ends
SLACK = 1e-12  # of sums of probabilities


class DemandSummary(NamedTuple):
    """Of each series: mean, quantiles [n, k]; P(D > x) and E[(D - x)+] of points x [n, m]."""

    mean: Floats
    quantiles: Floats
    above: Floats
    shortage: Floats


def summarize_demand(
    demand: Demand,
    interval: Interval,
    *,
    levels: ArrayLike | None = None,
    points: ArrayLike | None = None,
) -> DemandSummary:
    """Quantiles at levels and shortages at points of demand over an interval.

    Args:
        demand: n series.
        interval: of each series.
        levels: [n] or [n, k], from 0 to 1; a quantile is the smallest count that is not exceeded
            with at least this probability.
        points: [n] or [n, m], units at hand.

    Raises:
        ValueError: numbers that no demand can have, or of other shapes.
    """
    n = len(demand)
    queries = [
        np.zeros((n, 0)) if given is None else np.asarray(given, np.float64).reshape(n, -1)
        for given in (levels, points)
    ]
    check(demand, interval)
    summaries = _summarize_each(
        (demand.mean, demand.dispersion, demand.level_variance),
        (interval.lead_time, interval.deviation, interval.days),
        interval.is_after_arrival,
        queries[0],
        queries[1],
    )
    return DemandSummary(*summaries)


def cdf(demand: Demand, interval: Interval, counts: ArrayLike) -> Floats:
    """P(D <= count) of each series, float64[n, k], for counts [k]."""
    grid = np.broadcast_to(np.asarray(counts, np.float64), (len(demand), np.size(counts)))
    found: Floats = 1 - summarize_demand(demand, interval, points=grid.copy()).above
    return found


@compiled
def _summarize_each(
    demand: tuple[Floats, Floats, Floats],
    interval: tuple[Floats, Floats, Integers],
    is_after: bool,
    levels: Floats,
    points: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:
    (means, dispersions, shocks), (lead, deviation, days) = demand, interval
    n = means.shape[0]
    total, quantiles = np.zeros(n), np.zeros(levels.shape)
    above, shortage = np.zeros(points.shape), np.zeros(points.shape)
    for i in range(n):
        first, weights = lead_weights(lead[i], deviation[i])
        sums = _sums(means[i], dispersions[i], first + weights.size + days[i])
        moments = np.zeros((weights.size, 2))
        for k in range(weights.size):
            end, begin = first + k + days[i], (first + k if is_after else 0)
            mean = sums[0, end] - sums[0, begin]
            moments[k, 0] = mean
            moments[k, 1] = sums[1, end] - sums[1, begin] + shocks[i] * mean * mean
            total[i] += weights[k] * mean
        table, step = _mixture(moments, weights)
        for k in range(levels.shape[1]):
            quantiles[i, k] = _quantile(table, levels[i, k]) * step
        for k in range(points.shape[1]):
            above[i, k], shortage[i, k] = _beyond(table, step, points[i, k])
    return total, quantiles, above, shortage


@compiled
def lead_weights(mean: float, deviation: float) -> tuple[int, Floats]:
    """Shortest lead time in days, and the probabilities of it and of longer ones."""
    if deviation <= 0:
        return math.floor(mean + 0.5), np.ones(1)
    first = max(0, math.floor(mean - MOST_DEVIATIONS * deviation + 0.5))
    last = math.floor(mean + MOST_DEVIATIONS * deviation + 0.5)
    weights = np.zeros(last - first + 1)
    for k in range(weights.size):
        upper = (first + k + 0.5 - mean) / deviation
        lower = (max(first + k - 0.5, 0.0) - mean) / deviation
        weights[k] = (math.erf(upper / math.sqrt(2.0)) - math.erf(lower / math.sqrt(2.0))) / 2
    return first, weights / weights.sum()


@compiled
def _sums(mean: Floats, dispersion: Floats, days: int) -> Floats:
    """Means and variances summed over the first days, [2, days + 1]; the last week repeats."""
    horizon = mean.size
    week = min(WEEK, horizon)
    sums = np.zeros((2, days + 1))
    for day in range(days):
        place = day if day < horizon else horizon - week + (day - horizon) % week
        m = mean[place]
        sums[0, day + 1] = sums[0, day] + m
        sums[1, day + 1] = sums[1, day] + m + dispersion[place] * m * m
    return sums


@compiled
def _mixture(moments: Floats, weights: Floats) -> tuple[Floats, int]:
    """Probabilities of counts 0, 1, ... times a step, and the step."""
    top = 0.0
    for k in range(weights.size):
        mean, variance = moments[k, 0], max(moments[k, 0], moments[k, 1])
        if mean > 0:
            # Beyond the bulk a negative binomial falls by the factor e every variance / mean.
            top = max(top, mean + 10 * math.sqrt(variance) + 40 * variance / mean + 20)
    step = max(1, math.ceil(top / MOST_COUNTS))
    table = np.zeros(int(top / step) + 2)
    for k in range(weights.size):
        mean, variance = moments[k, 0] / step, moments[k, 1] / (step * step)
        _add(table, mean, max(mean, variance), weights[k])
    return table, step


@compiled
def _add(table: Floats, mean: float, variance: float, weight: float) -> None:
    """Add a negative binomial distribution, or a Poisson where the variance is the mean.

    p(k + 1) / p(k) = (k (1 - m / v) + m^2 / v) / (k + 1).
    """
    if mean <= 0:
        table[0] += weight
        return
    more, rate = 1 - mean / variance, mean * mean / variance
    mode = min(max(0, int(mean - variance / mean)), table.size - 1)
    first, last, p, total = mode, mode, 1.0, 1.0
    while first > 0 and p > RELATIVE_CUTOFF:
        p *= first / ((first - 1) * more + rate)
        first, total = first - 1, total + p
    p = 1.0
    while last < table.size - 1 and p > RELATIVE_CUTOFF:
        p *= (last * more + rate) / (last + 1)
        last, total = last + 1, total + p
    p = weight / total
    table[mode] += p
    for k in range(mode, first, -1):
        p *= k / ((k - 1) * more + rate)
        table[k - 1] += p
    p = weight / total
    for k in range(mode, last):
        p *= (k * more + rate) / (k + 1)
        table[k + 1] += p


@compiled
def _quantile(table: Floats, level: float) -> int:
    running = 0.0
    for k in range(table.size):
        running += table[k]
        if running >= level - SLACK:
            return k
    return table.size - 1


@compiled
def _beyond(table: Floats, step: int, point: float) -> tuple[float, float]:
    """P(D > point) and E[(D - point)+]."""
    above, shortage = 0.0, 0.0
    for k in range(table.size - 1, -1, -1):
        if k * step <= point:
            break
        above += table[k]
        shortage += table[k] * (k * step - point)
    return min(above, 1.0), shortage
