"""Order rules that need no distribution: cover so many mean periods."""

import numpy as np
from numpy.typing import NDArray

from lakeshop.inventory.replay.simulation import Dates, History, Policy, State
from lakeshop.ml.arrays import Floats


def fixed_rule(cover: float, window: int) -> Policy:
    """Order up to `cover` times the mean of the last `window` periods in stock."""

    def decide(state: State, history: History) -> Floats:
        return up_to(state, cover * recent_mean(history, window))

    return decide


def seasonal_mean(cover: int, window: int) -> Policy:
    """The benchmark of the VN2 competition's organisers, with cover 4 and window 13.

    Periods not in stock are left out. The mean of all series in each period, averaged by week of
    the year (of days: by weekday) and divided by the mean of these averages, is the season. Units
    divided by it are averaged over the last `window` periods, of the calendar and not in stock.
    The order lifts the position to that mean times the season, summed over the next `cover`
    periods, rounded to even.
    """

    def decide(state: State, history: History) -> Floats:
        in_stock = history.exposure > 0
        factors = plain_season(history, in_stock)
        season = of_dates(factors, history.dates, history.period_days)
        level = _mean(history.units / season, in_stock, slice(-window, None))
        coming = of_dates(factors, history.coming(cover), history.period_days)
        return up_to(state, level * coming.sum())

    return decide


def up_to(state: State, level: Floats) -> Floats:
    """Whole units, rounded to even, that lift the position to a level."""
    order: Floats = np.rint(np.maximum(level - state.position, 0.0))
    return order


def recent_mean(history: History, window: int) -> Floats:
    """Mean units of the last `window` periods in stock; 0 of a series never in stock."""
    in_stock = history.exposure > 0
    later = np.cumsum(in_stock[:, ::-1], axis=1)[:, ::-1]
    counts = in_stock & (later <= window)
    mean: Floats = (history.units * counts).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return mean


def season_key(dates: Dates, period_days: int) -> NDArray[np.int64]:
    """The week of the year (ISO 8601) of each period less 1; of shorter periods the weekday.

    Monday is 0. The week of the year is that of the Thursday of the period's first week.
    """
    days = dates.astype("datetime64[D]").astype(np.int64)
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
    if period_days < 7:
        return weekday
    thursday = (days - weekday + 3).astype("datetime64[D]")
    day_of_year = (thursday - thursday.astype("datetime64[Y]")).astype(np.int64)
    week: NDArray[np.int64] = day_of_year // 7
    return week


def plain_season(history: History, in_stock: NDArray[np.bool_]) -> Floats:
    """The organisers' factors by key, NaN of keys that never occurred."""
    key = season_key(history.dates, history.period_days)
    means = _mean(history.units.T, in_stock.T, slice(None))
    is_known = in_stock.any(axis=0)
    sums = np.bincount(key[is_known], weights=means[is_known], minlength=key.max() + 1)
    counts = np.bincount(key[is_known], minlength=key.max() + 1)
    factors = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    mean = np.nanmean(factors) if is_known.any() else 0.0
    return factors / mean if mean > 0 else np.ones_like(factors)


def of_dates(factors: Floats, dates: Dates, period_days: int) -> Floats:
    """The factor of each date; 1 where its key never occurred or nothing was sold in it."""
    key = season_key(dates, period_days)
    known = np.where(key < len(factors), factors[np.minimum(key, len(factors) - 1)], np.nan)
    found: Floats = np.where(known > 0, known, 1.0)
    return found


def _mean(units: Floats, counts: NDArray[np.bool_], columns: slice) -> Floats:
    """Mean of each row over the columns that count; 0 where none does."""
    some, counted = units[:, columns], counts[:, columns]
    mean: Floats = np.where(counted, some, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return mean
