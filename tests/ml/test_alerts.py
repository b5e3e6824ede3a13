"""Metrics of alerts, against loops over days and customers."""

import math

import numpy as np
import pytest

from lakeshop.ml.alerts import false_positive_rates, precision_at


def looped(day, customer, target, score, k):
    """Precision and reachable maximum of each day, the slow way."""
    precision, reachable = [], []
    for today in sorted(set(day)):
        best, is_fraud = {}, {}
        for d, c, y, s in zip(day, customer, target, score, strict=True):
            if d == today:
                best[c] = max(best.get(c, -np.inf), s)
                is_fraud[c] = is_fraud.get(c, False) or y == 1
        top = sorted(best, key=lambda c: (-best[c], c))[:k]
        precision.append(sum(is_fraud[c] for c in top) / k)
        reachable.append(min(k, sum(is_fraud.values())) / k)
    return precision, reachable


@pytest.mark.parametrize("k", [1, 3, 10, 100])
@pytest.mark.parametrize("seed", range(4))
def test_precision_of_the_riskiest_customers_is_that_of_a_loop(seed, k):
    chance = np.random.default_rng(seed)
    day = chance.integers(0, 5, 300).astype("datetime64[D]")
    customer = np.array([f"u{i}" for i in chance.integers(0, 30, 300)], dtype=object)
    target = (chance.random(300) < 0.1).astype(float)
    score = np.round(chance.random(300) + 0.3 * target, 1)
    found = precision_at(day, customer, target, score, k)
    precision, reachable = looped(day.tolist(), customer, target, score, k)
    assert found.daily == pytest.approx(precision)
    assert found.daily_reachable == pytest.approx(reachable)
    assert found.precision == pytest.approx(np.mean(precision))
    assert found.reachable == pytest.approx(np.mean(reachable))
    assert found.share == pytest.approx(sum(precision) / sum(reachable))


def test_perfect_scores_reach_the_maximum():
    day, customer = [1, 1, 1, 2, 2], ["a", "b", "c", "a", "b"]
    target = [1, 0, 0, 1, 1]
    found = precision_at(day, customer, target, np.array(target, float), k=2)
    assert (found.precision, found.reachable, found.share) == (0.75, 0.75, 1.0)


def test_a_customer_is_hit_by_any_line_of_the_day_and_ranks_by_the_riskiest():
    found = precision_at([1, 1, 1], ["a", "a", "b"], [1, 0, 0], [0.1, 0.9, 0.5], k=1)
    assert found.precision == 1.0


def test_equal_scores_rank_by_id():
    assert precision_at([1, 1], ["b", "a"], [1, 0], [0.5, 0.5], k=1).precision == 0.0
    assert precision_at([1, 1], ["a", "b"], [1, 0], [0.5, 0.5], k=1).precision == 1.0


def test_days_without_fraud_count_and_have_nothing_to_reach():
    found = precision_at([1, 2], ["a", "a"], [1, 0], [0.5, 0.5], k=1)
    assert (found.precision, found.reachable, found.share) == (0.5, 0.5, 1.0)
    none = precision_at([1, 2], ["a", "a"], [0, 0], [0.5, 0.5], k=1)
    assert (none.precision, none.reachable) == (0.0, 0.0)
    assert math.isnan(none.share)


def test_lines_without_score_are_left_out():
    found = precision_at([1, 1], ["a", "b"], [1, 0], [np.nan, 0.1], k=1)
    assert (found.precision, found.reachable) == (0.0, 0.0)


def test_without_lines_there_is_no_precision():
    found = precision_at([], [], [], [], k=5)
    assert all(math.isnan(x) for x in found[:3])
    assert len(found.daily) == 0


def test_an_impossible_budget_is_an_error():
    with pytest.raises(ValueError, match=r"k should be at least 1\. Received 0"):
        precision_at([1], ["a"], [1], [0.5], k=0)


def test_false_positive_rates_by_group():
    group = ["a", "a", "a", "b", "b", "b", "b", None]
    target = [0, 0, 1, 0, 0, 0, 0, 0]
    found = false_positive_rates(group, target, [1, 0, 1, 1, 0, 0, 0, 1])
    assert found.rates == {"a": 0.5, "b": 0.25}
    assert found.ratio == 0.5


def test_small_groups_are_left_out():
    found = false_positive_rates(["a", "a", "b"], [0, 0, 0], [1, 0, 1], least=2)
    assert found.rates == {"a": 0.5}
    assert math.isnan(found.ratio)


@pytest.mark.parametrize("group", [[], ["a", "b"]])
def test_without_groups_or_alerts_there_is_no_ratio(group):
    found = false_positive_rates(group, [0] * len(group), [False] * len(group))
    assert math.isnan(found.ratio)
    assert found.rates == dict.fromkeys(group, 0.0)


def test_a_group_without_genuine_rows_has_no_rate():
    assert false_positive_rates(["a", "b"], [1, 0], [1, 1]).rates == {"b": 1.0}
