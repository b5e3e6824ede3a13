"""Intervals of figures whose rows depend on one another within a day. Pure NumPy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rows = NDArray[np.int64]
MIN_DAYS = 2


class DayInterval(NamedTuple):
    """A figure with its 95 % interval low..high over draws of days."""

    estimate: float
    low: float
    high: float
    days: int


def day_interval(
    day: ArrayLike, figure: Callable[[Rows], float], *, draws: int = 200, seed: int = 1
) -> DayInterval:
    """A figure's percentile bootstrap over whole days (block bootstrap, Efron & Tibshirani 1993).

    Args:
        day: of each row.
        figure: computed from row numbers int64[n], which may repeat; NaN where it cannot be told.
        draws: resamples of the days.
        seed: the same gives the same interval.

    Returns:
        `low` and `high` are NaN with fewer than 2 days, or where no draw has a figure; the
        estimate is NaN without rows.
    """
    names, of_row = np.unique(np.asarray(day), return_inverse=True)
    if not names.size:
        return DayInterval(float("nan"), float("nan"), float("nan"), 0)
    by_day = np.argsort(of_row, kind="stable").astype(np.int64)
    rows = np.split(by_day, np.cumsum(np.bincount(of_row))[:-1])
    estimate = float(figure(np.arange(len(of_row), dtype=np.int64)))
    if len(names) < MIN_DAYS:
        return DayInterval(estimate, float("nan"), float("nan"), len(names))
    chance = np.random.default_rng(seed)
    chosen = chance.integers(0, len(names), size=(draws, len(names)))
    found = np.array([figure(np.concatenate([rows[i] for i in days])) for days in chosen])
    found = found[~np.isnan(found)]
    low, high = np.quantile(found, (0.025, 0.975)) if found.size else (np.nan, np.nan)
    return DayInterval(estimate, float(low), float(high), len(names))
