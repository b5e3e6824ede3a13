"""Local methods: each forecasts a series from its own days.

A method takes a panel and weekday factors, float64[n, 7]. It returns the mean units of each day of
the horizon, float64[n, H], under full exposure. Values are finite and 0 or more, or NaN throughout
where the method is undefined: without an exposed day, or after an overflow. All but
`seasonal_naive` read winsorised units, without the sale that begins a history (`history.counted`).
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from lakeshop.demand.forecasting import smoothing
from lakeshop.demand.forecasting.history import counted, readable
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.forecasting.weekdays import first_weekday, target_factors, usable_factors
from lakeshop.ml.arrays import Bools, Floats

Method = Callable[[Panel, Floats], Floats]

ALPHAS = np.array([0.02, 0.05, 0.1, 0.2, 0.3])
CHANCE_ALPHAS = np.array([0.01, 0.02, 0.05, 0.1, 0.2])
DEFAULT = "mean_56"
HALF_A_DAY = 0.5  # less exposure than this is too little to be taken times its inverse


def seasonal_naive(panel: Panel, weekdays: Floats) -> Floats:
    """Repeat each weekday's last day that was exposed for half of it or more.

    `weekdays` is not read: the last week already contains the weekday pattern.
    """
    history = readable(panel)
    rates = smoothing.last_of_weekday(
        history.units, history.exposure, first_weekday(panel), HALF_A_DAY
    )
    targets = (panel.day.weekday() + 1 + np.arange(panel.horizon)) % 7
    return _without_absurd(rates[:, targets])


def mean_of_days(panel: Panel, weekdays: Floats, *, days: int) -> Floats:
    """Mean of the last exposed days, times the weekday factor."""
    return _means(panel, weekdays, smoothing.mean_level, days)


def exponential_smoothing(panel: Panel, weekdays: Floats, *, alphas: Floats = ALPHAS) -> Floats:
    """Simple exponential smoothing of deseasonalised days, times the weekday factor."""
    return _means(panel, weekdays, smoothing.smoothed_level, alphas)


def croston_sba(panel: Panel, weekdays: Floats) -> Floats:
    """Croston's method with the correction of Syntetos & Boylan, times the weekday factor."""
    return _means(panel, weekdays, smoothing.croston_level, smoothing.CROSTON_ALPHA)


def tsb(panel: Panel, weekdays: Floats, *, alphas: Floats = CHANCE_ALPHAS) -> Floats:
    """The method of Teunter, Syntetos & Babai, times the weekday factor."""
    return _means(panel, weekdays, smoothing.tsb_level, alphas, smoothing.SIZE_ALPHA)


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
