"""Packed histories: what they hold, and every refusal."""

import math

import numpy as np
import pytest

from lakeshop.similarity.histories import WEIGHT_SCALE, as_fixed, as_histories


def test_read_only_arrays_are_taken():
    arrays = [np.array([0, 2]), np.array([0, 1], np.int32), np.array([1, 1])]
    for array in arrays:
        array.setflags(write=False)
    histories = as_histories(*arrays, n_items=2)
    assert histories.items.tolist() == [0, 1]
    assert histories.entries.flags.writeable


def test_fixed_point_rounds_half_to_even():
    # 0.5 / 1024 -> 0, 1.5 / 1024 -> 2, 1024 * 0.1 = 102.4 -> 102
    fixed = as_fixed(np.array([0.0, 0.5 / 1024, 1.5 / 1024, 0.1, 1.0]))
    assert fixed.tolist() == [0, 0, 2, 102, 1024]
    assert fixed.dtype == np.int64


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -0.1, 1.1])
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
        ([0, 1], [0], [-1], "weights should be fixed-point integers from 0 to 1024"),
        ([0, 1], [0], [WEIGHT_SCALE + 1], "weights should be fixed-point.*Received 1025"),
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


def test_entries_hold_item_and_weight_and_zero_weights_are_left_out():
    histories = as_histories([0, 2, 2, 4], [7, 0, 3, 8], [1, 0, WEIGHT_SCALE, 0], n_items=9)
    assert histories.indptr.tolist() == [0, 1, 1, 2]
    assert histories.items.tolist() == [7, 3]
    assert histories.weights.tolist() == [1, WEIGHT_SCALE]
