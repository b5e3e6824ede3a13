"""Days that tell of demand: unknown and closed ones do not, nor do holidays without a sale."""

from datetime import date, timedelta

import pytest

from lakeshop.config.settings import Settings
from lakeshop.dates import days_between
from lakeshop.demand.calendar import holidays_of
from lakeshop.demand.open_days import OpenDays, open_days
from lakeshop.demand.settings import DemandSettings

FIRST, DAY = date(2025, 10, 1), date(2026, 5, 1)  # a public holiday of Germany, on a Friday
HOLIDAYS = holidays_of("DE", 2025, 2026)


@pytest.fixture(scope="module")
def options(settings: Settings) -> DemandSettings:
    section = settings.section(DemandSettings)
    return section.model_copy(update={"country": "DE", "horizon_days": 28, "history_days": 392})


def sold(*, without: frozenset[date] = frozenset()) -> dict[date, int]:
    """A hundred lines a day of a shop that is closed on Sundays."""
    days = days_between(FIRST, DAY)
    return {day: 100 for day in days if day.weekday() != 6 and day not in without}


def ahead(found: OpenDays) -> set[date]:
    return {DAY + timedelta(days=n) for n in found.closed}


def silent(found: OpenDays) -> set[date]:
    return {DAY - timedelta(days=age) for age in found.silent}


SUNDAYS = {date(2026, 5, day) for day in (3, 10, 17, 24)}


def test_a_shop_closed_on_holidays_is_closed_on_those_ahead(options: DemandSettings) -> None:
    found = open_days(sold(without=HOLIDAYS), DAY, None, options)
    assert ahead(found) == SUNDAYS | {date(2026, 5, 14), date(2026, 5, 25)}
    assert HOLIDAYS & set(days_between(FIRST, DAY)) <= silent(found)
    assert {day.weekday() for day in silent(found) - HOLIDAYS} == {6}


def test_a_shop_open_on_holidays_is_open_on_those_ahead(options: DemandSettings) -> None:
    found = open_days(sold(), DAY, None, options)
    assert ahead(found) == SUNDAYS
    christmas = {date(2025, 12, 25), date(2025, 12, 26)}
    found = open_days(sold(without=frozenset(christmas)), DAY, None, options)
    assert ahead(found) == SUNDAYS
    assert christmas <= silent(found)


def test_few_sales_on_a_holiday_are_what_they_seem(options: DemandSettings) -> None:
    holiday, other = date(2026, 4, 3), date(2026, 4, 10)
    found = open_days(sold() | {holiday: 5, other: 5}, DAY, None, options)
    assert other in silent(found)
    assert holiday not in silent(found)


def test_what_the_shop_says_of_its_weekdays_holds(options: DemandSettings) -> None:
    two_weeks = dict.fromkeys(days_between(DAY - timedelta(days=13), DAY), 100)
    weekdays = frozenset(range(5))
    open_ = {day: n for day, n in two_weeks.items() if day.weekday() in weekdays}
    assert {day.weekday() for day in ahead(open_days(open_, DAY, weekdays, options))} == {5, 6}
    assert not open_days(two_weeks, DAY, weekdays, options).closed
    assert not open_days(open_, DAY, None, options).closed, "two weeks are too few to learn it"


def test_without_any_sale_nothing_is_known(options: DemandSettings) -> None:
    assert open_days({}, DAY, None, options) == OpenDays()
