"""Quantiles and probabilities against SciPy, and dispersion found again where it was put in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import draw, draw_weekdays, panel_of
from scipy import stats

from lakeshop.demand.forecasting.dispersion import dispersion_of, moments, pooled
from lakeshop.demand.forecasting.distribution import cdf, probability_interval, quantiles
from lakeshop.demand.forecasting.panel import counted

LEVELS = np.array([0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999])
MEANS = np.array([0.001, 0.05, 0.7, 1.0, 3.3, 20.0, 150.0, 499.0])
DISPERSIONS = [0.0, 1e-6, 0.05, 0.5, 2.0, 20.0]


def quantiles_of(mean, dispersion, levels=LEVELS, is_fractional=False):
    """Quantiles of one row of means."""
    row = np.atleast_2d(np.asarray(mean, float))
    every = np.broadcast_to(levels, (*row.shape, len(levels)))
    return quantiles(row, np.full_like(row, dispersion), every, np.array([is_fractional]))[0]


def oracle(mean, dispersion):
    if dispersion == 0:
        return stats.poisson(mean)
    return stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))


@pytest.mark.parametrize("dispersion", DISPERSIONS)
def test_quantiles_of_counts_are_those_of_scipy(dispersion):
    found = quantiles_of(MEANS, dispersion)
    for mean, row in zip(MEANS, found, strict=True):
        assert row.tolist() == oracle(mean, dispersion).ppf(LEVELS).tolist()


@pytest.mark.parametrize("dispersion", DISPERSIONS)
def test_probabilities_of_counts_are_those_of_scipy(dispersion):
    units = np.array([-1.0, 0, 0.5, 1, 2, 7, 30, 200, 1000, 1e9])
    for mean in MEANS:
        row = np.full((1, len(units)), mean)
        found = cdf(row, np.full_like(row, dispersion), units[None], np.array([False]))[0]
        np.testing.assert_allclose(found, oracle(mean, dispersion).cdf(units), atol=1e-9)


@pytest.mark.parametrize("mean", [501.0, 5_000.0, 1e6])
@pytest.mark.parametrize("dispersion", [0.0, 0.01, 1.0])
def test_large_counts_are_right_within_a_unit_or_a_thousandth_of_their_spread(mean, dispersion):
    found = quantiles_of([mean], dispersion)[0]
    expected = oracle(mean, dispersion).ppf(LEVELS)
    deviation = np.sqrt(mean + dispersion * mean**2)
    assert np.abs(found - expected).max() <= max(2, deviation / 200)
    row, units = np.full((1, len(LEVELS)), mean), expected[None]
    probability = cdf(row, np.full_like(row, dispersion), units, np.array([False]))[0]
    np.testing.assert_allclose(probability, oracle(mean, dispersion).cdf(expected), atol=0.003)


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_fractions_are_gamma_with_the_same_mean_and_variance(dispersion):
    for mean in (0.2, 3.0, 800.0):
        scale = 1 + dispersion * mean
        gamma = stats.gamma(mean / scale, scale=scale)
        assert gamma.var() == pytest.approx(mean + dispersion * mean**2)
        found = quantiles_of([mean], dispersion, is_fractional=True)[0]
        np.testing.assert_allclose(found, gamma.ppf(LEVELS), rtol=1e-9)
        row = np.full((1, len(LEVELS)), mean)
        probability = cdf(row, np.full_like(row, dispersion), found[None], np.array([True]))[0]
        np.testing.assert_allclose(probability, LEVELS, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    mean=st.floats(0, 1e6),
    dispersion=st.floats(0, 50),
    levels=st.lists(st.floats(0, 0.9999), min_size=2, max_size=6).map(sorted),
    is_fractional=st.booleans(),
)
def test_quantiles_never_cross_and_keep_what_they_say(mean, dispersion, levels, is_fractional):
    found = quantiles_of([mean], dispersion, np.array(levels), is_fractional)
    assert (found >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()
    row = np.full_like(found, mean)
    probability = cdf(row, np.full_like(row, dispersion), found, np.array([is_fractional]))
    # Of fractions with hardly any mean the quantile is less than the least number above 0.
    if not is_fractional or mean > 0.1 * (1 + dispersion * mean):
        assert (probability >= np.array(levels) - 1e-6).all()
    if not is_fractional:
        assert (found == np.floor(found)).all()


def test_nothing_expected_is_nothing_sold_and_what_is_unknown_stays_so():
    for is_fractional in (False, True):
        assert quantiles_of([0.0], 1.0, is_fractional=is_fractional).tolist() == [
            [0.0] * len(LEVELS)
        ]
        for mean, dispersion in ((np.nan, 1.0), (1.0, np.nan), (np.inf, 0.0), (-1.0, 0.0)):
            assert np.isnan(quantiles_of([mean], dispersion, is_fractional=is_fractional)).all()
    zero = np.zeros((1, 1))
    assert cdf(zero, zero, zero, np.array([True])).tolist() == [[1.0]]
    assert cdf(zero, zero, zero, np.array([False])).tolist() == [[1.0]]
    np.testing.assert_array_equal(quantiles_of(MEANS, -3.0), quantiles_of(MEANS, 0.0))


def test_the_interval_of_a_count_is_its_own_probability_and_a_fraction_has_none():
    mean, units = np.array([[2.0, 2.0], [2.0, 2.0]]), np.array([[0.0, 3.0], [0.5, 3.0]])
    low, high = probability_interval(mean, np.zeros((2, 2)), units, np.array([False, True]))
    np.testing.assert_allclose((high - low)[0], stats.poisson(2).pmf([0, 3]))
    assert low[0, 0] == 0
    np.testing.assert_array_equal(low[1], high[1])


@pytest.mark.parametrize("levels", [[0.5, 0.4], [0.5, 1.0], [-0.1, 0.5], [np.nan, 0.5]])
def test_levels_that_are_none_are_an_error(levels):
    with pytest.raises(ValueError, match=r"should ascend from 0 or more to less than 1"):
        quantiles_of([1.0], 0.0, np.array(levels))


def test_a_series_does_not_depend_on_those_beside_it():
    chance = np.random.default_rng(1)
    mean, dispersion = chance.gamma(0.5, 400, (20, 14)), chance.gamma(1, 1, (20, 14))
    levels, is_fractional = np.broadcast_to(LEVELS, (20, 14, 8)), np.arange(20) % 3 == 0
    rows = [11, 3, 0]
    whole = quantiles(mean, dispersion, levels, is_fractional)
    alone = quantiles(mean[rows], dispersion[rows], levels[rows], is_fractional[rows])
    np.testing.assert_array_equal(whole[rows], alone)


def simulated(rate, dispersion, n, days=112, seed=1):
    chance = np.random.default_rng(seed)
    means = np.full((n, days), rate)
    if dispersion:
        means = chance.gamma(1 / dispersion, dispersion * means)
    return chance.poisson(means).astype(float)


@pytest.mark.parametrize("dispersion", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("rate", [0.1, 2.0, 30.0])
def test_the_dispersion_of_a_class_is_found_again(rate, dispersion):
    panel = panel_of(simulated(rate, dispersion, 300))
    found = moments(panel, np.ones((300, 7)))
    of_class = pooled(found, np.full(300, "smooth"))["smooth"]
    assert of_class == pytest.approx(dispersion, abs=0.1 if rate > 1 else 0.4)


def test_fast_series_keep_their_own_dispersion_and_slow_ones_take_their_class():
    units = np.concatenate([simulated(rate, 0.3, 100, seed=2) for rate in (0.05, 30.0)])
    units[150:] = simulated(30.0, 2.0, 50, seed=3)
    found = moments(panel_of(units), np.ones((200, 7)))
    mixed = dispersion_of(found, np.full(200, 0.6))
    assert np.abs(mixed[:100] - 0.6).max() < 0.15
    assert np.median(mixed[100:150]) == pytest.approx(0.33, abs=0.06)
    assert np.median(mixed[150:]) > 1.2


def test_one_fast_series_does_not_speak_for_its_class():
    units = np.concatenate([simulated(1.0, 0.5, 300), simulated(200.0, 4.0, 3, seed=2)])
    found = moments(panel_of(units), np.ones((303, 7)))
    assert pooled(found, np.full(303, "smooth"))["smooth"] == pytest.approx(0.5, abs=0.15)


def test_moments_by_a_loop():
    panel, weekdays = draw(2), draw_weekdays(2)
    panel = panel_of(np.minimum(panel.units, 20), panel.exposure)
    found = moments(panel, weekdays)
    panel = counted(panel)
    of_day = (6 - panel.days + np.arange(panel.days)) % 7
    for row in range(len(panel)):
        last = np.flatnonzero(panel.exposure[row] > 0)[-112:]
        weight = panel.exposure[row, last] * weekdays[row, of_day[last]]
        sold, n = panel.units[row, last], len(last)
        if n < 2:
            continue
        mean = weight * sold.sum() / weight.sum()
        expected = ((sold - mean) ** 2).sum() * n / (n - 1) - mean.sum()
        np.testing.assert_allclose(found.excess[row], expected, atol=1e-9)
        np.testing.assert_allclose(found.squares[row], (mean**2).sum(), atol=1e-12)


def test_without_a_sale_or_a_day_the_class_is_believed_and_no_class_is_poisson():
    cases = panel_of(
        [np.zeros(120), np.ones(120), np.full(120, np.nan), [*np.zeros(119), 1e300]],
        [np.ones(120), np.zeros(120), np.ones(120), np.r_[np.zeros(119), 1]],
    )
    found = moments(cases, np.ones((4, 7)))
    assert dispersion_of(found, np.full(4, 0.7)) == pytest.approx(np.full(4, 0.7))
    assert pooled(found, np.array(["new"] * 4)) == {"": 0.0, "new": 0.0}


def test_the_order_of_series_does_not_count_for_their_class():
    panel, order = draw(3, n=200), np.random.default_rng(1).permutation(200)
    classes = np.array(["smooth", "lumpy"])[np.arange(200) % 2]
    found = moments(panel, np.ones((200, 7)))
    again = moments(panel.take(order), np.ones((200, 7)))
    assert pooled(again, classes[order]) == pooled(found, classes)
