"""Distribution of a day's sales: negative binomial counts, gamma for fractional units.

Both have mean m and variance m + a m^2 with dispersion a; at a = 0 counts are Poisson. Counts are
summed from 0 by the recursion P(k+1) = P(k) (k a + 1) m / ((k + 1) (1 + a m)), which holds for
both. Above a mean of 500 counts come from the gamma distribution with the same mean and variance,
shifted by half a unit. The error is less than a unit, up to one in a thousand.

Functions take arrays [n, H] and keep their shape; undefined values are NaN.
"""

import numpy as np
from scipy import special

from lakeshop.ml.arrays import Bools, Floats
from lakeshop.ml.numeric import compiled

LARGE = 500.0  # mean; exp(-500) is still a number
ROUNDING = 1e-12  # loss of summation
NEGLIGIBLE = 1e-20
LEAST_SHAPE = 1e-12  # of a gamma distribution: below it all requested quantiles are 0


def quantiles(mean: Floats, dispersion: Floats, levels: Floats, is_fractional: Bools) -> Floats:
    """The least units that a day's sales do not exceed with each level's probability.

    Args:
        mean: float64[n, H], 0 or more.
        dispersion: float64[n, H]; below 0 counts as 0.
        levels: float64[n, H, Q], ascending, 0 or more and less than 1.
        is_fractional: bool[n], whether a series' units may be fractions.

    Returns:
        float64[n, H, Q], ascending, whole for counts; NaN without a finite mean and dispersion.

    Raises:
        ValueError: levels that are no such levels.
    """
    if not ((levels >= 0) & (levels < 1)).all() or (np.diff(levels, axis=2) < 0).any():
        msg = (
            "levels should ascend from 0 or more to less than 1. "
            f"Received {np.min(levels, initial=1)} to {np.max(levels, initial=0)}. Sort them."
        )
        raise ValueError(msg)
    spread = np.maximum(dispersion, 0.0)
    by_gamma = _by_gamma(mean, spread, is_fractional)
    found = _count_quantiles(np.where(by_gamma, np.nan, mean), spread, levels)
    rows, columns = np.nonzero(by_gamma)
    shape, scale = _gamma(mean[rows, columns], spread[rows, columns])
    requested = levels[rows, columns]
    continuous = special.gammaincinv(shape[:, None], requested) * scale[:, None]
    continuous = np.where(shape[:, None] < LEAST_SHAPE, 0.0, continuous)
    whole = np.maximum(np.ceil(continuous - 0.5), 0.0)
    found[rows, columns] = np.where(is_fractional[rows][:, None], continuous, whole)
    return found


def cdf(mean: Floats, dispersion: Floats, units: Floats, is_fractional: Bools) -> Floats:
    """The probability that a day sells no more than the units; all float64[n, H], bool[n]."""
    spread = np.maximum(dispersion, 0.0)
    by_gamma = _by_gamma(mean, spread, is_fractional)
    found = _count_cdf(np.where(by_gamma, np.nan, mean), spread, units)
    rows, columns = np.nonzero(by_gamma)
    shape, scale = _gamma(mean[rows, columns], spread[rows, columns])
    requested = units[rows, columns]
    requested = np.where(is_fractional[rows], requested, np.floor(requested) + 0.5)
    # No unit sold is certain not to be exceeded where nothing is expected.
    below = special.gammainc(shape, np.maximum(requested, 0.0) / scale)
    found[rows, columns] = np.where(requested < 0, 0.0, np.where(shape == 0, 1.0, below))
    return found


def probability_interval(
    mean: Floats, dispersion: Floats, units: Floats, is_fractional: Bools
) -> tuple[Floats, Floats]:
    """Of a day with these units sold: the probability of fewer, and of at most as many.

    The probability integral transform of counts is an interval (Czado, Gneiting & Held 2009); for
    fractions it is a point.
    """
    high = cdf(mean, dispersion, units, is_fractional)
    low = cdf(mean, dispersion, units - 1, is_fractional)
    return np.where(is_fractional[:, None], high, low), high


def _by_gamma(mean: Floats, dispersion: Floats, is_fractional: Bools) -> Bools:
    is_known = np.isfinite(mean) & np.isfinite(dispersion) & (mean >= 0)
    by_gamma: Bools = is_known & (is_fractional[:, None] | (mean > LARGE))
    return by_gamma


def _gamma(mean: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
    """Shape and scale of the gamma distribution with this mean and variance."""
    scale = 1 + dispersion * mean
    return mean / scale, scale


@compiled
def _of_none(m: float, a: float) -> float:
    """The probability of a count of 0."""
    return float(np.exp(-m if a * m < 1e-12 else -np.log1p(a * m) / a))


@compiled
def _step(m: float, a: float, k: float) -> float:
    """The probability of k + 1 by that of k."""
    return (k * a + 1) * m / ((k + 1) * (1 + a * m))


@compiled
def _count_quantiles(mean: Floats, dispersion: Floats, levels: Floats) -> Floats:
    """Of counts with means up to `LARGE`, NaN for others."""
    found = np.full(levels.shape, np.nan)
    for row in range(mean.shape[0]):
        for day in range(mean.shape[1]):
            m, a = mean[row, day], dispersion[row, day]
            if not (np.isfinite(m) and np.isfinite(a) and m >= 0):
                continue
            chance = _of_none(m, a)
            total, k = chance, 0.0
            for q in range(levels.shape[2]):
                while total < levels[row, day, q] - ROUNDING:
                    chance *= _step(m, a, k)
                    k += 1
                    total += chance
                    if k > m and chance < NEGLIGIBLE:
                        break
                found[row, day, q] = k
    return found


@compiled
def _count_cdf(mean: Floats, dispersion: Floats, units: Floats) -> Floats:
    """Of counts with means up to `LARGE`, NaN for others."""
    found = np.full(mean.shape, np.nan)
    for row in range(mean.shape[0]):
        for day in range(mean.shape[1]):
            m, a = mean[row, day], dispersion[row, day]
            if not (np.isfinite(m) and np.isfinite(a) and m >= 0) or np.isnan(units[row, day]):
                continue
            if units[row, day] < 0:
                found[row, day] = 0.0
                continue
            chance = _of_none(m, a)
            total, k = chance, 0.0
            while k + 1 <= units[row, day] and (k <= m or chance >= NEGLIGIBLE):
                chance *= _step(m, a, k)
                k += 1
                total += chance
            found[row, day] = min(total, 1.0)
    return found
