"""A method is changed for one that is clearly better, and for no other."""

import numpy as np
import pytest

from lakeshop.demand.forecasting.model_selection import FEWEST_SERIES, choose, difference

N = 200
EVEN = np.ones(N)


def noise(seed, spread=0.3):
    return np.random.default_rng(seed).normal(0, spread, N)


BASE = 1 + np.abs(noise(0))


def test_a_clearly_better_method_is_chosen_with_its_margin_as_reason():
    found = choose({"mean_56": BASE, "tsb": 0.9 * BASE, "croston_sba": BASE + 1}, EVEN)
    assert found.method == "tsb"
    assert found.reason.startswith("tsb beats mean_56 by 10.0 % (standard error 0.")
    assert found.reason.endswith("over 200 series")


def test_noise_changes_nothing():
    rival = BASE + noise(1, 2.0) - noise(1, 2.0).mean() - 0.01
    found = choose({"mean_56": BASE, "tsb": rival}, EVEN)
    assert found.method == "mean_56"
    assert found.reason.startswith("mean_56 stays: tsb does not clearly beat it: by 0.8 %")


def test_last_weeks_choice_stays_unless_it_is_beaten_too():
    close = BASE + noise(1, 2.0) - noise(1, 2.0).mean() + 0.01
    assert choose({"mean_56": BASE, "tsb": close}, EVEN, last="tsb").method == "tsb"
    assert choose({"mean_56": BASE, "tsb": BASE + 0.2}, EVEN, last="tsb").method == "mean_56"
    assert choose({"mean_56": BASE, "tsb": BASE}, EVEN, last="network").method == "mean_56"


def test_the_best_may_be_too_noisy_and_the_next_still_clearly_better():
    wild = BASE + noise(1, 20.0) - noise(1, 20.0).mean() - 0.5
    found = choose({"mean_56": BASE, "wild": wild, "calm": BASE - 0.3}, EVEN)
    assert found.method == "calm"


def test_equal_scores_change_nothing_whatever_the_name():
    found = choose({"a": BASE, "mean_56": BASE}, EVEN)
    assert found.method == "mean_56"


def test_value_weighs():
    rich = np.where(np.arange(N) < 20, 100.0, 1.0)
    rival = np.where(np.arange(N) < 20, BASE - 0.5, BASE + 0.2)
    scores = {"mean_56": BASE, "tsb": rival}
    assert choose(scores, EVEN).method == "mean_56"
    assert choose(scores, rich).method == "tsb"


def test_a_series_that_a_method_could_not_do_counts_with_the_default():
    failing = np.where(np.arange(N) < 150, np.nan, BASE - 0.4)
    assert choose({"mean_56": BASE, "tsb": failing}, EVEN).reason.startswith("tsb beats mean_56")
    assert choose({"mean_56": BASE, "tsb": np.full(N, np.nan)}, EVEN).method == "mean_56"


def test_few_series_change_nothing():
    few = np.where(np.arange(N) < FEWEST_SERIES - 1, 1.0, 0.0)
    found = choose({"mean_56": BASE, "tsb": BASE - 0.9}, few, last="tsb")
    assert found.method == "tsb"
    assert "19 series are too few to compare methods by, 20 are needed" in found.reason
    lost = choose({"mean_56": np.full(N, np.nan), "tsb": BASE}, EVEN)
    assert lost.method == "mean_56"


def test_the_standard_error_is_that_of_drawing_series_again():
    chance = np.random.default_rng(3)
    scores, others, weight = BASE, BASE - 0.1 + noise(4), chance.gamma(2, 1, N)
    found = difference(scores, others, weight)
    drawn = chance.integers(0, N, (4000, N))
    lower = scores - others
    means = (lower * weight)[drawn].sum(axis=1) / weight[drawn].sum(axis=1)
    assert found.mean == pytest.approx(np.average(lower, weights=weight))
    assert found.error == pytest.approx(means.std(), rel=0.05)
