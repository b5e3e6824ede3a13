"""Metrics of scores, against scikit-learn and plain loops."""

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from lakeshop.ml.classification import (
    average_precision,
    expected_calibration_error,
    recall_at_false_positive_rate,
    recall_per_pattern,
    roc_auc,
)

RANKINGS = [roc_auc, average_precision, recall_at_false_positive_rate]


def draw(seed, n=500, decimals=1):
    """Targets and scores; with one decimal most scores are tied."""
    chance = np.random.default_rng(seed)
    target = (chance.random(n) < 0.1).astype(float)
    return target, np.round(chance.normal(size=n) + target, decimals)


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.parametrize("seed", range(5))
def test_curves_are_those_of_scikit_learn_with_and_without_ties(seed, decimals):
    target, score = draw(seed, decimals=decimals)
    assert roc_auc(target, score) == pytest.approx(oracle.roc_auc_score(target, score), abs=1e-12)
    expected = oracle.average_precision_score(target, score)
    assert average_precision(target, score) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_recall_at_a_rate_of_false_positives_is_the_best_of_all_thresholds(seed, rate):
    target, score = draw(seed)
    best = 0.0
    for threshold in np.unique(score):
        above = score >= threshold
        if np.mean(above[target == 0]) <= rate:
            best = max(best, np.mean(above[target == 1]))
    assert recall_at_false_positive_rate(target, score, rate) == pytest.approx(best)


def test_a_tie_that_would_break_the_rate_is_not_split():
    assert recall_at_false_positive_rate([1, 1, 0, 0], [2, 1, 1, 0], rate=0.4) == 0.5


@pytest.mark.parametrize("figure", [*RANKINGS, expected_calibration_error])
def test_the_order_of_rows_does_not_count(figure):
    target, score = draw(7)
    score = 1 / (1 + np.exp(-score))
    order = np.random.default_rng(1).permutation(len(score))
    assert figure(target[order], score[order]) == pytest.approx(figure(target, score), abs=1e-12)


@pytest.mark.parametrize("figure", RANKINGS)
@pytest.mark.parametrize("target", [[], [0, 0, 0], [1, 1, 1]])
def test_without_rows_or_with_one_class_there_is_no_ranking(figure, target):
    assert math.isnan(figure(target, np.arange(len(target), dtype=float)))


@pytest.mark.parametrize("figure", [*RANKINGS, expected_calibration_error])
def test_rows_without_score_or_target_are_left_out(figure):
    target, score = [1, 0, 0, 1, 0, 1], [0.9, 0.2, 0.4, 0.3, np.nan, 0.8]
    whole = [1, 0, 0, 1], [0.9, 0.2, 0.4, 0.3]
    assert figure([*target[:5], np.nan], score) == figure(*whole)


@pytest.mark.parametrize("figure", [*RANKINGS, expected_calibration_error])
def test_unequal_lengths_are_an_error(figure):
    with pytest.raises(ValueError, match=r"should be equally long. Received 2 and 1 rows"):
        figure([0, 1], [0.5])


def test_calibration_error_is_a_mean_of_gaps_by_hand():
    probability = [0.1, 0.1, 0.3, 0.3, 0.8, 0.8]
    target = [0, 0, 0, 1, 1, 1]
    expected = (2 * 0.1 + 2 * abs(0.3 - 0.5) + 2 * 0.2) / 6
    assert expected_calibration_error(target, probability, bins=3) == pytest.approx(expected)


def test_calibration_error_of_bins_of_equal_mass_by_a_loop():
    chance = np.random.default_rng(2)
    probability = chance.random(1000) ** 3
    target = (chance.random(1000) < probability).astype(float)
    order = np.argsort(probability)
    gaps = [
        abs(probability[part].mean() - target[part].mean()) * len(part) / 1000
        for part in np.array_split(order, 10)
    ]
    assert expected_calibration_error(target, probability) == pytest.approx(sum(gaps))
    assert sum(gaps) < 0.05
    assert expected_calibration_error(target, np.clip(probability + 0.2, 0, 1)) > 0.15


def test_calibration_error_of_equal_probabilities_does_not_depend_on_their_order():
    target = np.r_[np.ones(5), np.zeros(95)]
    assert expected_calibration_error(target, np.full(100, 0.05)) == pytest.approx(0)
    assert expected_calibration_error(target[::-1], np.full(100, 0.05)) == pytest.approx(0)


def test_calibration_error_of_one_class_is_a_number_and_of_no_rows_none():
    assert expected_calibration_error([0, 0], [0.25, 0.25]) == 0.25
    assert math.isnan(expected_calibration_error([], []))


def test_recall_of_each_pattern():
    pattern = np.array(["amount", None, "amount", "store", np.nan, "store"], dtype=object)
    found = recall_per_pattern(pattern, [1, 1, 0, 1, 0, 1])
    assert found == {"amount": 0.5, "store": 1.0}
    assert recall_per_pattern([], []) == {}
