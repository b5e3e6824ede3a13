"""Days that should have brought rows: expected, far too few, closed; by the days before alone."""

from datetime import date, timedelta

import pytest

from lakeshop.dates import days_between
from lakeshop.sources.expected_days import closed_days, unknown_days

MONDAY = date(2026, 1, 5)


def day(n):
    return MONDAY + timedelta(days=n)


def counts(n, rows=40, weekdays=range(7), without=()):
    """Rows of n days from a Monday on."""
    days = [d for d in range(n) if day(d).weekday() in weekdays and d not in without]
    return {day(d): rows for d in days}


def unknown(found, last, weekdays=None, **options):
    return [(d - MONDAY).days for d in unknown_days(found, day(last), weekdays, **options)]


@pytest.mark.parametrize("without", [[2], [2, 3], [20], [30, 31, 32, 37, 38]])
def test_a_missing_day_of_a_daily_shop_is_unknown(without):
    assert unknown(counts(50, without=without), 49) == without


def test_a_day_is_judged_by_the_days_before_it_alone():
    found = counts(100, without=[8, 30, 77])
    for last in (8, 20, 30, 76):
        assert unknown(found, last) == [n for n in (8, 30, 77) if n <= last]


def test_of_a_closed_weekday_the_first_day_alone_is_unknown():
    found = counts(60, weekdays=range(6))
    assert unknown(found, 59) == [6]
    closed = closed_days(found, day(59))
    assert closed.weekdays == {6}
    assert closed.days == {day(n) for n in range(6, 60, 7)}


def test_two_closed_weekdays_and_a_lost_week():
    lost = range(28, 35)
    found = counts(80, weekdays=range(5), without=lost)
    assert closed_days(found, day(79)).weekdays == {5, 6}
    assert unknown(found, 79) == [5, 6, 28, 29, 30, 31, 32]


def test_a_weekday_is_closed_after_four_weeks_and_open_again_with_a_sale():
    found = counts(140, weekdays=range(6))
    assert not closed_days(found, day(21)).weekdays
    assert closed_days(found, day(27)).weekdays == {6}
    again = found | {day(104): 40}  # a Sunday
    assert closed_days(again, day(103)).weekdays == {6}
    assert not closed_days(again, day(125)).weekdays
    assert day(20) in closed_days(again, day(125)).days, "it was closed then"


@pytest.mark.parametrize("every", [2, 3, 5])
def test_of_a_shop_that_sells_now_and_then_nothing_is_unknown_or_closed(every):
    found = {day(n): 1 for n in range(0, 200, every)}
    assert unknown(found, 199) == [*range(1, every)], "after one day of one"
    assert not closed_days(found, day(199)).weekdays


def test_far_too_few_is_no_chance():
    assert unknown(counts(50) | {day(40): 7}, 49) == [40]
    assert unknown(counts(50) | {day(40): 8}, 49) == []
    assert unknown(counts(50, rows=5) | {day(40): 1}, 49) == []
    assert unknown(counts(50) | {day(20): 1}, 49) == [], "two Sundays do not tell a usual count"


def test_what_the_shop_says_holds():
    weekdays = frozenset(range(5))
    found = counts(15, weekdays=range(5), without=[1, 8])
    assert unknown(found, 14, weekdays) == [1, 8]
    assert closed_days(found, day(14), weekdays).weekdays == {5, 6}
    assert unknown(found, 14, frozenset()) == []
    daily = frozenset(range(7))
    assert unknown(found, 14, daily) == [1, 5, 6, 8, 12, 13]
    assert not closed_days(counts(60, weekdays=range(6)), day(59), daily).weekdays
    assert unknown({day(0): 0}, 0, weekdays) == [0], "nothing ever came"


def test_sales_on_days_without_a_delivery_are_no_closed_days():
    """What is sold at a weekend is delivered on Monday."""
    found = counts(27)
    assert not closed_days(found, day(26), frozenset(range(5))).weekdays


def test_an_optional_entity_is_expected_after_a_week_of_days():
    once = {day(0): 900}
    assert unknown(once, 30, least_days=7) == []
    assert unknown(counts(10), 12, least_days=7) == [10, 11, 12]


def test_without_any_row_nothing_is_known():
    assert not [*unknown_days({}, day(3))]
    assert closed_days({}, day(3)).days == frozenset()
    assert days_between(day(0), day(3))
