"""The population stability index, against its definition."""

import math

import numpy as np
import pytest

from lakeshop.ml.drift import population_stability_index


def normal(seed, n=20_000, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, n)


def test_the_same_values_have_not_moved():
    values = np.append(normal(1), [np.nan, np.inf])
    assert population_stability_index(values, values[::-1]) == 0.0


def test_a_second_draw_is_stable_and_a_shift_is_a_change():
    assert population_stability_index(normal(1), normal(2)) < 0.01
    assert 0.7 < population_stability_index(normal(1), normal(2, mean=1)) < 1.1


def test_it_is_the_sum_over_deciles():
    then, now = normal(1), normal(2, mean=0.3)
    edges = np.quantile(then, np.linspace(0, 1, 11)[1:-1], method="inverted_cdf")
    p = np.bincount(np.searchsorted(edges, now), minlength=10) / len(now)
    q = np.bincount(np.searchsorted(edges, then), minlength=10) / len(then)
    expected = np.sum((p - q) * np.log(p / q))
    assert population_stability_index(then, now) == pytest.approx(expected, rel=0.02)


def test_missing_values_are_a_bin_of_their_own():
    then, now = normal(1), normal(1)
    now[:10_000] = np.nan
    assert population_stability_index(then, now) > 1
    assert population_stability_index(np.full(100, np.nan), np.full(100, np.nan)) == 0.0
    assert population_stability_index(np.full(100, np.nan), np.ones(100)) > 1


@pytest.mark.parametrize("value", [-1e30, 0.0, 3.0, np.inf])
def test_a_constant_that_changes_has_moved(value):
    ones = np.ones(100)
    assert population_stability_index(ones, ones) == 0.0
    assert population_stability_index(ones, np.full(100, value)) > 1


def test_a_mostly_constant_count_has_a_bin_for_its_constant():
    then = np.r_[np.zeros(990), np.arange(1, 11)]
    now = np.r_[np.zeros(890), np.arange(1, 11).repeat(11)]
    assert population_stability_index(then, now) > 0.2
    assert population_stability_index(then, np.random.default_rng(1).permutation(then)) == 0.0


def test_a_flag_that_is_mostly_set_is_not_a_single_bin():
    then = np.r_[np.ones(95), np.zeros(5)]
    assert population_stability_index(then, np.r_[np.ones(60), np.zeros(40)]) > 0.5


def test_infinite_values_are_the_outermost():
    then = normal(1)
    now = then.copy()
    now[then > 2] = np.inf
    now[then < -2] = -np.inf
    assert population_stability_index(then, now) == 0.0


def test_no_rows_no_index():
    assert math.isnan(population_stability_index([], [1.0]))
    assert math.isnan(population_stability_index([1.0], []))


def test_none_is_missing():
    assert population_stability_index([None, 1.0, 2.0], [1.0, np.nan, 2.0]) == 0.0
