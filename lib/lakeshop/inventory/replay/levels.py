"""Forecasters of a replay, from history alone: levels with a pooled season, or a method.

The level is units by exposure: stock-out periods are ignored. Newer periods weigh more, and a
series with few is shrunk to its own long mean. The season is pooled over all series, since single
ones sell too little to show one. Counts are negative binomial with a dispersion shrunk to the one
of all series. The level's uncertainty comes from its estimation and its drift.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from lakeshop.demand.forecasting.methods import METHODS
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.errors import ConfigError
from lakeshop.inventory.demand import Demand
from lakeshop.inventory.replay.rules import of_dates, recent_mean, season_key
from lakeshop.inventory.replay.simulation import History
from lakeshop.ml.arrays import Floats

KNOWN_DAYS = 56.0  # days that a level is taken to be estimated from
YEAR_DAYS = 364
HALF_A_YEAR = 182  # of dispersion: a level that wanders would be taken for it
SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9  # of neighbouring weeks of the year
POOL = 8.0  # periods of a mean series' dispersion that each series is given
LEAST_FACTOR, MOST_DISPERSION = 0.1, 5.0

Forecaster = Callable[[History, int], Demand]


@dataclass(frozen=True)
class Levels:
    """Parameters of the level estimation.

    `half_lives` of a period's weight, in periods: the level is the mean over them. `season` is the
    power of the pooled season, 0 for none. `prior` is the number of periods at the long mean that
    every series is given. `drift` is the variance of the level's factor beside its estimation
    variance.
    """

    half_lives: tuple[float, ...] = (6.0, 26.0)
    season: float = 1.0
    prior: float = 2.0
    drift: float = 0.02


def by_level(options: Levels) -> Forecaster:
    """A forecaster with these options."""

    def forecast(history: History, periods: int) -> Demand:
        return demand_of(history, periods, options)

    return forecast


def demand_of(history: History, periods: int, options: Levels) -> Demand:
    """Demand of the next periods."""
    factors = pooled_season(history) ** options.season
    past = of_dates(factors, history.dates, history.period_days)
    ahead = of_dates(factors, history.coming(periods), history.period_days)
    exposed = history.exposure * past
    sold = history.units * (history.exposure > 0)
    long = sold.sum(axis=1) / exposed.sum(axis=1).clip(1.0)
    level, known = np.zeros(len(history)), np.zeros(len(history))
    for half_life in options.half_lives:
        weight = 0.5 ** (np.arange(history.periods)[::-1] / half_life)
        periods_known = (weight * exposed).sum(axis=1) + options.prior
        level += ((weight * sold).sum(axis=1) + options.prior * long) / periods_known
        known += periods_known
    level, known = level / len(options.half_lives), known / len(options.half_lives)
    dispersion = dispersions(history, level, past)
    estimated = (1 / np.maximum(level, 1e-3) + dispersion) / known
    mean = level[:, None] * ahead
    return Demand(
        mean=mean,
        dispersion=np.repeat(dispersion[:, None], periods, axis=1),
        level_variance=np.minimum(estimated, 1.0) + options.drift,
    )


def dispersions(history: History, level: Floats, past: Floats) -> Floats:
    """The dispersion of each series around its level, by moments, drawn towards that of all.

    Args:
        history: its newest half year counts.
        level: units of a period, float64[n].
        past: the season of each period, float64[T].
    """
    newest = slice(-max(1, HALF_A_YEAR // history.period_days), None)
    in_stock = history.exposure[:, newest] > 0
    mean = level[:, None] * past[newest] * history.exposure[:, newest]
    more = np.where(in_stock, (history.units[:, newest] - mean) ** 2 - mean, 0.0).sum(axis=1)
    squares = np.where(in_stock, mean**2, 0.0).sum(axis=1)
    pooled = np.clip(more.sum() / max(float(squares.sum()), 1e-9), 0.0, MOST_DISPERSION)
    # Each series counts alike in the pool: large ones are less dispersed than the many small.
    own = np.where(squares > 0, more / np.maximum(squares, 1e-9), pooled)
    typical = np.median(np.clip(own, 0.0, MOST_DISPERSION)) if len(own) else 0.0
    weight = in_stock.sum(axis=1)
    found = (weight * np.clip(own, 0.0, MOST_DISPERSION) + POOL * (pooled + typical) / 2) / (
        weight + POOL
    )
    drawn: Floats = np.clip(found, 0.0, MOST_DISPERSION)
    return drawn


def pooled_season(history: History) -> Floats:
    """Factors by `season_key`, mean 1: of weeks of the year, or of weekdays of shorter periods.

    Units of all series divided by the expected sales at constant levels, detrended over a year and
    averaged over the years. Fewer than 14 months of weeks, or 4 weeks of days, give no season.
    """
    is_weekly = history.period_days >= 7
    key = season_key(history.dates, history.period_days)
    size = 53 if is_weekly else 7
    least = 60 * 7 if is_weekly else 28
    if history.period_days > 7 or history.periods * history.period_days < least:
        return np.ones(size)
    sold = history.units * (history.exposure > 0)
    mean = sold.sum(axis=1) / history.exposure.sum(axis=1).clip(1.0)
    expected = (mean[:, None] * history.exposure).sum(axis=0)
    ratio = np.where(expected > 0, sold.sum(axis=0) / np.maximum(expected, 1e-9), 1.0)
    ratio = ratio / np.maximum(_trend(ratio, YEAR_DAYS // history.period_days), 1e-9)
    counts = np.bincount(key, minlength=size)
    sums = np.bincount(key, weights=ratio, minlength=size)
    factors = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
    if is_weekly:
        around = np.pad(factors, 2, mode="wrap")
        factors = np.convolve(around, SMOOTHING, mode="valid")
    factors = np.maximum(factors, LEAST_FACTOR)
    season: Floats = factors / factors.mean()
    return season


def _trend(ratio: Floats, periods: int) -> Floats:
    """Means over the periods of a year around each, of the existing ones of whole years."""
    if len(ratio) < 2 * periods:
        return np.full_like(ratio, ratio.mean())
    sums = np.concatenate([[0.0], np.cumsum(ratio)])
    first = np.clip(np.arange(len(ratio)) - periods // 2, 0, len(ratio) - periods)
    trend: Floats = (sums[first + periods] - sums[first]) / periods
    return trend


def by_method(name: str, drift: float) -> Forecaster:
    """A forecaster by the name of a method.

    Raises:
        ConfigError: no such method.
    """
    if name not in METHODS:
        msg = f"method should be one of {', '.join(METHODS)}. Received {name!r}."
        raise ConfigError(msg)

    def forecast(history: History, periods: int) -> Demand:
        factors = pooled_season(history)
        weekdays = np.tile(factors, (len(history), 1))
        mean = METHODS[name](panel_of(history, periods), weekdays)
        usual = recent_mean(history, int(KNOWN_DAYS))[:, None]
        mean = np.where(np.isfinite(mean), mean, usual)
        level, past = mean.mean(axis=1), of_dates(factors, history.dates, history.period_days)
        dispersion = dispersions(history, level, past)
        estimated = (1 / np.maximum(level, 1e-3) + dispersion) / KNOWN_DAYS
        return Demand(
            mean=mean,
            dispersion=np.repeat(dispersion[:, None], periods, axis=1),
            level_variance=np.minimum(estimated, 1.0) + drift,
        )

    return forecast


def panel_of(history: History, horizon: int) -> Panel:
    """A history of days as methods read it: no price and no promotion is known."""
    if history.period_days != 1:
        msg = (
            "Methods should be given days. "
            f"Received periods of {history.period_days} days; leave method out."
        )
        raise ConfigError(msg)
    shape = (len(history), history.periods + horizon)
    day: date = history.dates[-1].astype("datetime64[D]").item()
    return Panel(
        day=day,
        units=history.units,
        exposure=history.exposure,
        price=np.full(history.units.shape, np.nan),
        display=np.zeros(shape),
        mailer=np.zeros(shape),
        announced=np.full(shape, -1.0),
    )
