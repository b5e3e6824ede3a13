"""Errors of forecasts against plain loops, utilsforecast's formulas written out, and by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from lakeshop.ml import forecast_metrics as metrics

ONES = np.ones((2, 3))


def draw(seed, n=30, days=60, horizon=14):
    chance = np.random.default_rng(seed)
    rate = np.exp(chance.uniform(-2, 2, (n, 1)))
    units = chance.poisson(rate, (n, days + horizon)).astype(float)
    units[:, :5] = 0
    exposure = (chance.random((n, days)) < 0.9).astype(float)
    weight = (chance.random((n, horizon)) < 0.9).astype(float)
    mean = rate * chance.uniform(0.5, 1.5, (n, horizon))
    return units[:, :days], exposure, units[:, days:], mean, weight


def loop_scale(units, exposure, lag, power):
    first = np.flatnonzero((units > 0) & (exposure > 0))
    places = range(first[0] + lag, len(units)) if len(first) else []
    found = [
        abs(units[t] - units[t - lag]) ** power for t in places if exposure[t] and exposure[t - lag]
    ]
    return np.mean(found) if found and np.mean(found) > 0 else np.nan


@pytest.mark.parametrize("seed", range(3))
def test_scales_and_scaled_errors_by_a_loop(seed):
    units, exposure, actual, mean, weight = draw(seed)
    scales = metrics.scales(units, exposure)
    for found, (lag, power) in zip(scales, [(1, 2), (1, 1), (7, 1)], strict=True):
        expected = [loop_scale(*row, lag, power) for row in zip(units, exposure, strict=True)]
        np.testing.assert_allclose(found, expected)
    rmsse = metrics.rmsse(actual, mean, scales.squared, weight)
    mase = metrics.mase(actual, mean, scales.seasonal, weight)
    for row in range(len(units)):
        days = weight[row] > 0
        errors = mean[row, days] - actual[row, days]
        expected = np.sqrt(np.mean(errors**2) / scales.squared[row])
        np.testing.assert_allclose(rmsse[row], expected)
        np.testing.assert_allclose(mase[row], np.mean(np.abs(errors)) / scales.seasonal[row])


@pytest.mark.parametrize("level", [0.05, 0.5, 0.975])
def test_pinball_is_that_of_scikit_learn(level):
    _, _, actual, mean, weight = draw(4)
    found = metrics.scaled_pinball(
        actual, mean[:, :, None], np.array([level]), np.full(30, 2.0), weight
    )
    for row in range(30):
        days = weight[row] > 0
        expected = mean_pinball_loss(actual[row, days], mean[row, days], alpha=level) / 2
        np.testing.assert_allclose(found[row, 0], expected)


def test_errors_by_hand():
    actual, mean = np.array([[2.0, 0, 4], [1, 1, 2]]), np.array([[1.0, 1, 4], [3, 1, 1]])
    # errors -1, 1, 0 and 2, 0, -1; 10 units sold
    assert metrics.wape(actual, mean, ONES) == 0.5
    assert metrics.wape(actual, mean, ONES, days=3) == 0.1  # 0 and 1
    assert metrics.wape(actual, mean, ONES, days=2) == (0 + 2) / 4  # the last day is left over
    assert metrics.bias(actual, mean, ONES) == 0.1
    assert metrics.weighted(np.array([1.0, 3, np.nan]), np.array([3.0, 1, 9])) == 1.5


def test_days_of_weight_0_or_without_a_value_are_left_out():
    actual, mean = np.array([[2.0, 0, 4, 99, 5]]), np.array([[1.0, 1, 4, 1, np.nan]])
    weight = np.array([[1.0, 1, 1, 0, 1]])
    assert metrics.wape(actual, mean, weight) == 2 / 6
    assert metrics.bias(actual, mean, weight) == 0
    assert metrics.rmsse(actual, mean, np.ones(1), weight) == np.sqrt(2 / 3)
    assert metrics.coverage(actual, mean[:, :, None], weight).below[0] == 1 / 3


def test_weights_count_as_often_as_they_say():
    actual, mean = np.array([[2.0, 0, 4]]), np.array([[1.0, 3, 4]])
    twice = np.array([[2.0, 1, 1]])
    again, again_mean = actual[:, [0, 0, 1, 2]], mean[:, [0, 0, 1, 2]]
    for figure in (metrics.wape, metrics.bias):
        assert figure(actual, mean, twice) == figure(again, again_mean, np.ones((1, 4)))
    found = metrics.rmsse(actual, mean, np.ones(1), twice)
    assert found == pytest.approx(metrics.rmsse(again, again_mean, np.ones(1), np.ones((1, 4))))


def test_coverage_of_counts_lies_on_both_sides():
    actual = np.array([[0.0, 0, 1, 2]])
    quantiles = np.broadcast_to([0.0, 1.0], (1, 4, 2))
    found = metrics.coverage(actual, quantiles, np.ones((1, 4)))
    assert found.below.tolist() == [0, 0.5]
    assert found.up_to.tolist() == [0.5, 0.75]


def test_undefined_metrics_are_nan():
    zeros, nobody = np.zeros((2, 3)), np.zeros((2, 3))
    assert np.isnan(metrics.scales(zeros, ONES)).all()
    assert np.isnan(metrics.scales(ONES, zeros)).all()
    assert np.isnan(metrics.scales(ONES[:, :1], ONES[:, :1])).all()
    assert np.isnan(metrics.scales(5 * ONES, ONES).squared).all()
    scale = metrics.scales(zeros, ONES)
    assert np.isnan(metrics.rmsse(ONES, ONES, scale.squared, ONES)).all()
    assert np.isnan(metrics.mase(ONES, ONES, np.ones(2), nobody)).all()
    for figure in (metrics.wape, metrics.bias):
        assert math.isnan(figure(zeros, ONES, ONES))
        assert math.isnan(figure(ONES, ONES, nobody))
    assert math.isnan(metrics.weighted(np.array([np.nan, 1.0]), np.array([1.0, 0.0])))
    assert np.isnan(metrics.coverage(ONES, ONES[:, :, None], nobody).up_to).all()
    empty = np.zeros((0, 3))
    assert math.isnan(metrics.wape(empty, empty, empty))
    assert metrics.rmsse(empty, empty, np.zeros(0), empty).shape == (0,)


def test_a_gap_and_a_spike_in_the_history_have_a_scale():
    units, exposure = np.ones((1, 300)), np.ones((1, 300))
    exposure[0, 50:250], units[0, 50:250], units[0, 280] = 0, 0, 1e9
    found = metrics.scales(units, exposure)
    assert found.absolute[0] == pytest.approx(2 * (1e9 - 1) / 98)


def test_unequal_shapes_are_an_error():
    with pytest.raises(ValueError, match=r"should have one shape.*\(2, 3\), \(2, 2\) and \(2, 3\)"):
        metrics.wape(ONES, ONES[:, :2], ONES)


def test_a_series_does_not_depend_on_those_beside_it():
    units, exposure, actual, mean, weight = draw(5)
    rows = [7, 2, 19]
    whole, part = metrics.scales(units, exposure), metrics.scales(units[rows], exposure[rows])
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a[rows], b)
    found = metrics.rmsse(actual, mean, whole.squared, weight)[rows]
    alone = metrics.rmsse(actual[rows], mean[rows], part.squared, weight[rows])
    np.testing.assert_array_equal(found, alone)
