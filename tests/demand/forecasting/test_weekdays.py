"""Factors of weekdays: by hand, and from panels."""

import numpy as np
import pytest
from panels import DAY, SATURDAY, panel_of

from lakeshop.demand.forecasting.weekdays import (
    PRIOR_LINES,
    first_weekday,
    panel_weekdays,
    target_factors,
    weekday_factors,
)


def test_weekday_factors_by_hand():
    # 56 lines of 56 product-days, 8 of each weekday: one line a day, 8 expected per weekday.
    # Mixed with 8 lines of an even week: Monday (14 + 8) / (8 + 8) = 1.375, the others
    # (7 + 8) / 16 = 0.9375; their mean is (1.375 + 6 * 0.9375) / 7 = 1, so nothing to divide.
    lines = np.array([[14, 7, 7, 7, 7, 7, 7]])
    found = weekday_factors(lines, np.full((1, 7), 8), 8)
    assert found.tolist() == [[1.375, *[0.9375] * 6]]


def test_weekdays_with_more_product_days_are_not_taken_for_better_ones():
    # Every product-day has two lines, but there are three times as many Mondays: all factors 1.
    exposure = np.array([[30, 10, 10, 10, 10, 10, 10]])
    assert weekday_factors(2 * exposure, exposure, 50) == pytest.approx(np.ones((1, 7)))


def test_weekday_factors_average_one_and_are_above_zero():
    random = np.random.default_rng(1)
    lines, exposure = random.integers(0, 900, (2, 200, 7))
    found = weekday_factors(lines, exposure, PRIOR_LINES)
    assert found.mean(axis=1) == pytest.approx(np.ones(200), abs=1e-12)
    assert found.min() > 0


@pytest.mark.parametrize("exposure", [0, 8])
def test_without_lines_all_weekdays_are_even(exposure):
    lines = np.zeros((1, 7), np.int64)
    assert weekday_factors(lines, np.full((1, 7), exposure), 50).tolist() == [[1.0] * 7]


TRUE = np.array([0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6])


def sold(rate, n, days=200, seed=1):
    of_day = (SATURDAY + 1 - days + np.arange(days)) % 7
    return np.random.default_rng(seed).poisson(rate * TRUE[of_day], (n, days)).astype(float)


@pytest.mark.parametrize("rate", [0.05, 1.0, 60.0])
def test_weekdays_of_slow_and_of_fast_series_are_found(rate):
    panel = panel_of(sold(rate, 200))
    found = panel_weekdays(panel, np.zeros(200, np.int64))
    assert found.shape == (200, 7)
    assert np.abs(found[0] - TRUE).max() < 0.2


def test_each_series_has_the_factors_of_its_group_and_none_those_of_the_shop():
    units = np.concatenate([sold(1, 50), sold(1, 50)[:, ::-1]])
    group = np.repeat([0, 1], 50)
    found = panel_weekdays(panel_of(units), group)
    alone = panel_weekdays(panel_of(units[50:]), np.zeros(50, np.int64))
    np.testing.assert_array_equal(found[50:], alone)
    nobodys = panel_weekdays(panel_of(units), np.where(group == 0, -1, 0))
    shop = panel_weekdays(panel_of(units), np.zeros(100, np.int64))
    np.testing.assert_array_equal(nobodys[:50], shop[:50])
    np.testing.assert_array_equal(nobodys[50:], alone)


def test_large_units_do_not_make_a_weekday_and_older_days_are_not_read():
    units = sold(1, 50)
    plain = panel_weekdays(panel_of(units), np.zeros(50, np.int64))
    loud = units.copy()
    loud[0, -1], loud[:, :100] = 1e9, 500
    found = panel_weekdays(panel_of(loud), np.zeros(50, np.int64))
    assert found == pytest.approx(plain, abs=0.02)


def test_the_order_of_series_does_not_count():
    units, group = sold(2, 60) * 0.1, np.arange(60) % 3
    order = np.random.default_rng(2).permutation(60)
    found = panel_weekdays(panel_of(units[order]), group[order])
    np.testing.assert_array_equal(found, panel_weekdays(panel_of(units), group)[order])


def test_days_sold_out_are_no_weak_weekday():
    units, exposure = sold(3, 100), np.ones((100, 200))
    of_day = (SATURDAY + 1 - 200 + np.arange(200)) % 7
    exposure[:50, of_day == 6] = 0
    units[exposure == 0] = 0
    found = panel_weekdays(panel_of(units, exposure), np.zeros(100, np.int64))
    assert found[0] == pytest.approx(TRUE, rel=0.15)


def test_days_know_their_weekday():
    panel = panel_of(np.ones((1, 10)), horizon=3)
    assert DAY.weekday() == SATURDAY
    assert first_weekday(panel) == 3
    weekdays = np.arange(1.0, 8.0)[None]
    assert target_factors(panel, weekdays).tolist() == [[7, 1, 2]]


def test_short_and_empty_panels_have_even_weekdays():
    assert panel_weekdays(panel_of(np.zeros((2, 3))), np.array([0, -1])).tolist() == [[1.0] * 7] * 2
    assert panel_weekdays(panel_of(np.zeros((0, 9))), np.zeros(0, np.int64)).shape == (0, 7)
