"""Dispersion: a series' variance beyond Poisson, shared within its class.

With dispersion a, the variance is m + a m^2. Moments of single series are noise for rare sellers:
each is shrunk to its class by its information (method of moments, Breslow 1984; shrinkage as in
Robinson & Smyth 2007). Classes are pooled once over all series: a series does not depend on its
batch.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lakeshop.demand.forecasting.panel import Panel, counted
from lakeshop.demand.forecasting.weekdays import first_weekday, usable_factors
from lakeshop.ml.arrays import Floats, Names
from lakeshop.ml.numeric import compiled

DISPERSION_DAYS = 112
PRIOR_DAYS = 14.0  # weight of the class in days of a fast series
MAX_DISPERSION = 20.0
LEAST_POOLED = 0.05


class Moments(NamedTuple):
    """Of each series' last 112 exposed days, float64[n]; all 0 without any.

    `excess` is the sum of squared errors beyond Poisson's, `squares` that of squared means, and
    `rate` the mean units of a day.
    """

    excess: Floats
    squares: Floats
    rate: Floats


def moments(panel: Panel, weekdays: Floats) -> Moments:
    """The moments of each series round its own mean, by the weekday."""
    history = counted(panel)
    sums = _moments(history.units, history.exposure, usable_factors(weekdays), first_weekday(panel))
    return Moments(*np.where(np.isfinite(sums).all(axis=0), sums, 0.0))


def pooled(of_series: Moments, classes: Names) -> Mapping[str, float]:
    """The dispersion of each class, and under '' the one of all series.

    Series are weighted so that high rates do not dominate. Sums are exact: the order of series does
    not matter.
    """
    weight = (1 + of_series.rate) ** -2.0
    names = ["", *np.unique(classes).tolist()]
    found = {}
    for name in names:
        rows = np.ones(len(classes), np.bool_) if name == "" else classes == name
        excess = math.fsum((weight * of_series.excess)[rows].tolist())
        squares = math.fsum((weight * of_series.squares)[rows].tolist())
        found[name] = float(np.clip(excess / squares, 0, MAX_DISPERSION)) if squares > 0 else 0.0
    return found


def dispersion_of(of_series: Moments, of_class: Floats) -> Floats:
    """The dispersion of each series, float64[n], shrunk to its class's, float64[n].

    A day's information on a is (m / (1 + a m))^2, by its variance. The class weighs 14 days of a
    series with a large m.
    """
    excess, squares, rate = of_series
    prior = PRIOR_DAYS / np.maximum(of_class, LEAST_POOLED) ** 2
    information = squares / (1 + of_class * rate) ** 2
    own = np.divide(excess, squares, out=np.zeros_like(excess), where=squares > 0)
    mixed: Floats = np.clip(
        (information * own + prior * of_class) / (information + prior), 0, MAX_DISPERSION
    )
    return mixed


@compiled
def _moments(units: Floats, exposure: Floats, weekdays: Floats, first_weekday: int) -> Floats:
    """Excess, squares and rate, float64[3, n]."""
    n, days = units.shape
    sums = np.zeros((3, n))
    for row in range(n):
        total, weights, counted, start = 0.0, 0.0, 0, days
        while start > 0 and counted < DISPERSION_DAYS:
            start -= 1
            if exposure[row, start] > 0:
                total += units[row, start]
                weights += exposure[row, start] * weekdays[row, (first_weekday + start) % 7]
                counted += 1
        if counted < 2 or weights <= 0:
            continue
        rate = total / weights
        for t in range(start, days):
            if exposure[row, t] > 0:
                mean = rate * exposure[row, t] * weekdays[row, (first_weekday + t) % 7]
                # The mean is of the same days: one degree of freedom less.
                sums[0, row] += (units[row, t] - mean) ** 2 * counted / (counted - 1) - mean
                sums[1, row] += mean**2
        sums[2, row] = rate
    return sums
