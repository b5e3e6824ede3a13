"""Newcomers between what their kind sold and what they sell themselves."""

import numpy as np
import pytest
from panels import EVEN, HORIZON, SATURDAY, draw_weekdays, panel_of

from lakeshop.demand.forecasting.cold_start import by_analogy, priors


def begun(rates, days=150, seed=1):
    """Series that begin within the panel with a sale; none before."""
    chance = np.random.default_rng(seed)
    units = chance.poisson(np.asarray(rates)[:, None], (len(rates), days)).astype(float)
    start = chance.integers(5, days - 56, len(rates))
    is_before = np.arange(days) < start[:, None]
    units[np.arange(len(rates)), start] = np.maximum(units[np.arange(len(rates)), start], 1)
    return panel_of(np.where(is_before, 0, units), np.where(is_before, 0, 1))


def evens(panel):
    return np.ones((len(panel), 7))


def test_level_and_strength_of_a_group_are_found_again():
    rates = np.random.default_rng(2).gamma(2.0, 0.25, 2000)  # mean 0.5, strength 1 / 0.25 = 4
    panel = begun(rates)
    found = priors(panel, evens(panel), np.zeros(2000, np.int64), 1)
    assert found.level[0] == pytest.approx(0.5, rel=0.05)
    assert found.strength[0] == pytest.approx(4, rel=0.15)


def test_a_first_day_with_a_sale_does_not_lift_the_level():
    panel = begun(np.full(2000, 0.02))
    found = priors(panel, evens(panel), np.zeros(2000, np.int64), 1)
    assert found.level[0] == pytest.approx(0.02, rel=0.1)


def test_groups_alike_count_for_long_and_groups_without_beginners_take_the_established():
    panel = begun(np.full(200, 2.0))
    units, exposure = panel.units.copy(), panel.exposure.copy()
    units[100:], exposure[100:] = 3.0, 1.0
    group = np.repeat([0, 1, -1], [100, 90, 10])
    found = priors(panel_of(units, exposure), evens(panel), group, 3)
    assert found.level[:2] == pytest.approx([2, 3], rel=0.05)
    assert found.strength[0] > 30
    assert found.strength[1] == 14
    assert np.isnan(found.level[2])


def test_series_that_began_less_than_56_days_ago_are_not_read():
    older, days = begun(np.full(100, 1.0)), 150
    is_young = np.arange(days) >= days - 55
    units = np.concatenate([older.units, np.where(is_young, 9.0, 0) * np.ones((100, 1))])
    exposure = np.concatenate([older.exposure, is_young * np.ones((100, 1))])
    panel = panel_of(units, exposure)
    found = priors(panel, evens(panel), np.zeros(200, np.int64), 1)
    alone = priors(older, evens(older), np.zeros(100, np.int64), 1)
    assert (found.level, found.strength) == (alone.level, alone.strength)


def test_means_by_hand():
    # Days of 9 (left out), 1, 3: 4 units in 2 days; 14 days of 0.5: (4 + 7) / (2 + 14).
    units, exposure = [[0, 0, 9, 1, 3]], [[0, 0, 1, 1, 1]]
    means, is_prior = by_analogy(
        panel_of(units, exposure), EVEN[None], np.array([0.5]), np.array([14.0])
    )
    assert means.tolist() == [[11 / 16] * HORIZON]
    assert is_prior.tolist() == [True]


def test_own_days_outweigh_the_prior_in_time():
    panel = panel_of(np.full((1, 100), 4.0))
    means, is_prior = by_analogy(panel, EVEN[None], np.array([1.0]), np.array([14.0]))
    assert means[0, 0] == pytest.approx((99 * 4 + 14) / 113)
    assert not is_prior[0]


def test_a_first_day_without_a_sale_counts():
    means, _ = by_analogy(panel_of([[0, 2]]), EVEN[None], np.array([1.0]), np.array([2.0]))
    assert means[0, 0] == (2 + 2) / 4


def test_without_own_days_it_is_the_prior_by_the_weekday():
    weekdays = draw_weekdays(1, 1)
    panel = panel_of(np.ones((1, 9)), np.zeros((1, 9)))
    means, is_prior = by_analogy(panel, weekdays, np.array([2.0]), np.array([14.0]))
    targets = (SATURDAY + 1 + np.arange(HORIZON)) % 7
    assert means == pytest.approx(2 * weekdays[:, targets])
    assert is_prior.all()


@pytest.mark.parametrize("level", [np.nan, -1.0, np.inf])
def test_a_level_that_is_none_gives_nothing(level):
    means, is_prior = by_analogy(panel_of([[1, 2]]), EVEN[None], np.array([level]), np.ones(1))
    assert np.isnan(means).all()
    assert not is_prior.any()


def test_a_series_does_not_depend_on_those_beside_it():
    panel, weekdays = begun(np.random.default_rng(1).gamma(1, 1, 40)), draw_weekdays(4)
    level, strength, rows = np.linspace(0.1, 3, 40), np.linspace(2, 50, 40), [20, 3]
    whole, _ = by_analogy(panel, weekdays, level, strength)
    alone, _ = by_analogy(panel.take(rows), weekdays[rows], level[rows], strength[rows])
    np.testing.assert_array_equal(whole[rows], alone)
