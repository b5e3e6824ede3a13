"""Hand-worked figures, bad input, and nDCG against a plain loop."""

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeshop.ml.ranking import (
    coverage,
    gini,
    hit_at,
    ndcg_at,
    novelty,
    paired_interval,
    precision_at,
    recall_at,
)

Metric = Callable[[Sequence[str], Collection[str], int], float]
PER_USER: list[Metric] = [precision_at, recall_at, ndcg_at, hit_at]
PRODUCTS = list("abcdefgh")


def test_precision() -> None:
    # Of a, b, c the relevant are a and c: 2 / 3. Product d is relevant but at rank 4.
    assert precision_at(["a", "b", "c", "d"], {"a", "c", "d"}, 3) == pytest.approx(2 / 3)


def test_precision_divides_by_k_when_the_list_is_short() -> None:
    # One product recommended, and it is relevant: 1 of 4 places.
    assert precision_at(["a"], {"a"}, 4) == 0.25


def test_recall() -> None:
    # Relevant are a, c, d, x, y; the first three hold a and c: 2 / 5.
    assert recall_at(["a", "b", "c", "d"], {"a", "c", "d", "x", "y"}, 3) == pytest.approx(2 / 5)


def test_relevant_products_count_once() -> None:
    # As a list with a repeat, relevant is still {a, b}: recall 1 / 2, ideal over two ranks.
    assert recall_at(["a"], ["a", "a", "b"], 1) == 0.5
    assert ndcg_at(["a", "b"], ["a", "a", "b"], 3) == 1.0


def test_hit() -> None:
    # The only relevant product is at rank 3: outside the first 2, inside the first 3.
    assert hit_at(["a", "b", "c"], {"c"}, 2) == 0.0
    assert hit_at(["a", "b", "c"], {"c"}, 3) == 1.0


def test_ndcg() -> None:
    # Hits at ranks 1 and 3: 1/log2(2) + 1/log2(4) = 1 + 0.5 = 1.5.
    # Three relevant, k = 3: ideal 1/log2(2) + 1/log2(3) + 1/log2(4) = 1 + 0.63093 + 0.5 = 2.13093.
    # 1.5 / 2.13093 = 0.70392.
    assert ndcg_at(["a", "b", "c"], {"a", "c", "x"}, 3) == pytest.approx(0.70392, abs=5e-6)


def test_ndcg_ideal_has_no_more_than_k_ranks() -> None:
    # Two places, both relevant, though three products are: nothing better fits in two places.
    assert ndcg_at(["a", "b"], {"a", "b", "c"}, 2) == 1.0


def test_ndcg_ideal_has_no_more_ranks_than_relevant_products() -> None:
    # One relevant product at rank 3: (1/log2(4)) / (1/log2(2)) = 0.5.
    assert ndcg_at(["x", "y", "a"], {"a"}, 10) == pytest.approx(0.5)


@pytest.mark.parametrize("metric", PER_USER)
def test_an_empty_list_scores_zero(metric: Metric) -> None:
    assert metric([], {"a"}, 3) == 0.0


def gain_by_loop(flags: list[int], k: int) -> float:
    total = 0.0
    for place in range(k):
        if place < len(flags):
            total += flags[place] * math.log(2) / math.log(place + 2)
    return total


@given(
    recommended=st.lists(st.sampled_from(PRODUCTS), unique=True),
    relevant=st.sets(st.sampled_from(PRODUCTS), min_size=1),
    k=st.integers(min_value=1, max_value=10),
)
def test_ndcg_equals_a_plain_loop(recommended: list[str], relevant: set[str], k: int) -> None:
    flags = [1 if product in relevant else 0 for product in recommended]
    expected = gain_by_loop(flags, k) / gain_by_loop([1] * len(relevant), k)
    assert ndcg_at(recommended, relevant, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", PER_USER)
def test_no_relevant_product_is_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match=r"relevant should not be empty.*leave such users out"):
        metric(["a"], set(), 1)


@pytest.mark.parametrize("metric", PER_USER)
def test_repeated_recommendations_are_refused(metric: Metric) -> None:
    # Even behind the first k: a list with repeats was made wrongly.
    with pytest.raises(ValueError, match="Received 'b' 2 times"):
        metric(["a", "b", "b"], {"a"}, 1)


@pytest.mark.parametrize("metric", PER_USER)
def test_no_place_is_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match=r"k should be at least 1\. Received 0"):
        metric(["a"], {"a"}, 0)


def test_coverage() -> None:
    # Lists a b, b c and none show a, b, c: 3 of 12 products.
    assert coverage([["a", "b"], ["b", "c"], []], 12) == 0.25
    assert coverage([], 12) == 0.0


def test_coverage_refuses_a_catalogue_smaller_than_the_lists() -> None:
    with pytest.raises(ValueError, match="Received 1 and 2 distinct products"):
        coverage([["a", "b"]], 1)
    with pytest.raises(ValueError, match="Received 0 and 0 distinct products"):
        coverage([], 0)


def test_coverage_refuses_products_outside_lists() -> None:
    with pytest.raises(ValueError, match="Received the text 'milk'"):
        coverage(["milk", "bread"], 100)


def test_gini() -> None:
    # Of four products, shown 0, 1, 1 and 2 times: weights 2 i - 5 are -3, -1, 1, 3, the sum is
    # 0 - 1 + 1 + 6 = 6, over (4 - 1) * 4 = 12.
    assert gini([2, 1, 1, 0], 4) == 0.5
    # Products in no list may be left out.
    assert gini([1, 2, 1], 4) == 0.5


def test_gini_is_zero_for_equal_exposure_and_one_for_a_single_product() -> None:
    assert gini([7, 7, 7], 3) == 0.0
    assert gini([7], 1000) == 1.0
    assert gini([7], 1) == 0.0


@given(
    exposures=st.lists(st.integers(min_value=0, max_value=99), min_size=1).filter(any),
    left_out=st.integers(min_value=0, max_value=30),
)
def test_gini_is_the_mean_difference_of_two_products(exposures: list[int], left_out: int) -> None:
    every = exposures + [0] * left_out
    n = len(every)
    differences = sum(abs(a - b) for a in every for b in every)
    # Of all ordered pairs of different products, over twice the mean exposure.
    expected = differences / (n * (n - 1)) / (2 * sum(every) / n) if n > 1 else 0
    assert gini(exposures, n) == pytest.approx(expected, abs=1e-12)
    assert gini(exposures[::-1], n) == gini(exposures, n)


@pytest.mark.parametrize(
    ("exposures", "catalogue_size", "text"),
    [
        ([], 3, r"Received \[\]"),
        ([0, 0], 3, r"Received \[0, 0\]"),
        ([2, -1], 3, r"Received \[2, -1\]"),
        ([0.5, 0.5], 3, r"Received \[0\.5, 0\.5\]"),
        ([[1], [2]], 3, r"Received \[1, 2\]"),
        ([1, 1], 1, "Received 1 and 2 exposures"),
    ],
)
def test_gini_refuses(exposures: list[int], catalogue_size: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        gini(exposures, catalogue_size)


def test_novelty() -> None:
    # Of 8 users, a has 4 buyers: -log2(1/2) = 1; b has 1: -log2(1/8) = 3; c none: half a buyer,
    # -log2(1/16) = 4. Mean (1 + 3 + 4) / 3 = 8/3.
    assert novelty(["a", "b", "c"], {"a": 4, "b": 1}, users=8) == pytest.approx(8 / 3)


def test_novelty_of_zero_buyers_equals_unseen_and_of_all_buyers_is_zero() -> None:
    # -log2(0.5 / 8) = 4 and -log2(8 / 8) = 0.
    assert novelty(["c"], {"c": 0}, users=8) == 4.0
    assert novelty(["a"], {"a": 8}, users=8) == 0.0


@pytest.mark.parametrize(
    ("recommended", "popularity", "users", "text"),
    [
        ([], {}, 8, "Received users 8 and 0 products"),
        (["a"], {"a": 0}, 0, "Received users 0 and 1 products"),
        (["a"], {"a": 9}, 8, "Received 9 to 9"),
        (["a", "b"], {"a": -1}, 8, "Received -1 to 0"),
        (["a", "a"], {"a": 1}, 8, "Received 'a' 2 times"),
    ],
)
def test_novelty_refuses(
    recommended: list[str], popularity: dict[str, int], users: int, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        novelty(recommended, popularity, users=users)


def test_paired_interval_clusters_by_user() -> None:
    # Own means: u (1 + 3) / 2 = 2, v 4, w 6 (three rows). Mean (2 + 4 + 6) / 3 = 4, not the mean
    # of rows, 26 / 6. s^2 = (4 + 0 + 4) / 2 = 4, s = 2, half = 1.96 * 2 / sqrt(3) = 2.2632.
    differences = np.array([1.0, 4.0, 6.0, 3.0, 6.0, 6.0])
    users = np.array(["u", "v", "w", "u", "w", "w"])
    found = paired_interval(differences, users)
    assert found.n == 3
    assert found.mean == pytest.approx(4.0)
    assert found.low == pytest.approx(4.0 - 2.2632, abs=5e-5)
    assert found.high == pytest.approx(4.0 + 2.2632, abs=5e-5)


def test_paired_interval_of_equal_differences_has_no_width() -> None:
    assert paired_interval([0.5, 0.5], [7, 9]) == (0.5, 0.5, 0.5, 2)


def test_paired_interval_does_not_depend_on_the_order_of_rows() -> None:
    generator = np.random.default_rng(3)
    differences = generator.normal(size=500) * 10.0 ** generator.integers(-8, 8, size=500)
    users = generator.integers(0, 20, size=500)
    expected = paired_interval(differences, users)
    for _ in range(20):
        order = generator.permutation(500)
        assert paired_interval(differences[order], users[order]) == expected


@pytest.mark.parametrize(
    ("differences", "users", "text"),
    [
        ([1.0, 2.0], ["u", "u"], "at least 2 different users. Received 1"),
        ([], [], "at least 2 different users. Received 0"),
        ([1.0], ["u", "v"], r"Received shapes \(1,\) and \(2,\)"),
        ([[1.0], [2.0]], [["u"], ["v"]], r"Received shapes \(2, 1\) and \(2, 1\)"),
        ([1.0, math.nan, math.inf], ["u", "v", "w"], "Received 2 values that are not"),
    ],
)
def test_paired_interval_refuses(differences: list[float], users: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        paired_interval(differences, users)
