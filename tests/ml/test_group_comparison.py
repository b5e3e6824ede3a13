"""Gaps between groups of users, by hand and against NumPy."""

import math

import numpy as np
import pytest

from lakeshop.ml.groups import Sums, gap, segment
from lakeshop.ml.ranking import NORMAL_95


def sums(values: list[float]) -> Sums:
    return Sums(len(values), sum(values), sum(value**2 for value in values))


def test_segments_are_named_by_column_and_group() -> None:
    assert segment("group_age", "25-34") == "age 25-34"


def test_gap_by_hand() -> None:
    # Group 0, 1: mean 1/2, variance 1/2, of the mean 1/4. Others 1, 1, 0, 0: mean 1/2, variance
    # 1/3, of the mean 1/12. Gap 0, half 1.96 * sqrt(1/4 + 1/12) = 1.1316.
    found = gap(sums([0, 1]), sums([0, 1, 1, 1, 0, 0]))
    assert found == pytest.approx((0, -1.1316, 1.1316, 6), abs=5e-5)


def test_gap_equals_the_difference_of_two_samples() -> None:
    generator = np.random.default_rng(5)
    group, others = generator.uniform(size=30), generator.uniform(size=70) ** 2
    found = gap(sums(group.tolist()), sums([*group.tolist(), *others.tolist()]))
    mean = group.mean() - others.mean()
    half = NORMAL_95 * math.sqrt(group.var(ddof=1) / 30 + others.var(ddof=1) / 70)
    assert found == pytest.approx((mean, mean - half, mean + half, 100))


def test_equal_values_have_a_gap_without_width() -> None:
    found = gap(sums([0.1, 0.1, 0.1]), sums([0.1, 0.1, 0.1, 0.3, 0.3]))
    assert found == pytest.approx((-0.2, -0.2, -0.2, 5), abs=1e-6)


@pytest.mark.parametrize(("group", "everybody"), [([1], [1, 0, 0]), ([1, 0], [1, 0, 0]), ([], [])])
def test_too_few_users_have_no_gap(group: list[float], everybody: list[float]) -> None:
    found = gap(sums(group), sums(everybody))
    assert all(math.isnan(value) for value in found[:3])
    assert found.n == len(everybody)
