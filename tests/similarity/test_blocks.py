"""Balanced blocks of target items."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeshop.similarity.packing import balanced_blocks


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
