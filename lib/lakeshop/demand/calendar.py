"""Calendar features of days: public holidays, paydays, position in month and year.

A function of the dates alone, for past and future days alike.
"""

import math
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated

import holidays
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from lakeshop.dates import days_between

NAMES = (
    "is_holiday",
    "is_eve",
    "is_after",
    "holiday_nearness",
    "is_payday",
    "since_payday",
    "day_of_month",
    "year_sine",
    "year_cosine",
)
NEAR_DAYS = 7  # before a holiday, in which people stock up
LONGEST_MONTH = 31
YEAR_DAYS = 365.25


def known_country(country: str) -> str:
    """Return the country's code if its holidays are known.

    Raises:
        ValueError: they are not.
    """
    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        msg = (
            "should be a country whose public holidays are known, by its two letters of ISO 3166, "
            f"as DE or US; leave it out to plan without holidays. Received {country!r}"
        )
        raise ValueError(msg)
    return country


Country = Annotated[str, AfterValidator(known_country)]


def calendar_features(
    first: date, last: date, country: str | None, paydays: tuple[int, ...]
) -> NDArray[np.float64]:
    """Calendar features of each day from `first` to `last`, float64[days, len(NAMES)].

    `is_eve` and `is_after` are the days beside a holiday. `holiday_nearness` grows from 0, a week
    before the next holiday, to 1 on it. `since_payday` and `day_of_month` are shares of 31 days. A
    payday beyond the end of a month is the month's last day.

    Args:
        first: first day.
        last: last day.
        country: ISO 3166 code of the country with the holidays, None for none.
        paydays: days of the month; may be empty: then no day is near a payday.
    """
    all_days = days_between(first, last)
    margin = timedelta(days=LONGEST_MONTH)
    is_free = holidays_of(country, (first - margin).year, (last + margin).year)
    rows = np.zeros((len(all_days), len(NAMES)))
    for row, day in zip(rows, all_days, strict=True):
        angle = 2 * math.pi * day.timetuple().tm_yday / YEAR_DAYS
        since = _days_since_payday(day, paydays)
        row[:] = (
            day in is_free,
            day + timedelta(days=1) in is_free,
            day - timedelta(days=1) in is_free,
            _nearness(day, is_free),
            since == 0,
            1.0 if since is None else since / LONGEST_MONTH,
            day.day / LONGEST_MONTH,
            math.sin(angle),
            math.cos(angle),
        )
    return rows


@lru_cache(maxsize=16)
def holidays_of(country: str | None, first_year: int, last_year: int) -> frozenset[date]:
    """The public holidays of a whole country in the years; regional ones are left out."""
    if country is None:
        return frozenset()
    years = range(first_year, last_year + 1)
    return frozenset(holidays.country_holidays(country, years=years))


def _nearness(day: date, is_free: frozenset[date]) -> float:
    for ahead in range(NEAR_DAYS):
        if day + timedelta(days=ahead) in is_free:
            return 1 - ahead / NEAR_DAYS
    return 0.0


def _days_since_payday(day: date, paydays: tuple[int, ...]) -> int | None:
    for ago in range(LONGEST_MONTH + 1):
        earlier = day - timedelta(days=ago)
        is_last = (earlier + timedelta(days=1)).month != earlier.month
        if earlier.day in paydays or (is_last and any(earlier.day < pay for pay in paydays)):
            return ago
    return None
