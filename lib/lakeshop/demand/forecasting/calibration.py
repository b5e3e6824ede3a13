"""Calibrated quantiles: the share of past days below them equals their level.

Distributional conformal prediction (Chernozhukov, Wuethrich & Zhu 2021). Let G(u) be the frequency
of past days at probability u or less: the calibrated quantile of level t is the forecast's quantile
of level G^-1(t). A count covers an interval of probabilities. A day is spread evenly over it
instead of being drawn at random (the nonrandomised histogram of Czado, Gneiting & Held 2009). The
share of days below the quantile is then at most t, the share up to it at least t.

Histograms are whole millionths of days, so that the order of summation does not matter. Bins are
narrow at both ends, where quantiles of 0.99 are read.
"""

import numpy as np

from lakeshop.ml.arrays import Floats, Integers
from lakeshop.ml.numeric import compiled

BINS = 200
EDGES: Floats = np.sin(np.pi / 2 * np.arange(BINS + 1) / BINS) ** 2
MILLIONTHS = 1_000_000
PRIOR_DAYS = 100.0  # days on which the forecast is taken to be right
MIN_LEVEL = 1e-6  # a level's distance from 0 and 1
BANDS = 4


def week_band(horizon: Integers) -> Integers:
    """Week of days of the horizon, counted from 1: bands 0 to 3; later weeks fall into the last."""
    band: Integers = np.minimum((horizon - 1) // 7, BANDS - 1)
    return band


def histograms(
    low: Floats, high: Floats, weight: Floats, group: Integers, n_groups: int
) -> Integers:
    """Millionths of days by group and bin of probability, int64[n_groups, BINS].

    Args:
        low: forecast probability of fewer units than were sold, of each day.
        high: forecast probability of at most these units.
        weight: weight of each day; 0 for stock-out days.
        group: from 0, below n_groups.
        n_groups: number of groups.
    """
    counts = np.zeros((n_groups, BINS), np.int64)
    is_known = np.isfinite(low) & np.isfinite(high) & (weight > 0)
    mass = np.rint(weight[is_known] * MILLIONTHS).astype(np.int64)
    ends = np.clip(low[is_known], 0, 1), np.clip(high[is_known], 0, 1)
    _spread(*ends, mass, group[is_known], EDGES, counts)
    return counts


def level_map(
    histogram: Integers, levels: Floats, *, days: float | None = None, prior: Floats | None = None
) -> Floats:
    """Nominal levels of the forecast's quantiles that make them hold at these levels.

    A level is moved outwards by one of the counted days, at most half way: the correction of
    conformal prediction for a finite sample. With few days the prior dominates.

    Args:
        histogram: int64[BINS].
        levels: float64[Q], above 0 and below 1.
        days: effective number of days; fewer than counted where days of a series are dependent.
        prior: share of days in each bin, float64[BINS]; by default as the forecast expects.

    Returns:
        float64[Q] above 0 and below 1, ascending where the levels are.
    """
    n = histogram.sum() / MILLIONTHS if days is None else days
    below = np.append(0.0, np.cumsum(shares(histogram, days=days, prior=prior)))
    step = n / (n + PRIOR_DAYS) ** 2  # one of n days, as far as they are believed
    upper = np.minimum(levels + levels * step, (1 + levels) / 2)
    lower = np.maximum(levels - (1 - levels) * step, levels / 2)
    outer = np.where(levels >= 0.5, upper, lower)
    found = np.interp(outer, below / below[-1], EDGES)
    moved: Floats = np.clip(found, MIN_LEVEL, 1 - MIN_LEVEL)
    return moved


def shares(
    histogram: Integers, *, days: float | None = None, prior: Floats | None = None
) -> Floats:
    """Share of days in each bin, mixed with the prior's; above 0 in all, in sum 1."""
    total = int(histogram.sum())
    n = total / MILLIONTHS if days is None else days
    own: Floats = histogram / max(total, 1) * (n if total else 0.0)
    expected = np.diff(EDGES) if prior is None else prior
    mixed: Floats = own + PRIOR_DAYS * expected
    mixed /= mixed.sum()
    return mixed


def calibrated_levels(counts: Integers, levels: Floats, days: Floats | None = None) -> Floats:
    """Nominal levels of each class and band of weeks, float64[C, BANDS, Q].

    A band of few days is mixed with its class, a class of few days with the uncalibrated forecast.

    Args:
        counts: histograms of each class and band, int64[C, BANDS, BINS].
        levels: float64[Q].
        days: independent days of each, float64[C, BANDS]; by default all.
    """
    n_classes, n_bands, _ = counts.shape
    n = counts.sum(axis=2) / MILLIONTHS if days is None else days
    found = np.empty((n_classes, n_bands, levels.size))
    for c in range(n_classes):
        of_class = shares(counts[c].sum(axis=0), days=float(n[c].sum()))
        for band in range(n_bands):
            found[c, band] = level_map(
                counts[c, band], levels, days=float(n[c, band]), prior=of_class
            )
    return found


@compiled
def _spread(
    low: Floats, high: Floats, mass: Integers, group: Integers, edges: Floats, counts: Integers
) -> None:
    """Add each day's mass to the bins between its two probabilities, evenly and without rest."""
    for i in range(low.size):
        start, end = low[i], max(high[i], low[i])
        b = min(max(np.searchsorted(edges, start, side="right") - 1, 0), edges.size - 2)
        done = np.int64(0)
        while True:
            is_last = b == edges.size - 2 or edges[b + 1] >= end
            share = 1.0 if is_last else (edges[b + 1] - start) / (end - start)
            until = mass[i] if is_last else np.int64(mass[i] * share)
            counts[group[i], b] += until - done
            done = until
            if is_last:
                break
            b += 1
