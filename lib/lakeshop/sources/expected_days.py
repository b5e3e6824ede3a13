"""Days on which a shop delivers or sells, learned from its counts by day.

A day is *unknown* where nothing came, or far too little, although it should have: its file is
late, empty or lost. It says nothing of demand, and neither does a day on which the shop is closed.
All other days without a row are what they seem: of a shop that sells now and then.

Whether a day should have brought rows is judged by the days before it alone: by the same weekdays
of eight weeks, and where these are few by all days of the eight weeks.
"""

import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from lakeshop.dates import days_between

WEEK = 7
WEEKS = 8  # before a day, in which its usual count is seen
USUAL = 0.75  # least share of earlier days with rows for which a day is expected
PRIOR = 2  # earlier days for which all recent days stand beside those of a weekday
FEW = 0.2  # of the usual count; less is far too little
FEWEST_COUNTS = 3  # of the same weekday, to know a usual count
LEAST_CLOSED = 4  # days of a kind in a row without a row, for which the shop is closed on them
CHANCE = 0.005  # of such a row of days where the shop just sold nothing

Counts = Mapping[date, int]
Weekdays = frozenset[int] | None  # stated by the shop, 0 for Monday; None where they are learned


@dataclass(frozen=True)
class Weeks:
    """Counts of the days just before a day: of its weekday, and whether any came on each."""

    same: deque[int]
    recent: deque[bool]

    def is_expected(self) -> bool:
        """Return whether most days like it had rows; all recent days stand beside few of them."""
        overall = sum(self.recent) / max(len(self.recent), 1)
        had = sum(count > 0 for count in self.same)
        return (had + PRIOR * overall) / (len(self.same) + PRIOR) >= USUAL

    def is_few(self, count: int) -> bool:
        """Return whether a count is far below the usual one, and not by chance."""
        known = sorted(n for n in self.same if n)
        if len(known) < FEWEST_COUNTS:
            return False
        usual = known[(len(known) - 1) // 2]
        return count < FEW * usual and usual - count > 3 * math.sqrt(usual)


def unknown_days(
    counts: Counts, last: date, weekdays: Weekdays = None, *, least_days: int = 1
) -> Iterator[date]:
    """Yield the days up to `last` that brought nothing or far too little, the earliest first.

    An empty day after an unknown one is unknown as well, unless its weekday never brings a row.

    Args:
        counts: rows by day. Nothing is known of days before the first of them; where weekdays are
            learned, of days before the first with rows.
        last: the last day.
        weekdays: on which rows are expected.
        least_days: days with rows before any is expected, where weekdays are learned.
    """
    begun = [day for day, count in counts.items() if count or weekdays is not None]
    same = [deque[int](maxlen=WEEKS) for _ in range(WEEK)]
    recent = deque[bool](maxlen=WEEKS * WEEK)
    filled, was_silent = 0, False
    for day in days_between(min(begun, default=last), last):
        count, weekday = counts.get(day, 0), day.weekday()
        before = Weeks(same[weekday], recent)
        if weekdays is not None:
            is_expected = weekday in weekdays
        else:
            follows = was_silent and (any(before.same) or not before.same)
            is_expected = filled >= least_days and (follows or before.is_expected())
        was_silent = is_expected and not count
        if was_silent or (count and before.is_few(count)):
            yield day
        recent.append(count > 0)
        before.same.append(count)
        filled += count > 0


@dataclass(frozen=True)
class Closed:
    """Days on which the shop was closed, and the weekdays on which it still is."""

    days: frozenset[date]
    weekdays: frozenset[int]


def closed_days(counts: Counts, last: date, weekdays: Weekdays = None) -> Closed:
    """Return on which weekdays a shop was closed until `last`, for four weeks or more.

    A shop that says its weekdays is closed on the others, where nothing comes on them.

    Args:
        counts: rows by day.
        last: the last day.
        weekdays: on which rows are expected; none where they may come at any time.
    """
    filled = [day for day, count in counts.items() if count and day <= last]
    all_days = days_between(min(filled, default=last), last) if filled else []
    days: set[date] = set()
    closed = set()
    for weekday in range(WEEK):
        own = [day for day in all_days if day.weekday() == weekday]
        for run in _silent_runs(own, counts):
            if weekdays:
                is_whole = len(run) >= min(LEAST_CLOSED, len(own))
                is_closed = weekday not in weekdays and is_whole
            else:
                others = days_between(run[0], run[-1])
                is_closed = is_closed_on(run, set(others) - set(own), counts)
            if is_closed:
                days.update(run)
            if is_closed and run[-1] == own[-1]:
                closed.add(weekday)
    return Closed(frozenset(days), frozenset(closed))


def is_closed_on(
    silent: Collection[date], others: Iterable[date], counts: Counts, *, least: int = LEAST_CLOSED
) -> bool:
    """Return whether days without a row are so many that the shop must have been closed.

    The chance of so many is by the share of other days with rows.
    """
    known = [counts.get(day, 0) > 0 for day in others]
    share = (sum(known) + 1) / (len(known) + 2)
    return len(silent) >= least and (1 - share) ** len(silent) < CHANCE


def _silent_runs(days: list[date], counts: Counts) -> Iterator[list[date]]:
    """Yield the stretches of days without any row."""
    run: list[date] = []
    for day in days:
        if not counts.get(day, 0):
            run.append(day)
        elif run:
            yield run
            run = []
    if run:
        yield run
