"""Balanced blocks of target items."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeshop.similarity.blocks import balanced_blocks, pair_work, parts_of
from lakeshop.similarity.histories import as_histories, joined


def test_work_is_dealt_heaviest_first():
    # 7 -> 0, 5 -> 1, 4 -> 1 (5 < 7), 3 -> 0 (7 < 9), 1 -> 1 (9 < 10): loads 10 and 10.
    blocks = balanced_blocks(np.array([3, 7, 1, 5, 4]), 2)
    assert blocks.tolist() == [0, 0, 1, 1, 1]
    assert blocks.dtype == np.int32


def test_ties_go_by_item_then_by_block():
    assert balanced_blocks(np.array([2, 2, 2, 2, 2]), 3).tolist() == [0, 1, 2, 0, 1]


def test_items_without_work_even_out_the_number_of_items():
    # 9 -> 0, 1 -> 1, 1 -> 1; of the zeros, item 0 goes to block 0 (1 < 2), the rest in turn.
    assert balanced_blocks(np.array([0, 9, 0, 1, 0, 1, 0]), 2).tolist() == [0, 0, 0, 1, 1, 1, 0]


def test_work_beyond_int64_in_total():
    assert balanced_blocks(np.full(4, 2**62), 2).tolist() == [0, 1, 0, 1]


def test_more_blocks_than_items():
    assert balanced_blocks(np.array([5, 0]), 7).tolist() == [0, 1]


def test_no_items():
    blocks = balanced_blocks(np.array([], dtype=np.int64), 3)
    assert blocks.dtype == np.int32
    assert blocks.size == 0


@given(st.lists(st.integers(0, 1000), max_size=60), st.integers(1, 8))
def test_the_heaviest_block_is_close_to_the_mean(work, n_blocks):
    blocks = balanced_blocks(np.array(work, dtype=np.int64), n_blocks)
    assert blocks.size == len(work)
    loads = [sum(w for w, b in zip(work, blocks, strict=True) if b == n) for n in range(n_blocks)]
    # The last item put on the heaviest block went to the lightest, which was below the mean.
    assert max(loads) - min(loads) <= max(work, default=0)
    assert set(blocks.tolist()) <= set(range(n_blocks))


@given(st.integers(0, 50), st.integers(1, 8))
def test_idle_items_are_spread_evenly(n_items, n_blocks):
    sizes = np.bincount(balanced_blocks(np.zeros(n_items, np.int64), n_blocks), minlength=n_blocks)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("n_blocks", [0, -1])
def test_no_blocks_is_refused(n_blocks):
    with pytest.raises(ValueError, match=rf"n_blocks should be at least 1. Received {n_blocks}"):
        balanced_blocks(np.array([1]), n_blocks)


def test_negative_work_is_refused():
    with pytest.raises(ValueError, match=r"work should not be negative. Received -3 for item 1"):
        balanced_blocks(np.array([1, -3]), 2)


def test_fractional_work_is_refused():
    with pytest.raises(ValueError, match=r"work should be one-dimensional integers"):
        balanced_blocks(np.array([0.5]), 2)


def test_pair_work_sums_the_lengths_of_an_items_histories():
    # Histories {0, 1, 2}, {}, {1}, {1, 2}: item 0 has 3; item 1 has 3 + 1 + 2; item 2 has 3 + 2.
    histories = as_histories([0, 3, 3, 4, 6], [2, 0, 1, 1, 2, 1], [1, 1, 1, 1, 0, 1], n_items=4)
    assert pair_work(histories, 4).tolist() == [3, 6, 5, 0]


def test_pair_work_refuses_a_catalogue_too_small():
    histories = as_histories([0, 1], [4], [1], n_items=5)
    with pytest.raises(
        ValueError, match=r"n_items should exceed every item. Received 4 and item 4"
    ):
        pair_work(histories, 4)


def test_pair_work_of_nothing():
    assert pair_work(as_histories([0], [], [], n_items=2), 2).tolist() == [0, 0]


def rows_of(histories):
    ends = zip(histories.indptr[:-1], histories.indptr[1:], strict=True)
    return [
        list(zip(histories.items[a:b].tolist(), histories.weights[a:b].tolist(), strict=True))
        for a, b in ends
    ]


def test_parts_hold_each_history_that_touches_a_block_in_full():
    # Items 0 and 2 are in block 1, item 1 in block 0; block 2 has no item.
    histories = as_histories([0, 2, 3, 3, 4], [0, 1, 1, 2], [5, 6, 7, 8], n_items=3)
    parts = dict(parts_of(histories, np.array([1, 0, 1], dtype=np.int32)))
    assert list(parts) == [0, 1]
    assert rows_of(parts[0]) == [[(0, 5), (1, 6)], [(1, 7)]]
    assert rows_of(parts[1]) == [[(0, 5), (1, 6)], [(2, 8)]]


def test_parts_joined_are_the_whole_where_there_is_one_block():
    histories = as_histories([0, 2, 3], [0, 1, 1], [5, 6, 7], n_items=2)
    one_block = np.zeros(2, dtype=np.int32)
    parts = [part for _ in range(2) for _, part in parts_of(histories, one_block)]
    assert rows_of(joined(parts)) == 2 * rows_of(histories)


def test_no_parts_of_nothing():
    histories = as_histories([0, 0], [], [], n_items=2)
    assert list(parts_of(histories, np.zeros(2, dtype=np.int32))) == []
