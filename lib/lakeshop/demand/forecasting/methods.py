"""Local methods: each forecasts a series from its own days.

A method takes a panel and weekday factors, float64[n, 7]. It returns the mean units of each day of
the horizon, float64[n, H], under full exposure. Values are finite and 0 or more, or NaN throughout
where the method is undefined: without an exposed day, or after an overflow. All but
`seasonal_naive` read winsorised units, without the sale that begins a history (`panel.counted`).

Functions named `_level` smooth partly exposed demand. They take readable units and exposure,
float64[n, T] (`panel.readable`), weekday factors, float64[n, 7], and the weekday of the first
column. They return the units of a fully exposed average day, float64[n], NaN for series without an
exposed day. A day's weight is its exposure times its weekday factor; days of weight 0 are skipped.
With weight 1 on all days they are the textbook methods, as statsforecast has them. Each series is
its own loop: its level does not depend on other series.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from lakeshop.demand.forecasting.panel import Panel, counted, readable
from lakeshop.demand.forecasting.weekdays import first_weekday, target_factors, usable_factors
from lakeshop.ml.arrays import Bools, Floats
from lakeshop.ml.numeric import compiled

Method = Callable[[Panel, Floats], Floats]
DEFAULT = "mean_56"
ALPHAS = np.array([0.02, 0.05, 0.1, 0.2, 0.3])
CHANCE_ALPHAS = np.array([0.01, 0.02, 0.05, 0.1, 0.2])
HALF_A_DAY = 0.5  # less exposure than this is too little to be taken times its inverse
CROSTON_ALPHA = 0.1
SIZE_ALPHA = 0.1


@compiled
def mean_level(
    units: Floats, exposure: Floats, weekdays: Floats, first_weekday: int, most_days: int
) -> Floats:
    """Units by weight over the last exposed days: the Poisson maximum likelihood of the level."""
    n, days = units.shape
    levels = np.full(n, np.nan)
    for row in range(n):
        total, weight, counted = 0.0, 0.0, 0
        for back in range(days):
            t = days - 1 - back
            if counted < most_days and exposure[row, t] > 0:
                total += units[row, t]
                weight += exposure[row, t] * weekdays[row, (first_weekday + t) % 7]
                counted += 1
        if weight > 0:
            levels[row] = total / weight
    return levels


@compiled
def smoothed_level(
    units: Floats, exposure: Floats, weekdays: Floats, first_weekday: int, alphas: Floats
) -> Floats:
    """Ratio of units to weights, both by simple exponential smoothing (Brown 1956).

    Each series takes the alpha with the least squared error one day ahead.
    """
    n, days = units.shape
    levels = np.full(n, np.nan)
    for row in range(n):
        least = np.inf
        for alpha in alphas:
            sold, weighed, error = np.nan, np.nan, 0.0
            for t in range(days):
                weight = exposure[row, t] * weekdays[row, (first_weekday + t) % 7]
                if weight <= 0:
                    continue
                if np.isnan(weighed):
                    sold, weighed = units[row, t], weight
                    continue
                error += (units[row, t] - weight * sold / weighed) ** 2
                sold += alpha * (units[row, t] - sold)
                weighed += alpha * (weight - weighed)
            if error < least:
                least, levels[row] = error, sold / weighed
    return levels


@compiled
def croston_level(
    units: Floats, exposure: Floats, weekdays: Floats, first_weekday: int, alpha: float
) -> Floats:
    """Croston's method (1972) with the correction of Syntetos & Boylan (2005).

    Smoothed size of a selling day by smoothed interval between selling days, times 1 - alpha / 2.
    The interval is the weight of the days since the previous sale: stock-out weeks do not lengthen
    it.
    """
    n, days = units.shape
    levels = np.full(n, np.nan)
    for row in range(n):
        size, interval, waited, exposed = np.nan, np.nan, 0.0, False
        for t in range(days):
            weight = exposure[row, t] * weekdays[row, (first_weekday + t) % 7]
            if weight <= 0:
                continue
            exposed, waited = True, waited + weight
            if units[row, t] <= 0:
                continue
            if np.isnan(size):
                size, interval = units[row, t], waited
            else:
                size += alpha * (units[row, t] - size)
                interval += alpha * (waited - interval)
            waited = 0.0
        if exposed:
            levels[row] = 0.0 if np.isnan(size) else (1 - alpha / 2) * size / interval
    return levels


@compiled
def tsb_level(
    units: Floats,
    exposure: Floats,
    weekdays: Floats,
    first_weekday: int,
    alphas: Floats,
    size_alpha: float,
) -> Floats:
    """Smoothed probability of a sale times smoothed size of a selling day (Teunter et al. 2011).

    Unlike Croston's, the level falls while nothing is sold. The probability is by weight. Each
    series takes its alpha with the least squared error one day ahead.
    """
    n, days = units.shape
    levels = np.full(n, np.nan)
    for row in range(n):
        least = np.inf
        for alpha in alphas:
            sales, weighed, size, error = np.nan, np.nan, np.nan, 0.0
            for t in range(days):
                weight = exposure[row, t] * weekdays[row, (first_weekday + t) % 7]
                if weight <= 0:
                    continue
                is_sale = units[row, t] > 0
                sale = 1.0 if is_sale else 0.0
                if np.isnan(weighed):
                    sales, weighed = sale, weight
                else:
                    level = 0.0 if np.isnan(size) else size * sales / weighed
                    error += (units[row, t] - weight * level) ** 2
                    sales += alpha * (sale - sales)
                    weighed += alpha * (weight - weighed)
                if is_sale and np.isnan(size):
                    size = units[row, t]
                elif is_sale:
                    size += size_alpha * (units[row, t] - size)
            if error < least and not np.isnan(weighed):
                least, levels[row] = error, 0.0 if np.isnan(size) else size * sales / weighed
    return levels


@compiled
def last_of_weekday(units: Floats, exposure: Floats, first_weekday: int, least: float) -> Floats:
    """Units by exposure of each weekday's last day with at least that exposure, float64[n, 7].

    Monday first. A weekday without such a day has the mean of the others.
    """
    n, days = units.shape
    found = np.full((n, 7), np.nan)
    for row in range(n):
        total, known = 0.0, 0
        for back in range(days):
            t = days - 1 - back
            weekday = (first_weekday + t) % 7
            if exposure[row, t] >= least and np.isnan(found[row, weekday]):
                found[row, weekday] = units[row, t] / exposure[row, t]
                total += found[row, weekday]
                known += 1
            if known == 7:
                break
        for weekday in range(7):
            if known and np.isnan(found[row, weekday]):
                found[row, weekday] = total / known
    return found


def seasonal_naive(panel: Panel, weekdays: Floats) -> Floats:
    """Repeat each weekday's last day that was exposed for half of it or more.

    `weekdays` is not read: the last week already contains the weekday pattern.
    """
    history = readable(panel)
    rates = last_of_weekday(history.units, history.exposure, first_weekday(panel), HALF_A_DAY)
    targets = (panel.day.weekday() + 1 + np.arange(panel.horizon)) % 7
    return _without_absurd(rates[:, targets])


def mean_of_days(panel: Panel, weekdays: Floats, *, days: int) -> Floats:
    """Mean of the last exposed days, times the weekday factor."""
    return _means(panel, weekdays, mean_level, days)


def exponential_smoothing(panel: Panel, weekdays: Floats, *, alphas: Floats = ALPHAS) -> Floats:
    """Simple exponential smoothing of deseasonalised days, times the weekday factor."""
    return _means(panel, weekdays, smoothed_level, alphas)


def croston_sba(panel: Panel, weekdays: Floats) -> Floats:
    """Croston's method with the correction of Syntetos & Boylan, times the weekday factor."""
    return _means(panel, weekdays, croston_level, CROSTON_ALPHA)


def tsb(panel: Panel, weekdays: Floats, *, alphas: Floats = CHANCE_ALPHAS) -> Floats:
    """The method of Teunter, Syntetos & Babai, times the weekday factor."""
    return _means(panel, weekdays, tsb_level, alphas, SIZE_ALPHA)


METHODS: Mapping[str, Method] = {
    "seasonal_naive": seasonal_naive,
    "mean_28": partial(mean_of_days, days=28),
    "mean_56": partial(mean_of_days, days=56),
    "mean_112": partial(mean_of_days, days=112),
    "exponential_smoothing": exponential_smoothing,
    "croston_sba": croston_sba,
    "tsb": tsb,
}


def _means(
    panel: Panel, weekdays: Floats, level: Callable[..., Floats], *options: float | Floats
) -> Floats:
    history = counted(panel)
    factors = usable_factors(weekdays)
    levels = level(history.units, history.exposure, factors, first_weekday(panel), *options)
    return _without_absurd(levels[:, None] * target_factors(panel, weekdays))


def _without_absurd(means: Floats) -> Floats:
    usable: Floats = np.where(_is_usable(means)[:, None], means, np.nan)
    return usable


def _is_usable(means: Floats) -> Bools:
    with np.errstate(invalid="ignore"):
        is_usable: Bools = np.all(np.isfinite(means) & (means >= 0), axis=1)
    return is_usable
