"""Top-k neighbours against a dense oracle, and every refusal."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeshop.similarity.blocks import balanced_blocks, pair_work
from lakeshop.similarity.kernel import (
    MAX_HISTORIES_PER_ITEM,
    MAX_WEIGHT,
    ONE,
    Histories,
    as_fixed,
    as_histories,
    self_products,
    top_neighbours,
)

OPTIONS = {"k": 3, "shrinkage": 0.5, "min_support": 1}
COLUMNS = ("item", "neighbour", "rank", "similarity", "support")


def histories_of(rows, n_items):
    """Histories from one dict, item -> weight, per row; entries keep the dict's order."""
    indptr = np.cumsum([0, *map(len, rows)])
    items = [item for row in rows for item in row]
    weights = [weight for row in rows for weight in row.values()]
    return as_histories(indptr, items, weights, n_items=n_items)


def neighbours_of(rows, n_items, targets=None, **options):
    """Neighbours as a list of tuples, in the order of COLUMNS."""
    histories = histories_of(rows, n_items)
    block = np.arange(n_items) if targets is None else np.array(targets, dtype=np.int64)
    norms = self_products(histories, n_items)
    return as_tuples(top_neighbours(histories, norms, block, **(OPTIONS | options)))


def as_tuples(found):
    return list(zip(*(getattr(found, name).tolist() for name in COLUMNS), strict=True))


def dense_oracle(rows, n_items, k, shrinkage, min_support):
    X = np.zeros((len(rows), n_items), dtype=np.int64)
    for history, row in enumerate(rows):
        for item, weight in row.items():
            X[history, item] = weight
    dots, supports = X.T @ X, (X > 0).astype(np.int64).T @ (X > 0)
    result = []
    for i in range(n_items):
        scored = [
            (
                -dots[i, j]
                / (math.sqrt(float(dots[i, i]) * float(dots[j, j])) + shrinkage * ONE**2),
                j,
            )
            for j in range(n_items)
            if j != i and dots[i, j] > 0 and supports[i, j] >= min_support
        ]
        for rank, (score, j) in enumerate(sorted(scored)[:k], start=1):
            result.append((i, j, rank, float(-score), int(supports[i, j])))
    return result


def random_rows(seed, n_histories=40, n_items=25, largest=6):
    """Few distinct weights, so that ties are frequent."""
    random = np.random.default_rng(seed)
    rows = []
    for length in random.integers(0, n_items // 2, n_histories):
        items = random.choice(n_items, length, replace=False).tolist()
        rows.append(dict(zip(items, random.integers(0, largest, length).tolist(), strict=True)))
    return rows


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 4, 24, 1000])
@pytest.mark.parametrize(("shrinkage", "min_support"), [(0, 1), (0.00001, 3), (2.5, 2)])
def test_equals_the_dense_oracle(seed, k, shrinkage, min_support):
    rows = random_rows(seed, largest=2 if seed % 2 else 6)
    found = neighbours_of(rows, 25, k=k, shrinkage=shrinkage, min_support=min_support)
    assert found == dense_oracle(rows, 25, k, shrinkage, min_support)


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(st.integers(0, 7), st.integers(0, MAX_WEIGHT)), max_size=8),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_equals_the_dense_oracle_on_any_rows(rows, k, min_support):
    found = neighbours_of(rows, 8, k=k, min_support=min_support)
    assert found == dense_oracle(rows, 8, k, 0.5, min_support)


@pytest.mark.parametrize("n_blocks", [1, 2, 7, 40])
def test_blocks_joined_equal_the_whole(n_blocks):
    rows = random_rows(1)
    histories = histories_of(rows, 25)
    norms = self_products(histories, 25)
    blocks = balanced_blocks(pair_work(histories, 25), n_blocks)
    joined = []
    for block in range(n_blocks):
        targets = np.flatnonzero(blocks == block)
        needed = [row for row in rows if not set(row).isdisjoint(targets.tolist())]
        part = top_neighbours(histories_of(needed, 25), norms, targets, **OPTIONS)
        joined += as_tuples(part)
    assert sorted(joined) == sorted(neighbours_of(rows, 25))


@pytest.mark.parametrize("seed", range(3))
def test_order_of_histories_and_entries_does_not_matter(seed):
    rows = random_rows(7)
    random = np.random.default_rng(seed)
    shuffled = [
        {item: rows[place][item] for item in random.permutation(list(rows[place])).tolist()}
        for place in random.permutation(len(rows))
    ]
    assert neighbours_of(shuffled, 25) == neighbours_of(rows, 25)


def test_result_is_in_the_order_of_targets():
    rows = random_rows(3)
    found = neighbours_of(rows, 25, targets=[9, 2, 17])
    whole = neighbours_of(rows, 25)
    assert found == [row for target in (9, 2, 17) for row in whole if row[0] == target]


def test_shrunk_cosine_by_hand():
    # Weights in units of ONE: item 0 is (3, 4), item 1 is (0, 2), so dot = 8, norms 25 and 4,
    # sqrt(25 * 4) = 10. Plain: 8 / 10 = 0.8. Shrunk by 6: 8 / (10 + 6) = 0.5.
    rows = [{0: 3 * ONE}, {0: 4 * ONE, 1: 2 * ONE}]
    assert neighbours_of(rows, 2, shrinkage=0) == [(0, 1, 1, 0.8, 1), (1, 0, 1, 0.8, 1)]
    assert neighbours_of(rows, 2, shrinkage=6) == [(0, 1, 1, 0.5, 1), (1, 0, 1, 0.5, 1)]


def test_ties_break_by_the_smaller_neighbour():
    # All pairs of {0..4} are bought together once: every cosine is 1.
    found = neighbours_of([dict.fromkeys([3, 1, 4, 0, 2], ONE)], 5, k=2, shrinkage=0)
    assert [(item, neighbour) for item, neighbour, *_ in found] == [
        *[(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1)]
    ]
    assert {similarity for *_, similarity, _ in found} == {1.0}


def test_min_support_counts_common_histories():
    # 0 and 1 meet twice; 0 and 2 once, however heavily.
    rows = [{0: 1, 1: 1}, {0: 1, 1: 1, 2: 0}, {0: 900, 2: 900}]
    assert {row[:2] for row in neighbours_of(rows, 3, min_support=2)} == {(0, 1), (1, 0)}


def test_zero_weights_are_no_interest():
    assert neighbours_of([{0: 5, 1: 0}, {0: 0, 1: 5}], 2) == []


@pytest.mark.parametrize(
    ("rows", "n_items"),
    [([], 0), ([], 3), ([{}], 2), ([{}, {}], 1), ([{0: 7}], 1), ([{0: 7}, {1: 7}], 2)],
)
def test_without_a_pair_there_is_nothing(rows, n_items):
    assert neighbours_of(rows, n_items) == []


def test_one_user():
    found = neighbours_of([{0: 3, 2: 4}], 3, shrinkage=0)
    assert found == [(0, 2, 1, 1.0, 1), (2, 0, 1, 1.0, 1)]


def test_no_targets():
    assert neighbours_of([{0: 1, 1: 1}], 2, targets=[]) == []


def test_types_of_the_result():
    histories = histories_of([{0: 1, 1: 1}], 2)
    found = top_neighbours(histories, self_products(histories, 2), np.arange(2), **OPTIONS)
    types = [getattr(found, name).dtype for name in COLUMNS]
    assert types == [np.int32, np.int32, np.int32, np.float64, np.int64]


def test_largest_weights_do_not_overflow():
    # 2**12 histories of the largest weight: dot = 2**12 * 2**40 = 2**52 exactly.
    rows = [{0: MAX_WEIGHT, 1: MAX_WEIGHT}] * 2**12
    assert self_products(histories_of(rows, 2), 2).tolist() == [2**52, 2**52]
    assert neighbours_of(rows, 2, shrinkage=0)[0] == (0, 1, 1, 1.0, 2**12)


def test_read_only_arrays_are_taken():
    arrays = [np.array([0, 2]), np.array([0, 1], np.int32), np.array([1, 1])]
    for array in arrays:
        array.setflags(write=False)
    histories = as_histories(*arrays, n_items=2)
    assert histories.weights.flags.writeable
    assert histories.items.dtype == np.int32


def test_self_products_sum_squares():
    assert self_products(histories_of([{0: 3, 2: 1}, {0: 4}], 4), 4).tolist() == [25, 0, 1, 0]


def test_too_many_histories_of_an_item():
    n = MAX_HISTORIES_PER_ITEM + 1
    crowd = Histories(np.arange(n + 1), np.zeros(n, np.int32), np.ones(n, np.int64))
    with pytest.raises(ValueError, match=r"at most 4194304 histories. Received 4194305 for item 0"):
        self_products(crowd, 1)


def test_fixed_point_rounds_half_to_even():
    # 0.5 / 1024 -> 0, 1.5 / 1024 -> 2, 1024 * 0.1 = 102.4 -> 102
    fixed = as_fixed(np.array([0.0, 0.5 / 1024, 1.5 / 1024, 0.1, 1.0, 1024.0]))
    assert fixed.tolist() == [0, 0, 2, 102, 1024, MAX_WEIGHT]
    assert fixed.dtype == np.int64


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -0.1, 1024.1])
def test_fixed_point_refuses(wrong):
    with pytest.raises(ValueError, match=rf"weights should be finite .* {wrong} at position 1"):
        as_fixed(np.array([1.0, wrong]))


@pytest.mark.parametrize(
    ("indptr", "items", "weights", "text"),
    [
        ([0, 1], [0], [0.5], "weights should be one-dimensional integers. Received float64"),
        ([0, 1], [0], [math.nan], "weights should be one-dimensional integers"),
        ([0, 1], [[0]], [1], r"items should be one-dimensional integers.*shape \(1, 1\)"),
        ([0, 1], [0], [1, 2], "weights should be as many as items. Received 2 weights for 1"),
        ([], [], [], "indptr should rise from 0 to the number of entries, 0"),
        ([1, 1], [0], [1], "indptr should rise from 0"),
        ([0, 2, 1, 2], [0, 1], [1, 1], "indptr should rise from 0"),
        ([0, 1], [0, 1], [1, 1], "indptr should rise from 0 to the number of entries, 2"),
        ([0, 1], [3], [1], "items should be from 0 to 2. Received 3 to 3"),
        ([0, 1], [2**32], [1], "items should be from 0 to 2. Received 4294967296"),
        ([0, 1], [-1], [1], "items should be from 0 to 2. Received -1 to -1"),
        ([0, 1], [0], [-1], "weights should be fixed-point integers from 0 to 1048576"),
        ([0, 1], [0], [MAX_WEIGHT + 1], "weights should be fixed-point.*Received 1048577"),
        ([0, 1, 4], [1, 1, 2, 1], [1, 1, 1, 1], "unique .* item 1 more than once in history 1"),
    ],
)
def test_wrong_histories_are_refused(indptr, items, weights, text):
    with pytest.raises(ValueError, match=text):
        as_histories(indptr, items, weights, n_items=3)


@pytest.mark.parametrize("n_items", [-1, 2**31])
def test_wrong_catalogue_is_refused(n_items):
    with pytest.raises(ValueError, match=rf"n_items should be from 0 .* Received {n_items}"):
        as_histories([0], [], [], n_items=n_items)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"k": 0}, "k and min_support should be at least 1. Received k=0"),
        ({"min_support": 0}, "Received k=3 and min_support=0"),
        ({"shrinkage": -1.0}, "shrinkage should be a finite number.*Received -1.0"),
        ({"shrinkage": math.nan}, "shrinkage should be a finite number.*Received nan"),
        ({"shrinkage": math.inf}, "shrinkage should be a finite number.*Received inf"),
        ({"targets": [2]}, "targets should be from 0 to 1. Received 2 to 2"),
        ({"targets": [-1]}, "targets should be from 0 to 1. Received -1 to -1"),
        ({"targets": [1, 0, 1]}, "targets should be unique. Received 1 2 times"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        neighbours_of([{0: 1, 1: 1}], 2, **options)


def test_a_missing_history_of_a_target_is_refused():
    rows = [{0: 3, 1: 1}, {0: 4}]
    norms = self_products(histories_of(rows, 2), 2)
    with pytest.raises(ValueError, match="Received 25 for item 0, whose histories here make 9"):
        top_neighbours(histories_of(rows[:1], 2), norms, np.array([0]), **OPTIONS)


def test_norms_below_the_histories_are_refused():
    histories = histories_of([{0: 3, 1: 1}], 2)
    with pytest.raises(ValueError, match="Received 0 for item 1, whose histories here make 1"):
        top_neighbours(histories, np.array([9, 0]), np.array([0]), **OPTIONS)


def test_norms_that_do_not_cover_the_items_are_refused():
    with pytest.raises(ValueError, match=r"items should be from 0 to 0. Received 0 to 1"):
        top_neighbours(histories_of([{0: 3, 1: 1}], 2), np.array([9]), np.array([0]), **OPTIONS)
