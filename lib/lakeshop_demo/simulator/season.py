"""The calendar: visits per day, birthdays, seasons of categories."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from lakeshop_demo.simulator.chance import Floats, Ints
from lakeshop_demo.simulator.world import WORLD

YEAR = 365
DAY_SECONDS = 86_400
_BUSIEST = 349  # day of the year: mid-December
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Season:
    """The days of a simulation, numbered from 0; `weekdays` from Monday = 0."""

    start: date

    def weekdays(self, days: ArrayLike) -> Ints:
        """Weekday of each day."""
        return (np.asarray(days, np.int64) + self.start.weekday()) % 7

    def days_of_year(self, days: ArrayLike) -> Ints:
        """Day of the year from 0; every year has 365, as if none were a leap year."""
        dates = np.datetime64(self.start) + np.asarray(days, np.int64).astype("timedelta64[D]")
        first = dates.astype("datetime64[Y]").astype("datetime64[D]")
        return np.asarray(np.minimum((dates - first).astype(np.int64), YEAR - 1))

    def visits(self, days: ArrayLike) -> Floats:
        """Factor on a user's mean visits: weekday, season and growth."""
        weekday = np.asarray(WORLD.weekdays)[self.weekdays(days)]
        phase = 2 * np.pi * (self.days_of_year(days) - _BUSIEST) / YEAR
        growth = (1 + WORLD.growth) ** (np.asarray(days) / YEAR)
        return np.asarray(weekday * (1 + WORLD.season_amplitude * np.cos(phase)) * growth)

    def category(self, days: ArrayLike, busiest: ArrayLike) -> Floats:
        """Factor on popularity for categories with a given best day of the year."""
        phase = 2 * np.pi * (self.days_of_year(days) - np.asarray(busiest)) / YEAR
        return np.asarray(1 + WORLD.category_amplitude * np.cos(phase))

    def stamps(self, days: ArrayLike, seconds: ArrayLike) -> np.ndarray:
        """Local time of day and second, as datetime64[s]."""
        start = (self.start - _EPOCH).days
        total = (np.asarray(days, np.int64) + start) * DAY_SECONDS + np.asarray(seconds, np.int64)
        return total.astype("datetime64[s]")
