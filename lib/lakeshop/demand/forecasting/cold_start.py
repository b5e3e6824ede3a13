"""Cold start: forecasts of short series by analogy with similar series when they were new.

A series' level has a gamma prior of its group, such as category and price band. Its own days update
it (Gamma-Poisson, Clayton & Kaldor 1987). The prior weighs `strength` days. Groups are pooled once
over all series: a series does not depend on its batch.

The day of a series' first sale is left out, in the group and in the new series: histories that
begin with a sale would overestimate the level.
"""

from typing import NamedTuple

import numpy as np

from lakeshop.demand.forecasting.methods import mean_level
from lakeshop.demand.forecasting.panel import Panel, counted, winsorised
from lakeshop.demand.forecasting.weekdays import first_weekday, target_factors, usable_factors
from lakeshop.ml.arrays import Bools, Floats, Integers
from lakeshop.ml.numeric import compiled

FIRST_DAYS = 56
FEWEST_SERIES = 5
STRENGTH_DAYS = 14.0
LEAST_DAYS, MOST_DAYS = 2.0, 56.0
PRICE_BANDS = 3


class Priors(NamedTuple):
    """Level of each group in units a day, NaN with too few series; strength in days."""

    level: Floats
    strength: Floats


def priors(panel: Panel, weekdays: Floats, group: Integers, n_groups: int) -> Priors:
    """Level and strength of each group, from the first 56 days of its series.

    Uses series that began within the panel, at least 56 days ago. A group with fewer than 5 of them
    takes the median level of its established series, with a strength of 14 days.

    Args:
        panel: all series.
        weekdays: float64[n, 7].
        group: int64[n] from 0, below n_groups; -1 for none.
        n_groups: number of groups.
    """
    history, _ = winsorised(panel)
    factors, monday = usable_factors(weekdays), first_weekday(panel)
    begun = _first_days(history.units, history.exposure, factors, monday)
    since = counted(panel)
    settled = mean_level(since.units, since.exposure, factors, monday, 2 * FIRST_DAYS)
    level, strength = np.full(n_groups, np.nan), np.full(n_groups, STRENGTH_DAYS)
    for place in range(n_groups):
        members = group == place
        new = members & (begun[1] > 0)
        if new.sum() >= FEWEST_SERIES:
            level[place], strength[place] = _gamma_prior(begun[0, new], begun[1, new])
        elif (known := members & np.isfinite(settled)).sum() >= FEWEST_SERIES:
            level[place] = np.median(settled[known])
    return Priors(level, strength)


def by_analogy(
    panel: Panel, weekdays: Floats, level: Floats, strength: Floats
) -> tuple[Floats, Bools]:
    """Means of each day of the horizon, and a mask of series where the prior outweighs own days.

    Args:
        panel: the new series.
        weekdays: float64[n, 7].
        level: of the prior of each, float64[n]; NaN gives NaN.
        strength: of the prior of each in days, float64[n].
    """
    history, _ = winsorised(panel)
    factors = usable_factors(weekdays)
    units, weight = _own_days(history.units, history.exposure, factors, first_weekday(panel))
    mixed = (units + strength * level) / (weight + strength)
    means = mixed[:, None] * target_factors(panel, weekdays)
    usable: Bools = np.isfinite(means).all(axis=1) & (level >= 0)
    return np.where(usable[:, None], means, np.nan), usable & (strength > weight)


def _gamma_prior(units: Floats, weight: Floats) -> tuple[float, float]:
    """Mean and strength by moments: spread of levels beyond the Poisson variance."""
    whole = weight.sum()
    mean = float(units.sum() / whole)
    between = float((weight * (units / weight - mean) ** 2).sum() - (len(units) - 1) * mean)
    between /= float(whole - (weight**2).sum() / whole)
    if not between > 0:
        return mean, MOST_DAYS
    return mean, float(np.clip(mean / between, LEAST_DAYS, MOST_DAYS))


@compiled
def _own_days(units: Floats, exposure: Floats, weekdays: Floats, first_weekday: int) -> Floats:
    """Units and weights of each series' days, without the first one if it sold: float64[2, n]."""
    n, days = units.shape
    sums = np.zeros((2, n))
    for row in range(n):
        is_first = True
        for t in range(days):
            if exposure[row, t] > 0:
                if not (is_first and units[row, t] > 0):
                    sums[0, row] += units[row, t]
                    sums[1, row] += exposure[row, t] * weekdays[row, (first_weekday + t) % 7]
                is_first = False
    return sums


@compiled
def _first_days(units: Floats, exposure: Floats, weekdays: Floats, first_weekday: int) -> Floats:
    """As `_own_days` of the first 56 days; 0 for series that are younger, or older than days."""
    n, days = units.shape
    sums = np.zeros((2, n))
    for row in range(n):
        start = 0
        while start < days and exposure[row, start] <= 0:
            start += 1
        if start == 0 or start + FIRST_DAYS > days:
            continue
        for t in range(start, start + FIRST_DAYS):
            if exposure[row, t] > 0 and not (t == start and units[row, t] > 0):
                sums[0, row] += units[row, t]
                sums[1, row] += exposure[row, t] * weekdays[row, (first_weekday + t) % 7]
    return sums
