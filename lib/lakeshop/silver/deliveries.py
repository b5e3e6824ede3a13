"""Warnings of days on which an entity should have come, by what came on the days before."""

from collections.abc import Iterator
from datetime import date, timedelta

from lakeshop.dates import contiguous_ranges, days_between
from lakeshop.engine.run import Run
from lakeshop.events import in_words
from lakeshop.sources.expected_days import WEEK, WEEKS, unknown_days

# With rows, before any is expected of an optional entity, or of one that comes as it changes.
LEAST_DAYS = WEEK
REACH = timedelta(days=2 * WEEKS * WEEK)
SHOWN = 7  # days that are named one by one
UNKNOWN = {"transactions": "; to forecasts the day is unknown, not one without demand"}


def delivery_warnings(run: Run, name: str, first: date, last: date) -> tuple[str, ...]:
    """Warn of days that brought no row of an entity, or far too few.

    The days are those of a range and those that no run was asked for before it. A table of a
    database says nothing by a day without changes.
    """
    entity, table = run.settings.shop.entities[name], f"bronze.{name}"
    if entity.jdbc is not None:
        return ()
    counts = run.ledger.rows_by_day(table, last - REACH, last)
    failed = run.ledger.failed_days(table, None, None)
    before = max((day for day in counts if day < first), default=first - timedelta(days=1))
    comes_as_it_changes = run.lake.contract(f"silver.{name}").rows == "version"
    least = LEAST_DAYS if entity.required is False or comes_as_it_changes else 1
    unknown = unknown_days(counts, last, entity.expected_weekdays, least_days=least)
    told = [day for day in unknown if day > before and day not in failed]
    about = UNKNOWN.get(name, "")
    few = [f"{counts[day]} on {day}" for day in told if counts.get(day)]
    return (
        *(f"{text}{about}" for text in _empty([day for day in told if not counts.get(day)])),
        *([f"far fewer rows than usual: {', '.join(few[:SHOWN])}{about}"] if few else []),
    )


def _empty(days: list[date]) -> Iterator[str]:
    for first, last in contiguous_ranges(days):
        listed = days_between(first, last)
        named = ", ".join(map(str, listed)) if len(listed) <= SHOWN else in_words(first, last)
        yield f"nothing was delivered for {named}, where rows were expected"
