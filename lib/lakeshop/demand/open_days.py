"""Days that tell of demand: the shop was open, and its rows came.

On other days nothing could be bought, or nobody knows what was: their exposure is 0. Days ahead on
which the shop is always closed are forecast 0. All follows from what the whole shop sold by day.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.dates import days_between
from lakeshop.demand.calendar import holidays_of
from lakeshop.demand.settings import DemandSettings
from lakeshop.sources.expected_days import (
    Counts,
    Weekdays,
    closed_days,
    is_closed_on,
    unknown_days,
)

LEAST_HOLIDAYS = 3  # in a row without a sale, for which the shop is closed on them


@dataclass(frozen=True)
class OpenDays:
    """Days of the shop as known on a business date.

    Attributes:
        silent: ages of days that tell nothing of demand.
        closed: days ahead, from 1, on which the shop is closed.
    """

    silent: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()


def lines_by_day(sold: DataFrame) -> dict[date, int]:
    """Order lines of the whole shop on each day.

    Args:
        sold: features.product_days.
    """
    return dict(sold.groupBy("event_date").agg(F.sum("lines")).collect())


def open_days(lines: Counts, day: date, weekdays: Weekdays, options: DemandSettings) -> OpenDays:
    """Return which days tell nothing of demand, and which days ahead the shop is closed on.

    Args:
        lines: as from `lines_by_day`, known on the day.
        day: the business date.
        weekdays: those on which the shop says that rows come; None where they are learned.
        options: country, history_days and horizon_days.
    """
    sold_on = [when for when, count in lines.items() if count and when <= day]
    if not sold_on:
        return OpenDays()
    known = days_between(min(sold_on), day)
    last = day + timedelta(days=options.horizon_days)
    holidays = holidays_of(options.country, known[0].year, last.year)
    closed = closed_days(lines, day, weekdays)
    feasts = [when for when in known if when in holidays and when.weekday() not in closed.weekdays]
    silent = closed.days | {when for when in feasts if not lines.get(when)}
    # Few sales on a holiday are what they seem.
    silent |= set(unknown_days(lines, day, weekdays)) - set(feasts)
    ahead = days_between(day + timedelta(days=1), last)
    without = closed.weekdays, holidays if _is_closed_on_holidays(feasts, known, lines) else ()
    return OpenDays(
        tuple(sorted(age for when in silent if (age := (day - when).days) < options.history_days)),
        tuple(
            n
            for n, when in enumerate(ahead, 1)
            if when.weekday() in without[0] or when in without[1]
        ),
    )


def _is_closed_on_holidays(feasts: list[date], known: list[date], lines: Counts) -> bool:
    """Return whether nothing was sold on any holiday since the last one with a sale."""
    since = max((n for n, when in enumerate(feasts, 1) if lines.get(when)), default=0)
    silent = feasts[since:]
    return bool(silent) and is_closed_on(
        silent,
        [when for when in known if when >= silent[0] and when not in feasts],
        lines,
        least=LEAST_HOLIDAYS,
    )
