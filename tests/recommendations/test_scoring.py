"""Scores of new products, by hand and against a plain loop."""

import math

import numpy as np
import pytest

from lakeshop.recommendations.scoring import item_model, new_picks

INF = float("inf")


def model(popularity: list[float], *pairs: tuple[int, int, float], term: float = 1.0):
    bought, other, weight = (np.array(column) for column in zip(*pairs, strict=True))
    return item_model((bought, other, weight.astype(float)), np.array(popularity), term)


def test_by_hand() -> None:
    # Products 0 to 3; 0 speaks for 1 with .5 and for 2 with .2, 1 for 2 with .4; 3 is not on sale.
    made = model([0.0, 0.0, 1.0, -INF], (0, 1, 0.5), (0, 2, 0.2), (1, 2, 0.4), (2, 3, 9.0))
    picks = new_picks(made, [np.array([1, 0])], np.array([0.25]), 5)
    # Only 2 is left: 1.0 + 0.25 + ln(0.2 + 0.4 + 0.02); 1 speaks for it more than 0 does.
    assert picks.product.tolist() == [2]
    assert picks.log_odds.tolist() == pytest.approx([1.25 + math.log(0.62)])
    assert (picks.rank.tolist(), picks.because.tolist()) == ([1], [1])


def test_a_user_of_nothing_gets_the_popular_and_no_cause() -> None:
    made = model([0.1, 0.3, 0.3], (0, 1, 0.5))
    picks = new_picks(made, [np.array([], dtype=np.int64)], np.array([0.0]), 2)
    assert picks.product.tolist() == [1, 2]  # equal: the smaller first
    assert picks.because.tolist() == [-1, -1]


def test_negative_sums_speak_for_nothing() -> None:
    made = model([0.0, 0.0], (0, 1, -0.5))
    picks = new_picks(made, [np.array([0])], np.array([0.0]), 2)
    assert picks.log_odds.tolist() == pytest.approx([math.log(0.02)])
    assert picks.because.tolist() == [-1]


def test_nobody_gives_nothing() -> None:
    picks = new_picks(model([0.0, 0.0], (0, 1, 1.0)), [], np.array([]), 2)
    assert picks.user.size == picks.because.size == 0


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_plain_loop_in_any_order_of_purchases(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = 12, 4
    pairs = [
        (j, i, rng.integers(-3, 9) / 8)
        for j in range(n)
        for i in range(n)
        if i != j and rng.random() < 0.4
    ]
    popularity = [float(p) for p in rng.integers(0, 3, n)]
    made = model(popularity, *pairs, term=0.7)
    bought = [rng.choice(n, rng.integers(0, 6), replace=False) for _ in range(20)]
    terms = rng.normal(size=20)
    picks = new_picks(made, bought, terms, k)
    weight = {(j, i): w for j, i, w in pairs}
    for user, own in enumerate(bought):
        scores = {
            i: popularity[i]
            + terms[user]
            + 0.7 * math.log(max(0.0, sum(weight.get((j, i), 0.0) for j in own)) + 0.02)
            for i in range(n)
            if i not in own
        }
        best = sorted(scores, key=lambda i: (-round(scores[i], 9), i))[:k]
        mine = picks.user == user
        assert picks.product[mine].tolist() == best
        for product, cause in zip(picks.product[mine], picks.because[mine], strict=True):
            speaking = {int(j): weight.get((int(j), int(product)), 0.0) for j in own}
            if sum(speaking.values()) > 0:
                assert speaking[int(cause)] == max(speaking.values())
            else:
                assert cause == -1
    shuffled = new_picks(made, [rng.permutation(own) for own in bought], terms, k)
    assert shuffled.log_odds.tolist() == picks.log_odds.tolist()
