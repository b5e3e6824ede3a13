"""Business dates, one by one and in stretches."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

LONGEST_STRETCH = 400  # days: within the look-back, a range finds the duplicates its nights find


def days_between(first: date, last: date) -> list[date]:
    """All days from `first` to `last`, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def newest_weekday(weekday: int, last: date) -> date:
    """The newest day up to `last` that is the given weekday, 0 for Monday."""
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def contiguous_ranges(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """First and last day of each stretch without a gap, none longer than `LONGEST_STRETCH`."""
    open_: list[date] = []
    for day in sorted(days):
        if open_ and (day - open_[-1] > timedelta(days=1) or len(open_) == LONGEST_STRETCH):
            yield open_[0], open_[-1]
            open_ = []
        open_.append(day)
    if open_:
        yield open_[0], open_[-1]
