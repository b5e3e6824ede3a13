"""Calibrated quantiles keep their promise on days that they have not seen, and never cross."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeshop.demand.forecasting.calibration import (
    BINS,
    EDGES,
    MILLIONTHS,
    calibrated_levels,
    histograms,
    level_map,
    shares,
    week_band,
)
from lakeshop.demand.forecasting.distribution import probability_interval, quantiles
from lakeshop.ml.forecast_metrics import coverage

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
N, DAYS = 300, 28


def sold(seed, dispersion, biased=1.0):
    """Counts of that dispersion, and means that are off by a factor."""
    chance = np.random.default_rng(seed)
    mean = np.exp(np.random.default_rng(9).uniform(-2, 3, (N, 1))) * np.ones(DAYS)
    return chance.poisson(chance.gamma(1 / dispersion, dispersion * mean)).astype(
        float
    ), mean / biased


def histogram_of(units, mean, dispersion, is_fractional=None):
    fractions = np.zeros(N, bool) if is_fractional is None else is_fractional
    low, high = probability_interval(mean, np.full_like(mean, dispersion), units, fractions)
    group = np.zeros(units.size, np.int64)
    return histograms(low.ravel(), high.ravel(), np.ones(units.size), group, 1)[0]


def quantiles_at(levels, mean, dispersion):
    every = np.broadcast_to(levels, (*mean.shape, len(levels)))
    return quantiles(mean, np.full_like(mean, dispersion), every, np.zeros(N, bool))


@pytest.mark.parametrize(
    ("forecast_dispersion", "biased"), [(0.0, 1.0), (3.0, 1.0), (0.8, 1.5), (0.0, 0.7)]
)
def test_a_wrong_forecast_is_right_after_calibration_on_fresh_days(forecast_dispersion, biased):
    units, mean = sold(1, 0.8, biased)
    moved = level_map(histogram_of(units, mean, forecast_dispersion), LEVELS)
    fresh, _ = sold(2, 0.8)
    found = coverage(fresh, quantiles_at(moved, mean, forecast_dispersion), np.ones_like(fresh))
    assert (found.below <= LEVELS + 0.02).all()
    assert (found.up_to >= LEVELS - 0.02).all()
    before = coverage(fresh, quantiles_at(LEVELS, mean, forecast_dispersion), np.ones_like(fresh))
    is_right = (before.below <= LEVELS + 0.02) & (before.up_to >= LEVELS - 0.02)
    assert not is_right.all()


def test_a_right_forecast_stays():
    units, mean = sold(3, 0.8)
    assert level_map(histogram_of(units, mean, 0.8), LEVELS) == pytest.approx(LEVELS, abs=0.02)


def test_without_days_levels_stay_and_few_days_move_them_little():
    none = np.zeros(BINS, np.int64)
    assert level_map(none, LEVELS) == pytest.approx(LEVELS, abs=1e-12)
    few = none.copy()
    few[-1] = 5 * MILLIONTHS  # five days, all above what was thought possible
    moved = level_map(few, LEVELS)
    assert (moved > LEVELS - 1e-3).all()
    assert moved[:7] == pytest.approx(LEVELS[:7] * 1.05, abs=0.004)
    assert level_map(1000 * few, LEVELS)[0] > 0.9


def test_days_that_depend_on_one_another_are_believed_less():
    units, mean = sold(4, 0.8)
    counts = histogram_of(units, mean, 0.0)
    all_days, few = level_map(counts, LEVELS), level_map(counts, LEVELS, days=20)
    assert (np.abs(few - LEVELS) < np.abs(all_days - LEVELS) + 1e-9)[[0, 1, 2, 5, 6]].all()


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 10**9), min_size=BINS, max_size=BINS),
    levels=st.lists(st.floats(1e-6, 1 - 1e-6), min_size=2, max_size=8).map(sorted),
    mean=st.floats(0, 1e5),
    dispersion=st.floats(0, 20),
)
def test_calibrated_quantiles_never_cross_and_are_never_below_0(counts, levels, mean, dispersion):
    moved = level_map(np.array(counts), np.array(levels))
    assert ((moved > 0) & (moved < 1)).all()
    assert (np.diff(moved) >= 0).all()
    found = quantiles(
        np.array([[mean]]), np.array([[dispersion]]), moved[None, None], np.zeros(1, bool)
    )
    assert (np.diff(found) >= 0).all()
    assert (found >= 0).all()


def loop_histogram(low, high, mass):
    overlap = np.clip(np.minimum(EDGES[1:], high) - np.maximum(EDGES[:-1], low), 0, None)
    return mass * overlap / (high - low)


def test_a_day_is_spread_evenly_and_without_rest():
    chance = np.random.default_rng(5)
    ends = np.sort(chance.random((2, 200)), axis=0)
    ends[:, 0], ends[:, 1] = (0, 1), (0.999, 1.0)
    weight, group = chance.integers(0, 3, 200).astype(float), np.arange(200) % 2
    found = histograms(*ends, weight, group, 3)
    assert found.sum(axis=1).tolist() == [
        *(weight[group == g].sum() * MILLIONTHS for g in range(2)),
        0,
    ]
    for g in range(2):
        expected = sum(loop_histogram(*ends[:, i], weight[i]) for i in np.flatnonzero(group == g))
        np.testing.assert_allclose(found[g] / MILLIONTHS, expected, atol=1e-3)


def test_points_and_what_is_unknown():
    low = np.array([0.0, 1.0, 0.5, np.nan, 0.5, 1.2])
    weight = np.array([1.0, 1, 1, 1, 0, 1])
    found = histograms(low, low, weight, np.zeros(6, np.int64), 1)[0] // MILLIONTHS
    assert {int(b): int(found[b]) for b in np.flatnonzero(found)} == {0: 1, 100: 1, BINS - 1: 2}


def test_the_order_of_days_does_not_count():
    chance = np.random.default_rng(6)
    ends, order = np.sort(chance.random((2, 500)), axis=0), chance.permutation(500)
    group = np.zeros(500, np.int64)
    a = histograms(*ends, np.ones(500), group, 1)
    np.testing.assert_array_equal(histograms(*ends[:, order], np.ones(500), group, 1), a)


def test_a_band_of_few_days_follows_its_class_and_a_class_of_few_days_the_forecast():
    units, mean = sold(7, 0.8)
    counts = np.zeros((2, 4, BINS), np.int64)
    counts[0, 0] = histogram_of(units, mean, 0.0)
    found = calibrated_levels(counts, LEVELS)
    assert found.shape == (2, 4, 8)
    of_class = level_map(np.zeros(BINS, np.int64), LEVELS, prior=shares(counts[0, 0]))
    assert found[0, 3] == pytest.approx(of_class)
    assert np.abs(found[0, 3] - LEVELS).max() > 0.05
    assert found[1] == pytest.approx(np.broadcast_to(LEVELS, (4, 8)))


def test_weeks_of_the_horizon():
    assert week_band(np.array([1, 7, 8, 14, 21, 22, 28, 29, 60])).tolist() == [
        *(0, 0, 1, 1, 2, 3, 3, 3, 3)
    ]


def test_levels_are_moved_outwards_by_one_day_of_those_believed():
    """A forecast that is right on 900 days: of each level 1 / 900 times 0.9 * 0.9."""
    even = np.rint(np.diff(EDGES) * 900 * MILLIONTHS).astype(np.int64)
    step = 900 / 1000**2
    expected = [0.9 * (1 + step), 0.95 * (1 + step), (1 + 0.9999) / 2]
    assert level_map(even, np.array([0.9, 0.95, 0.9999])) == pytest.approx(expected, abs=1e-6)
    below = [0.0001 / 2, 0.05 - 0.95 * step, 0.1 - 0.9 * step]
    assert level_map(even, np.array([0.0001, 0.05, 0.1])) == pytest.approx(below, abs=1e-6)
