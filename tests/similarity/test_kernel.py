"""Top-k neighbours against a dense oracle, and every refusal."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeshop.similarity.histories import (
    MAX_HISTORIES_PER_ITEM,
    WEIGHT_SCALE,
    InteractionMatrix,
    as_histories,
)
from lakeshop.similarity.kernel import (
    MEASURES,
    expected_support,
    statistics_of,
    top_neighbours,
)
from lakeshop.similarity.packing import balanced_blocks

OPTIONS = {"measures": ["cosine"], "k": 3, "shrinkage": 0.5, "min_support": 1}
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
    statistics = statistics_of(histories, n_items)
    return as_tuples(top_neighbours(histories, statistics, block, **(OPTIONS | options)))


def as_tuples(found):
    return list(zip(*(getattr(found, name).tolist() for name in COLUMNS), strict=True))


def x_log_x(x):
    return x * math.log(x) if x else 0.0


def dense_score(measure, i, j, dense, shrinkage, asymmetry):
    """One similarity by its definition, from dense matrices."""
    dots, supports, n = dense
    both, n_i, n_j = (float(supports[a, b]) for a, b in ((i, j), (i, i), (j, j)))
    dot, norm_i, norm_j = (float(dots[a, b]) for a, b in ((i, j), (i, i), (j, j)))
    if measure == "co_count":
        return both
    if measure == "cosine":
        return dot / (math.sqrt(norm_i * norm_j) + shrinkage * WEIGHT_SCALE**2)
    if measure == "asymmetric_cosine":
        return dot / (norm_i**asymmetry * norm_j ** (1 - asymmetry) + shrinkage * WEIGHT_SCALE**2)
    if measure == "jaccard":
        return both / (n_i + n_j - both)
    if measure == "lift":
        return (both / n) / ((n_i / n) * (n_j / n))
    # Twice the mutual information of the two by two table, in nats, times n.
    table = np.array([[both, n_i - both], [n_j - both, n - n_i - n_j + both]])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    cells = [
        seen * math.log(seen / due)
        for seen, due in zip(table.ravel(), expected.ravel(), strict=True)
        if seen
    ]
    return 2 * math.fsum(cells) if both * n > n_i * n_j else 0.0


def dense_oracle(rows, n_items, k, shrinkage, min_support, *, measure="cosine", asymmetry=0.5):
    X = np.zeros((len(rows), n_items), dtype=np.int64)
    for history, row in enumerate(rows):
        for item, weight in row.items():
            X[history, item] = weight
    dense = X.T @ X, (X > 0).astype(np.int64).T @ (X > 0), int((X > 0).any(axis=1).sum())
    result = []
    for i in range(n_items):
        scored = [
            (-dense_score(measure, i, j, dense, shrinkage, asymmetry), j)
            for j in range(n_items)
            if j != i and dense[1][i, j] >= min_support
        ]
        best = sorted(pair for pair in scored if pair[0] < 0)[:k]
        result += [
            (i, j, rank, -score, int(dense[1][i, j])) for rank, (score, j) in enumerate(best, 1)
        ]
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
    st.lists(st.dictionaries(st.integers(0, 7), st.integers(0, WEIGHT_SCALE)), max_size=8),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_equals_the_dense_oracle_on_any_rows(rows, k, min_support):
    found = neighbours_of(rows, 8, k=k, min_support=min_support)
    assert found == dense_oracle(rows, 8, k, 0.5, min_support)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("k", "min_support", "asymmetry"), [(3, 1, 0.5), (60, 1, 0.9), (9, 3, 0.0)]
)
def test_each_measure_equals_its_definition(measure, seed, k, min_support, asymmetry):
    """Scores to rounding; neighbours too, but for the order of scores that are as good as equal."""
    rows = random_rows(seed, n_histories=80, n_items=40, largest=WEIGHT_SCALE)
    options = {"k": k, "min_support": min_support, "asymmetry": asymmetry, "shrinkage": 0.5}
    found = neighbours_of(rows, 40, measures=[measure], **options)
    expected = dense_oracle(rows, 40, measure=measure, **options)
    assert [(row[0], row[2]) for row in found] == [(row[0], row[2]) for row in expected]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], rel=1e-9)
    every = dense_oracle(rows, 40, 40, 0.5, min_support, measure=measure, asymmetry=asymmetry)
    scores = {row[:2]: (row[3], row[4]) for row in every}
    assert len(found) > 100
    for item, neighbour, _, similarity, support in found:
        assert scores[item, neighbour] == (pytest.approx(similarity, rel=1e-9), support)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("seed", range(2))
def test_more_candidates_than_a_list_holds_by_far(measure, seed):
    """A sample of the candidates may promise too much: then all are looked at again."""
    rows = random_rows(seed, n_histories=60, n_items=300, largest=WEIGHT_SCALE)
    found = neighbours_of(rows, 300, measures=[measure], k=3, shrinkage=0)
    expected = dense_oracle(rows, 300, 3, 0, 1, measure=measure)
    assert len(found) == 900
    assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], rel=1e-9)


def test_a_sample_that_promises_too_much():
    """Every eighth candidate is close, but there are fewer such than the list is long."""
    close = dict.fromkeys(range(0, 400, 8), WEIGHT_SCALE)
    rows = [dict.fromkeys(range(400), 8), *[close] * 30]
    found = neighbours_of(rows, 400, targets=[0], k=60, shrinkage=0)
    assert found == dense_oracle(rows, 400, 60, 0, 1)[:60]
    assert len({row[3] for row in found}) == 2


def test_several_measures_in_one_pass_equal_each_alone():
    rows = random_rows(4, n_histories=80, n_items=40, largest=WEIGHT_SCALE)
    histories, targets = histories_of(rows, 40), np.array([7, 0, 39])
    options = OPTIONS | {"measures": list(MEASURES)}
    found = top_neighbours(histories, statistics_of(histories, 40), targets, **options)
    together = list(zip(found.measure.tolist(), as_tuples(found), strict=True))
    for place, measure in enumerate(MEASURES):
        alone = neighbours_of(rows, 40, targets=targets, measures=[measure])
        assert [row for m, row in together if m == place] == alone
    assert [(row[0], m) for m, row in together] == sorted(
        [(row[0], m) for m, row in together],
        key=lambda key: (targets.tolist().index(key[0]), key[1]),
    )


def test_what_meets_no_more_than_by_chance_has_no_log_likelihood():
    # 0 and 1 independent: 1 of 4 histories has both, each is in 2; 0 and 2 are always together.
    rows = [{0: 1, 1: 1, 2: 1}, {0: 1, 2: 1}, {1: 1}, {3: 1}]
    found = neighbours_of(rows, 4, targets=[0], measures=["log_likelihood"])
    # Entropies by hand: G^2 = 2 * 4 * ln 2 for a perfect split of 4 into 2 and 2.
    assert found == [(0, 2, 1, pytest.approx(8 * math.log(2)), 2)]


@pytest.mark.parametrize("seed", range(3))
def test_support_by_chance_equals_its_definition(seed):
    """Places beside an item, each filled with others in proportion to their histories."""
    sets = [{i for i, weight in row.items() if weight} for row in random_rows(seed)]
    statistics = statistics_of(histories_of(random_rows(seed), 25), 25)
    pairs = [(i, j) for i in range(25) for j in range(25) if i != j]
    item, neighbour = np.array(pairs, np.int32).T
    found = expected_support(statistics, item, neighbour)
    for (i, j), expected in zip(pairs, found, strict=True):
        others = sum(len(held - {i}) for held in sets)
        share = sum(j in held for held in sets) / others
        assert expected == pytest.approx(sum(len(held) - 1 for held in sets if i in held) * share)


def test_two_products_that_fill_all_baskets_meet_as_often_as_by_chance():
    statistics = statistics_of(histories_of([{0: 1, 1: 1}] * 7, 2), 2)
    found = expected_support(statistics, np.array([0, 1], np.int32), np.array([1, 0], np.int32))
    assert found.tolist() == [7.0, 7.0]


def test_more_histories_than_a_bestseller_may_have_is_refused():
    n = MAX_HISTORIES_PER_ITEM + 1
    crowd = InteractionMatrix(np.arange(n + 1), np.zeros(n, np.uint32))
    with pytest.raises(ValueError, match=r"at most 4194303 histories. Received 4194304 for item 0"):
        statistics_of(crowd, 1)


def test_sums_of_a_bestseller_do_not_overflow():
    # As many histories as are allowed, all of the largest weight: the sum is just below 2**42.
    n = MAX_HISTORIES_PER_ITEM
    entries = np.tile(np.array([WEIGHT_SCALE, 2**11 | WEIGHT_SCALE], np.uint32), n)
    histories = InteractionMatrix(np.arange(n + 1) * 2, entries)
    found = top_neighbours(histories, statistics_of(histories, 2), np.arange(2), **OPTIONS)
    similarity = pytest.approx(n / (n + 0.5), rel=1e-12)
    assert as_tuples(found) == [(0, 1, 1, similarity, n), (1, 0, 1, similarity, n)]


@pytest.mark.parametrize("n_items", [2**21, 2**21 + 1])
def test_a_catalogue_too_large_for_small_entries_has_large_ones(n_items):
    """The last item has all bits set; neighbours are those of a small catalogue."""
    last = n_items - 1
    histories = histories_of([{0: 5, last: 7}, {0: 5, last: WEIGHT_SCALE}], n_items)
    assert histories.entries.dtype == (np.uint32 if n_items == 2**21 else np.uint64)
    assert histories.items.tolist() == [0, last, 0, last]
    assert histories.weights.tolist() == [5, 7, 5, WEIGHT_SCALE]
    statistics = statistics_of(histories, n_items)
    found = as_tuples(top_neighbours(histories, statistics, np.array([last]), **OPTIONS))
    small = neighbours_of([{0: 5, 1: 7}, {0: 5, 1: WEIGHT_SCALE}], 2, targets=[1])
    assert found == [(last, *row[1:]) for row in small]


@pytest.mark.parametrize("n_blocks", [1, 2, 7, 40])
def test_blocks_joined_equal_the_whole(n_blocks):
    rows = random_rows(1)
    works = statistics_of(histories_of(rows, 25), 25).works
    blocks = balanced_blocks(works, n_blocks)
    joined = []
    for block in range(n_blocks):
        joined += neighbours_of(rows, 25, targets=np.flatnonzero(blocks == block))
    assert sorted(joined) == sorted(neighbours_of(rows, 25))


def test_statistics_by_hand():
    statistics = statistics_of(histories_of([{0: 3, 2: 1}, {}, {0: 4}], 4), 4)
    assert statistics.histories.tolist() == [2, 0, 1, 0]
    assert statistics.norms.tolist() == [25, 0, 1, 0]
    assert statistics.works.tolist() == [3, 0, 2, 0]
    assert statistics.n_histories == 2


def test_one_user_with_a_third_of_all_events_rules_no_list():
    """A reseller buys everything; the others buy pairs (0, 1), (2, 3), ... five times each."""
    reseller = dict.fromkeys(range(40), WEIGHT_SCALE)
    rows = [
        reseller,
        *[{item: WEIGHT_SCALE, item + 1: WEIGHT_SCALE} for item in range(0, 40, 2)] * 5,
    ]
    found = neighbours_of(rows, 40, shrinkage=0, k=40)
    best = {item: neighbour for item, neighbour, rank, *_ in found if rank == 1}
    assert best == {item: item ^ 1 for item in range(40)}
    assert {neighbour for *pair, support in found for neighbour in [pair[1]] if support > 1} == set(
        range(40)
    )
    assert {row[:2] for row in neighbours_of(rows, 40, min_support=2, k=40)} == set(best.items())


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
    # In eighths of ONE: item 0 is (3, 4), item 1 is (0, 2), so dot = 8, norms 25 and 4,
    # sqrt(25 * 4) = 10. Plain: 8 / 10 = 0.8. Shrunk by 6: 8 / (10 + 6) = 0.5.
    eighth = WEIGHT_SCALE // 8
    rows = [{0: 3 * eighth}, {0: 4 * eighth, 1: 2 * eighth}]
    assert neighbours_of(rows, 2, shrinkage=0) == [(0, 1, 1, 0.8, 1), (1, 0, 1, 0.8, 1)]
    assert neighbours_of(rows, 2, shrinkage=6 / 64) == [(0, 1, 1, 0.5, 1), (1, 0, 1, 0.5, 1)]


def test_ties_break_by_the_smaller_neighbour():
    # All pairs of {0..4} are bought together once: every cosine is 1.
    found = neighbours_of([dict.fromkeys([3, 1, 4, 0, 2], WEIGHT_SCALE)], 5, k=2, shrinkage=0)
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
    found = top_neighbours(histories, statistics_of(histories, 2), np.arange(2), **OPTIONS)
    types = [getattr(found, name).dtype for name in COLUMNS]
    assert types == [np.int32, np.int32, np.int32, np.float64, np.int64]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"k": 0}, "k and min_support should be at least 1. Received k=0"),
        ({"min_support": 0}, "Received k=3 and min_support=0"),
        ({"shrinkage": -1.0}, "shrinkage should be a finite number.*Received -1.0"),
        ({"shrinkage": math.nan}, "shrinkage should be a finite number.*Received nan"),
        ({"shrinkage": math.inf}, "shrinkage should be a finite number.*Received inf"),
        ({"asymmetry": 1.5}, "asymmetry one from 0 to 1. Received 0.5 and 1.5"),
        ({"asymmetry": math.nan}, "asymmetry one from 0 to 1. Received 0.5 and nan"),
        ({"measures": ["cosin"]}, "some of co_count, cosine, .* each once. Received cosin"),
        ({"measures": []}, "each once. Received none"),
        ({"measures": ["lift", "lift"]}, "each once. Received lift, lift"),
        ({"targets": [2]}, "targets should be from 0 to 1. Received 2 to 2"),
        ({"targets": [-1]}, "targets should be from 0 to 1. Received -1 to -1"),
        ({"targets": [1, 0, 1]}, "targets should be unique. Received 1 2 times"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        neighbours_of([{0: 1, 1: 1}], 2, **options)


def test_a_catalogue_that_does_not_cover_the_items_is_refused():
    with pytest.raises(
        ValueError, match=r"n_items should exceed every item. Received 1 and item 1"
    ):
        statistics_of(histories_of([{0: 3, 1: 1}], 2), 1)
