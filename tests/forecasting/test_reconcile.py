"""Reconciled means against the matrix formula."""

import numpy as np
import pytest

from lakeshop.forecasting.reconcile import group_sums, reconciled

N, GROUPS, HORIZON = 30, 4, 5


def draw(seed):
    chance = np.random.default_rng(seed)
    products = chance.gamma(2, 10, (N, HORIZON)) + 30
    group = np.r_[np.arange(GROUPS), chance.integers(0, GROUPS, N - GROUPS)]
    sums = group_sums(products, group, GROUPS)
    departments = sums * chance.uniform(0.9, 1.1, sums.shape)
    return products, departments, sums.sum(axis=0) * chance.uniform(0.9, 1.1, HORIZON), group


def by_matrix(products, departments, total, group, variance):
    summing = np.vstack(
        [np.eye(N), (group == np.arange(GROUPS)[:, None]).astype(float), np.ones((1, N))]
    )
    inverse = np.diag(1 / (summing @ variance))
    base = np.vstack([products, departments, total])
    return np.linalg.solve(summing.T @ inverse @ summing, summing.T @ inverse @ base)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_structural", [True, False])
def test_it_is_the_solution_of_the_matrix_formula(seed, is_structural):
    arrays = draw(seed)
    variance = None if is_structural else np.random.default_rng(seed).gamma(2, 1, N)
    expected = by_matrix(*arrays, np.ones(N) if is_structural else variance)
    assert (expected > 0).all()
    np.testing.assert_allclose(reconciled(*arrays, variance=variance), expected)


def test_what_already_adds_up_stays():
    products, _, _, group = draw(1)
    sums = group_sums(products, group, GROUPS)
    np.testing.assert_allclose(reconciled(products, sums, sums.sum(axis=0), group), products)


def test_nothing_is_below_0_and_departments_keep_their_sums():
    products, departments, total, group = draw(2)
    products[::3] = 0.01
    departments *= 0.6
    total *= 0.6
    expected = by_matrix(products, departments, total, group, np.ones(N))
    assert (expected < 0).any()
    found = reconciled(products, departments, total, group)
    assert (found >= 0).all()
    np.testing.assert_allclose(
        group_sums(found, group, GROUPS), np.maximum(group_sums(expected, group, GROUPS), 0)
    )


def test_a_department_that_would_be_below_0_is_0():
    found = reconciled(
        np.ones((4, 1)), np.array([[0.0], [0.0]]), np.zeros(1), np.array([0, 0, 1, 1])
    )
    assert (found >= 0).all()
    none = reconciled(np.zeros((2, 1)), np.zeros((1, 1)), np.zeros(1), np.zeros(2, np.int64))
    assert none.tolist() == [[0], [0]]
    assert (
        reconciled(np.zeros((0, 1)), np.zeros((1, 1)), np.ones(1), np.zeros(0, np.int64)).size == 0
    )


def test_a_department_without_products_changes_nothing():
    products, departments, total, group = draw(3)
    more = np.vstack([departments, np.full((1, HORIZON), 99.0)])
    np.testing.assert_array_equal(
        reconciled(products, more, total, group), reconciled(products, departments, total, group)
    )


def test_sums_by_a_loop_to_the_last_bit():
    products, _, _, group = draw(4)
    found = group_sums(products, group, GROUPS + 1)
    for g in range(GROUPS):
        expected = np.zeros(HORIZON)
        for row in np.flatnonzero(group == g):
            expected = expected + products[row]
        assert found[g].tolist() == expected.tolist()
    assert found[GROUPS].tolist() == [0.0] * HORIZON
