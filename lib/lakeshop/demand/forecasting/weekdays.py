"""Weekday factors: seven factors per department, relative to the average day, with mean 1."""

import numpy as np

from lakeshop.demand.forecasting.panel import Panel, readable
from lakeshop.ml.arrays import Floats, Integers
from lakeshop.ml.numeric import compiled

# Order lines of an even week that each weekday of a department is mixed with: between 20 and
# 200 made no difference on three nights of Complete Journey, 1,000 was worse.
PRIOR_LINES = 50
FACTOR_DAYS = 84  # twelve weeks
MOST_LINES = 3.0  # a large day counts for so many ordinary ones
THOUSANDTHS = 1000


def weekday_factors(
    lines: Integers | Floats, exposure: Integers | Floats, prior: float = PRIOR_LINES
) -> Floats:
    """Factor of each weekday relative to the average day, by row; the mean of a row is 1.

    Lines rather than units are counted: one line of fuel has thousands of units. A weekday is
    shrunk towards 1 as the mean of a gamma prior on a Poisson rate (Clayton & Kaldor 1987).

    Args:
        lines: order lines, one row per department, Monday to Sunday.
        exposure: product-days of these lines, of the same shape.
        prior: lines of an even week that each weekday is mixed with, more than 0.
    """
    rate = lines.sum(axis=1, keepdims=True) / np.maximum(exposure.sum(axis=1, keepdims=True), 1)
    factors: Floats = (lines + prior) / (exposure * rate + prior)
    factors /= factors.mean(axis=1, keepdims=True)
    return factors


def panel_weekdays(panel: Panel, group: Integers, prior: float = PRIOR_LINES) -> Floats:
    """The weekday factors of each series' group, from the last 84 days of the panel itself.

    A selling day is measured in its series' median selling day, at most 3. Series that sell every
    day then show their weekdays too, and none dominates its department. Sums are of thousandths:
    the order of series does not matter.

    Args:
        panel: every series of the groups.
        group: int64[n], department of each series from 0; -1 for none, which gets the shop's
            factors.
        prior: selling days of an even week that each weekday is mixed with, more than 0.

    Returns:
        float64[n, 7], Monday first.
    """
    recent = readable(panel)
    days = min(FACTOR_DAYS, panel.days)
    units, exposure = recent.units[:, panel.days - days :], recent.exposure[:, panel.days - days :]
    lines = np.rint(_ordinary_days(units, exposure) * THOUSANDTHS).astype(np.int64)
    shares = np.rint(np.minimum(exposure, 1.0) * THOUSANDTHS).astype(np.int64)
    n_groups = int(group.max(initial=-1)) + 1
    counts = np.zeros((2, n_groups + 1, 7), np.int64)
    of_day = (first_weekday(panel) + panel.days - days + np.arange(days)) % 7
    for weekday in range(7):
        columns = of_day == weekday
        for place, values in enumerate((lines, shares)):
            # Series without group count for the shop alone, which is the last place.
            np.add.at(counts[place, :, weekday], group, values[:, columns].sum(axis=1))
    counts[:, -1] = counts.sum(axis=1)
    factors = weekday_factors(counts[0] / THOUSANDTHS, counts[1] / THOUSANDTHS, prior)
    return factors[group]


def first_weekday(panel: Panel) -> int:
    """The weekday of the panel's first column; Monday is 0."""
    return (panel.day.weekday() - panel.days + 1) % 7


def target_factors(panel: Panel, weekdays: Floats) -> Floats:
    """The factors of the horizon's days, float64[n, H]."""
    targets = (panel.day.weekday() + 1 + np.arange(panel.horizon)) % 7
    factors: Floats = usable_factors(weekdays)[:, targets]
    return factors


def usable_factors(weekdays: Floats) -> Floats:
    """The factors, or seven times 1 for a series with a factor that is no number above 0."""
    with np.errstate(invalid="ignore"):
        is_good = (np.isfinite(weekdays) & (weekdays > 0)).all(axis=1, keepdims=True)
    factors: Floats = np.where(is_good, weekdays, 1.0)
    return factors


@compiled
def _ordinary_days(units: Floats, exposure: Floats) -> Floats:
    """Units by the median of the series' selling days, at most `MOST_LINES`; 0 where unexposed."""
    n, days = units.shape
    found = np.zeros((n, days))
    for row in range(n):
        is_sold = (units[row] > 0) & (exposure[row] > 0)
        sold = np.sort(units[row][is_sold])
        for t in range(days):
            if is_sold[t]:
                found[row, t] = min(units[row, t] / sold[(sold.size - 1) // 2], MOST_LINES)
    return found
