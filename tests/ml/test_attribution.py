"""Shapley values by sampling, against all permutations."""

import math
from itertools import permutations

import numpy as np
import pytest

from lakeshop.ml.attribution import contributions, orders_of
from lakeshop.ml.calibration import log_odds

KEYS = [f"t{i}" for i in range(8)]


def model(points):
    """A probability with an interaction, a threshold and a fourth input that it ignores."""
    a, b, c, _ = np.nan_to_num(np.asarray(points, np.float64)).T
    return 1 / (1 + np.exp(-(a + 2 * b * c + (a > 0.5) * b - 1)))


def draw(seed=1, n=8, d=4):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def exact(predict, row, reference, players):
    """Shapley values by all orders of the players."""
    total = np.zeros(len(players))
    for order in permutations(range(len(players))):
        point = reference.copy()
        for player in order:
            before = log_odds(predict(point[None]))[0]
            point[list(players[player])] = row[list(players[player])]
            total[player] += log_odds(predict(point[None]))[0] - before
    return total / math.factorial(len(players))


@pytest.mark.parametrize("orders", [2, 16])
@pytest.mark.parametrize("players", [None, [[0, 3], [1], [2]], [[0, 1, 2, 3]]])
def test_contributions_are_complete_whatever_the_number_of_orders(orders, players):
    rows, reference = draw(), draw(2, 1)[0]
    found = contributions(model, rows, reference, KEYS, players=players, orders=orders)
    whole = log_odds(model(rows)) - log_odds(model(reference[None]))
    np.testing.assert_allclose(found.sum(axis=1), whole, atol=1e-6)


@pytest.mark.parametrize("players", [[[0], [1], [2], [3]], [[0, 1], [2, 3]], [[2], [0, 3], [1]]])
def test_many_orders_give_shapley_values(players):
    rows, reference = draw(), draw(2, 1)[0]
    found = contributions(model, rows, reference, KEYS, players=players, orders=2000)
    expected = [exact(model, row, reference, players) for row in rows]
    np.testing.assert_allclose(found, expected, atol=0.12)
    assert np.abs(np.array(expected)).max() > 1


def test_two_players_are_exact_with_one_order_and_its_reverse():
    rows, reference, players = draw(), draw(2, 1)[0], [[0, 1], [2, 3]]
    found = contributions(model, rows, reference, KEYS, players=players, orders=2)
    expected = [exact(model, row, reference, players) for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_the_model_ignores_contributes_nothing():
    assert (contributions(model, draw(), draw(2, 1)[0], KEYS)[:, 3] == 0).all()


def test_a_row_like_the_reference_has_no_contributions():
    reference = draw(2, 1)[0]
    assert (contributions(model, np.tile(reference, (8, 1)), reference, KEYS) == 0).all()


def test_equal_inputs_contribute_equally():
    def product(points):
        x = np.asarray(points, np.float64)
        return 1 / (1 + np.exp(-(x[:, 0] * x[:, 1] + x[:, 2])))

    found = contributions(product, np.full((1, 3), 2.0), np.zeros(3), ["a"], orders=2)
    assert found[0] == pytest.approx([2.0, 2.0, 2.0], abs=1e-6)


def test_contributions_of_a_row_do_not_depend_on_other_rows():
    rows, reference = draw(), draw(2, 1)[0]
    whole = contributions(model, rows, reference, KEYS)
    for i in (0, 5):
        alone = contributions(model, rows[i : i + 1], reference, KEYS[i : i + 1])
        np.testing.assert_array_equal(alone[0], whole[i])
    backwards = contributions(model, rows[::-1], reference, KEYS[::-1])
    np.testing.assert_array_equal(backwards[::-1], whole)


def test_long_lists_go_through_the_model_in_parts(monkeypatch):
    rows, reference = draw(), draw(2, 1)[0]
    whole = contributions(model, rows, reference, KEYS)
    sizes = []

    def counted(points):
        sizes.append(len(points))
        return model(points)

    np.testing.assert_array_equal(contributions(counted, rows, reference, KEYS), whole)
    assert len(sizes) == 1
    monkeypatch.setattr("lakeshop.ml.attribution.MOST_POINTS", 200)
    sizes.clear()
    np.testing.assert_array_equal(contributions(counted, rows, reference, KEYS), whole)
    assert len(sizes) == 4
    assert max(sizes) <= 200


def test_orders_are_permutations_by_the_key_with_their_reverses():
    found = orders_of("t1", 5, 6)
    assert found.shape == (6, 5)
    assert (np.sort(found, axis=1) == np.arange(5)).all()
    np.testing.assert_array_equal(found[1::2], found[::2, ::-1])
    np.testing.assert_array_equal(found, orders_of("t1", 5, 6))
    assert (found != orders_of("t2", 5, 6)).any()


def test_a_reference_of_its_own_for_each_row():
    rows, references = draw(), draw(2)
    found = contributions(model, rows, references, KEYS)
    for i in range(8):
        alone = contributions(model, rows[i : i + 1], references[i], KEYS[i : i + 1])
        np.testing.assert_array_equal(alone[0], found[i])


def test_missing_values_are_handed_to_the_model():
    rows = draw()
    rows[:, 1] = np.nan
    found = contributions(lambda x: model(x)[:, None], rows, np.zeros(4), KEYS)
    assert np.isfinite(found).all()
    assert (found[:, 1] == 0).all(), "the model takes a missing value for 0, as the reference is"


def test_nothing_to_explain():
    empty = np.empty((0, 4), np.float32)
    assert contributions(model, empty, np.zeros(4), []).shape == (0, 4)
    assert contributions(model, draw(), np.zeros(4), KEYS, players=[]).shape == (8, 0)


@pytest.mark.parametrize(("keys", "orders"), [(KEYS[:3], 2), (KEYS, 3), (KEYS, 0)])
def test_wrong_arguments(keys, orders):
    with pytest.raises(ValueError, match="keys should name each row, and orders be an even"):
        contributions(model, draw(), np.zeros(4), keys, orders=orders)
