"""Scores become probabilities without losing their order."""

import math

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from lakeshop.ml.calibration import calibrated, calibration_curve, log_odds
from lakeshop.ml.classification import expected_calibration_error, roc_auc
from lakeshop.training.backend import configured
from lakeshop.training.registry import LAYER_MODULES, as_bytes, model_of, sha256_of


def draw(n=20_000, seed=1):
    """Scores whose true odds are theirs squared and shifted, and targets by those."""
    chance = np.random.default_rng(seed)
    odds = chance.normal(-2, 1, n)
    return 1 / (1 + np.exp(-odds)), (chance.random(n) < true_probability(odds)).astype(float)


def true_probability(odds):
    return 1 / (1 + np.exp(-(2 * odds - 1)))


@pytest.fixture(scope="module")
def identity():
    """A model whose score is its input."""
    keras = configured()
    features = keras.Input((1,))
    return keras.Model(features, keras.layers.Activation("linear")(features), name="plain")


def outputs(model, scores):
    return model.predict(np.asarray(scores, np.float32)[:, None], batch_size=4096, verbose=0)[:, 0]


def test_probabilities_are_right_where_scores_were_not(identity):
    scores, target = draw()
    found = calibrated(identity, scores, target)
    assert (found.is_calibrated, found.reason) == (True, None)
    fresh, fresh_target = draw(seed=2)
    probability = outputs(found.model, fresh)
    before = expected_calibration_error(fresh_target, fresh)
    assert before > 0.05
    assert expected_calibration_error(fresh_target, probability) < 0.1 * before
    is_usual = np.abs(log_odds(fresh) + 2) < 1.5
    gaps = log_odds(probability) - log_odds(true_probability(log_odds(fresh)))
    assert np.abs(gaps[is_usual]).mean() < 0.25


def test_the_order_of_rows_is_kept_and_ties_stay_few(identity):
    scores, target = draw(2000)
    found = calibrated(identity, scores, target)
    grid = np.linspace(1e-4, 1 - 1e-4, 5001)
    probability = outputs(found.model, grid)
    assert (np.diff(probability) >= 0).all()
    fresh, fresh_target = draw(seed=2)
    moved = outputs(found.model, fresh)
    assert len(np.unique(moved)) > 0.95 * len(np.unique(fresh.astype(np.float32)))
    assert roc_auc(fresh_target, moved) == pytest.approx(roc_auc(fresh_target, fresh), abs=1e-5)
    steps = isotonic_regression(target[np.argsort(scores)]).x
    assert len(np.unique(steps)) < 100, "plain isotonic regression ties nearly all rows"


def test_the_mean_probability_is_the_rate_of_the_slice(identity):
    scores, target = draw()
    found = calibrated(identity, scores, target)
    assert outputs(found.model, scores).mean() == pytest.approx(target.mean(), rel=0.05)


def test_the_curve_goes_through_centres_of_steps():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    target = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    knots, heights = calibration_curve(scores, target, np.ones(6))
    odds = log_odds(scores)
    assert knots == pytest.approx([odds[:2].mean(), odds[2:4].mean(), odds[4:].mean()])
    # A row of the mean rate 1/2 beyond either end: 0.5 of 3, 1 of 2, 2.5 of 3.
    assert heights == pytest.approx(log_odds([0.5 / 3, 0.5, 2.5 / 3]))


def test_weights_are_rows():
    scores, target = draw(300)
    weight = np.random.default_rng(3).integers(1, 4, 300)
    weighted = calibration_curve(scores, target, weight.astype(float))
    repeated = calibration_curve(
        scores.repeat(weight), target.repeat(weight), np.ones(weight.sum())
    )
    for found, expected in zip(weighted, repeated, strict=True):
        assert found == pytest.approx(expected, abs=1e-9)


def test_tied_scores_count_in_any_order():
    scores = np.array([0.2, 0.2, 0.2, 0.7, 0.7])
    target = np.array([1.0, 0.0, 0.0, 0.0, 1.0])
    for order in ([0, 1, 2, 3, 4], [2, 1, 0, 4, 3]):
        knots, heights = calibration_curve(scores[order], target[order], np.ones(5))
        assert knots == pytest.approx(log_odds([0.2, 0.7]))
        assert heights == pytest.approx(log_odds([1.4 / 4, 1.4 / 3]))


def test_scores_that_rank_backwards_keep_their_order_at_the_rate(identity):
    scores, target = draw(2000)
    found = calibrated(identity, scores, 1 - target)
    probability = outputs(found.model, [0.01, 0.2, 0.5])
    assert (np.diff(probability) > 0).all()
    assert np.isfinite(probability).all()


@pytest.mark.parametrize(
    ("target", "message"), [([], "no row"), ([0, 0, 0], "only class 0"), ([1, 1], "only class 1")]
)
def test_one_class_is_not_calibrated_with_a_reason(identity, target, message):
    scores = np.linspace(0.1, 0.9, len(target))
    found = calibrated(identity, scores, target)
    assert not found.is_calibrated
    assert found.reason.startswith("not calibrated:")
    assert found.reason.endswith(message)
    inputs = np.array([0.001, 0.3, 0.99])
    assert outputs(found.model, inputs) == pytest.approx(inputs, rel=1e-4)


def test_without_both_classes_the_prior_is_shifted(identity):
    """Keeping one genuine row in 20 makes odds 20 times too high."""
    kept, p = 1 / 20, 0.4
    found = calibrated(identity, [0.1], [0], odds_factor=20)
    expected = kept * p / (kept * p - p + 1)
    assert outputs(found.model, [p])[0] == pytest.approx(expected, rel=1e-4)


def test_rows_without_score_or_weight_are_left_out(identity):
    scores, target = draw(500)
    weight = np.ones(502)
    weight[-1] = 0
    found = calibrated(identity, [*scores, np.nan, 0.9], [*target, 1, 1], weight=weight)
    expected = calibrated(identity, scores, target)
    assert found.model.get_layer("calibrated").knots == expected.model.get_layer("calibrated").knots


def test_certain_scores_have_probabilities(identity):
    found = calibrated(identity, [0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1])
    probability = outputs(found.model, [0.0, 0.5, 1.0])
    assert np.isfinite(probability).all()
    assert 0 < probability[0] < probability[1] < probability[2] < 1


def test_a_calibrated_model_is_one_file(identity):
    scores, target = draw(500)
    found = calibrated(identity, scores, target).model
    payload = as_bytes(found)
    again = model_of(payload, sha256_of(payload), LAYER_MODULES)
    np.testing.assert_array_equal(outputs(again, scores), outputs(found, scores))


def test_log_odds_are_finite():
    assert log_odds([0.5, 0.0, 1.0]) == pytest.approx([0.0, -math.log(1e7 - 1), math.log(1e7 - 1)])
