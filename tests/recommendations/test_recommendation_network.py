"""Networks of recommendations: one pair of a list scores as the pair alone."""

import numpy as np
import pytest

from lakeshop.ml.layers import Damping, ListLoss
from lakeshop.recommendations import network
from lakeshop.recommendations.features import GROUPS
from lakeshop.recommendations.ranking import prior_log_odds
from lakeshop.training.registry import LAYER_MODULES, as_bytes, model_of, sha256_of

NAMES = ["is_known", "habit", "user_linear", "mailer"]
STATED = {
    "names": NAMES,
    "mean": [0.5, 1.0, -2.0, 0.0],
    "variance": [0.25, 4.0, 1.0, 1.0],
    "list_size": 3,
    "prior": {
        "again": {"constant": 0.5, "habit": 2.0},
        "new": {"constant": -1.0, "user_linear": 0.25},
    },
    "method": "x",
}
BUILDERS = {
    "log_odds": network.log_odds,
    "baseline": network.baseline,
    "wide_and_deep": network.wide_and_deep,
}


def fed(x: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs of pairs [..., names and groups], flattened per row."""
    n = len(NAMES)
    flat = x.reshape(len(x), -1, x.shape[-1])
    return {
        "features": flat[:, :, :n].reshape(len(x), -1),
        "known": flat[:, :, 0].reshape(len(x), -1),
        "group": flat[:, :, n:].reshape(len(x), -1),
    }


def drawn(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(*shape, len(NAMES) + len(GROUPS))).astype(np.float32)
    x[..., 0] = rng.integers(0, 2, shape)
    x[..., len(NAMES) :] = rng.integers(0, 256, (*shape, len(GROUPS)))
    return x


@pytest.mark.parametrize("method", BUILDERS)
def test_a_pair_scores_the_same_in_a_list_and_alone(method: str) -> None:
    lists = BUILDERS[method](STATED)
    x = drawn(4, 3)
    log_odds = np.asarray(lists(fed(x)))
    assert log_odds.shape == (4, 3)
    payload = as_bytes(network.of_pairs(lists))
    pairs = model_of(payload, sha256_of(payload), LAYER_MODULES)
    alone = np.asarray(pairs(fed(x.reshape(12, 1, -1)))).reshape(4, 3)
    assert np.allclose(alone, 1 / (1 + np.exp(-log_odds)), atol=1e-6)


def test_what_is_learned_is_added_to_the_prior_terms() -> None:
    """A network whose trained weights are 0 ranks by the terms of a shop that has not learned."""
    lists = network.wide_and_deep(STATED)
    scorer = lists.get_layer(network.SCORER)
    frozen = [weight.numpy() for weight in scorer.non_trainable_weights]
    scorer.set_weights([np.zeros_like(w) for w in scorer.get_weights()])
    for weight, value in zip(scorer.non_trainable_weights, frozen, strict=True):
        weight.assign(value)
    x = drawn(6, 1)
    expected = prior_log_odds(x[:, 0], [*NAMES, *GROUPS], STATED["prior"])
    alone = np.asarray(network.of_pairs(lists)(fed(x)))[:, 0]
    assert np.allclose(alone, 1 / (1 + np.exp(-expected)), atol=1e-6)


def test_predictions_add_a_share_of_what_was_learned() -> None:
    x = drawn(6, 1)
    stated = STATED | {"list_size": 1}
    whole = network.wide_and_deep(stated)
    assert network.adds_to_prior(whole)
    assert not network.adds_to_prior(network.baseline(stated))
    half = network.damped(network.wide_and_deep(stated), 0.5)
    half.set_weights(whole.get_weights())
    prior = prior_log_odds(x[:, 0], [*NAMES, *GROUPS], STATED["prior"])[:, None]
    of_whole, of_half = (np.asarray(model(fed(x))) for model in (whole, half))
    assert np.allclose(of_half, (of_whole + prior) / 2, atol=1e-5)
    in_training = np.asarray(Damping(0.5)(of_whole, training=True))
    assert np.array_equal(in_training, of_whole)


def test_a_regression_reads_its_terms_alone() -> None:
    model = network.of_pairs(network.log_odds(STATED | {"names": ["is_known", "times", "x", "y"]}))
    x = drawn(8, 1)
    x[:, :, 0] = 0
    assert np.ptp(np.asarray(model(fed(x)))) < 1e-7  # none of its terms is there


def test_the_loss_by_hand() -> None:
    target = np.array([[1.0, 0.0, -1.0]], np.float32)
    log_odds = np.array([[2.0, -1.0, 50.0]], np.float32)
    pairs = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2
    among = np.log(1 + np.exp(-3))
    assert float(ListLoss()(target, log_odds)) == pytest.approx(pairs, rel=1e-5)
    assert float(ListLoss(0.5)(target, log_odds)) == pytest.approx(pairs + 0.5 * among, rel=1e-5)
    assert ListLoss(0.5).get_config()["listwise"] == 0.5
