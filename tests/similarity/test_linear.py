"""The linear model against its definition: ridge regression without the item itself."""

import numpy as np
import pytest

from lakeshop.similarity.histories import as_histories
from lakeshop.similarity.linear import joint_counts, largest, linear_neighbours, linear_weights

EVERY = np.arange(8, dtype=np.int32)  # each item modelled, in its own place


def histories(sets: list[list[int]], n_items: int):
    offsets = np.cumsum([0, *map(len, sets)])
    items = np.array([i for s in sets for i in s], dtype=np.int64)
    return as_histories(offsets, items, np.ones(items.size, dtype=np.int64), n_items=n_items)


def random_sets(seed: int, n: int = 40, n_items: int = 8) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [sorted(rng.choice(n_items, rng.integers(1, 6), replace=False)) for _ in range(n)]


@pytest.mark.parametrize("seed", range(5))
def test_each_column_is_the_ridge_regression_on_all_other_items(seed: int) -> None:
    sets, n = random_sets(seed), 8
    x = np.zeros((len(sets), n))
    for row, items in enumerate(sets):
        x[row, items] = 1
    weights = linear_weights(joint_counts(histories(sets, n), EVERY[:n]), 2.0)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        a = x[:, others]
        solution = np.linalg.solve(a.T @ a + 2.0 * np.eye(n - 1), a.T @ x[:, i])
        assert weights[others, i] == pytest.approx(solution, abs=1e-4)
        assert weights[i, i] == 0


def test_joint_counts_by_hand() -> None:
    # {0,1}, {0,1,2}, {2}: 0 and 1 together twice, 2 with each of them once.
    counts = joint_counts(histories([[0, 1], [0, 1, 2], [2]], 3), EVERY[:3])
    assert counts.tolist() == [[2, 2, 1], [2, 2, 1], [1, 1, 2]]


def test_joint_counts_of_some_items_in_places_of_their_own() -> None:
    place_of = np.array([1, -1, 0], dtype=np.int32)
    counts = joint_counts(histories([[0, 1], [0, 1, 2], [2]], 3), place_of)
    assert counts.tolist() == [[2, 1], [1, 2]]


@pytest.mark.parametrize("k", [1, 3, 6, 7, 9])
def test_the_largest_are_those_of_a_stable_sort(k: int) -> None:
    sizes = np.random.default_rng(k).integers(0, 4, (50, 7)).astype(np.float32)
    expected = np.argsort(-sizes, axis=1, kind="stable")[:, :k]
    assert largest(sizes, k).tolist() == expected.tolist()


def test_keeps_the_largest_in_size_and_the_order_of_histories_does_not_matter() -> None:
    sets = random_sets(9)
    whole = linear_neighbours(histories(sets, 8), EVERY, ridge=2.0, k=7, least=0)
    some = linear_neighbours(histories(sets[::-1], 8), EVERY, ridge=2.0, k=3, least=0)
    for item in range(8):
        mine = whole.item == item
        sizes = np.abs(whole.similarity[mine])
        assert (np.diff(sizes) <= 0).all()
        assert some.neighbour[some.item == item].tolist() == whole.neighbour[mine][:3].tolist()
        assert some.rank[some.item == item].tolist() == [1, 2, 3]
        assert item not in whole.neighbour[mine]
    counts = joint_counts(histories(sets, 8), EVERY)
    assert whole.support.tolist() == counts[whole.item, whole.neighbour].tolist()


def test_small_weights_are_left_out_whatever_their_sign() -> None:
    sets = histories(random_sets(9), 8)
    whole = linear_neighbours(sets, EVERY, ridge=2.0, k=7, least=0)
    least = float(np.median(np.abs(whole.similarity)))
    some = linear_neighbours(sets, EVERY, ridge=2.0, k=7, least=least)
    kept = np.abs(whole.similarity) >= least
    assert 0 < kept.sum() < kept.size
    assert some.similarity.tolist() == whole.similarity[kept].tolist()
    assert some.rank.tolist() == whole.rank[kept].tolist()
    assert (some.similarity < 0).any()


def test_a_weight_may_exceed_1() -> None:
    """13,000 users in equal parts with {a,b,c}, {a,b,y} and {a,c,y}: each but a goes with a."""
    part = 13_000 / 3
    counts = np.full((4, 4), part)
    counts[0] = counts[:, 0] = 2 * part
    np.fill_diagonal(counts, 2 * part)
    counts[0, 0] = 3 * part
    weights = linear_weights(counts.astype(np.float32), 1000.0)
    assert weights.max() == pytest.approx(1.0097, abs=1e-4)


def test_items_never_together_have_no_row() -> None:
    found = linear_neighbours(histories([[0], [1]], 2), EVERY[:2], ridge=1.0, k=5, least=0)
    assert found.item.size == 0


def test_empty_catalogue_gives_nothing() -> None:
    found = linear_neighbours(histories([], 0), EVERY[:0], ridge=1.0, k=5, least=0)
    assert found.item.size == 0


@pytest.mark.parametrize("ridge", [0.0, -1.0, float("nan")])
def test_ridge_must_be_positive(ridge: float) -> None:
    with pytest.raises(ValueError, match="ridge should be positive"):
        linear_weights(np.eye(2, dtype=np.float32), ridge)
