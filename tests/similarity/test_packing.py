"""Interactions packed into histories, worked by hand and against a plain loop."""

import numpy as np
import pyarrow as pa
import pytest

from lakeshop.similarity.catalogue import Catalogue
from lakeshop.similarity.histories import WEIGHT_SCALE
from lakeshop.similarity.packing import Cut, as_rows, from_rows, numbered, packed

CATALOGUE = Catalogue(pa.array(["p", "q", "r", "s"]))


def batch(*rows):
    """Rows of history (whose hashes stand for it), product_id, weight, age, bought (else 1)."""
    whole = [(*row, 1)[:5] for row in rows]
    columns = [list(column) for column in zip(*whole, strict=True)] if rows else [[]] * 5
    hashes = [[sum(map(ord, history)) for history in columns[0]], [0] * len(rows)]
    types = (pa.int64(), pa.int64(), pa.string(), pa.int64(), pa.int32(), pa.int32())
    values = zip([*hashes, *columns[1:]], types, strict=True)
    names = ["hash", "other_hash", "product_id", "weight", "age", "bought"]
    return pa.RecordBatch.from_arrays([pa.array(*column) for column in values], names)


def unpacked(histories):
    """Each history as a dict of item and weight; their order says nothing."""
    entries = list(zip(histories.items.tolist(), histories.weights.tolist(), strict=True))
    bounds = zip(histories.indptr[:-1], histories.indptr[1:], strict=True)
    return sorted([dict(sorted(entries[start:end])) for start, end in bounds], key=repr)


def histories_of(*batches, max_history=9):
    return unpacked(packed(numbered(batches, CATALOGUE), 4, max_history)[0])


def test_rows_of_a_history_come_together_from_all_batches():
    first = batch(("h2", "q", 5, 1), ("h1", "p", 7, 1))
    assert histories_of(first, batch(), batch(("h2", "s", 1, 4))) == [{0: 7}, {1: 5, 3: 1}]


def test_histories_differ_by_either_hash():
    rows = batch(("a", "p", 1, 0), ("a", "q", 2, 0), ("b", "r", 3, 0), ("b", "s", 4, 0))
    other = rows.set_column(1, "other_hash", pa.array([0, 5, 0, 0]))
    assert histories_of(rows) == [{0: 1, 1: 2}, {2: 3, 3: 4}]
    assert histories_of(other) == [{0: 1}, {1: 2}, {2: 3, 3: 4}]


def test_a_product_counts_once_by_its_largest_weight():
    rows = [("h", "p", 3, 9), ("h", "q", 5, 1), ("h", "p", 8, 2), ("h", "p", 4, 1)]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
        assert histories_of(batch(*[rows[n] for n in order])) == [{0: 8, 1: 5}]


def test_purchases_that_were_taken_back_are_left_out():
    taken = [("h", "p", 8, 2, 1), ("h", "p", 8, 2, -1)]
    other = [("h", "q", 8, 2, 2), ("h", "q", 8, 2, -1), ("h", "r", 8, 2, 1), ("h", "r", 8, 3, -1)]
    view = [("h", "p", 1, 2, 0)]  # of another weight, as a view is
    for rows in ([*taken, *other, *view], [*view, *reversed(other), *reversed(taken)]):
        assert histories_of(batch(*rows)) == [{0: 1, 1: 8, 2: 8}]
    assert histories_of(batch(*taken)) == []


def test_uninformative_rows_are_left_out():
    rows = [
        *[("h", None, 5, 1), ("h", "unknown", 5, 1), ("h", "q", 0, 1)],
        ("h", "p", 1, 1),
    ]
    assert histories_of(batch(*rows)) == [{0: 1}]
    assert histories_of(batch(*rows[:3])) == []


def test_nothing_gives_no_history():
    assert histories_of() == []
    assert histories_of(batch()) == []


@pytest.mark.parametrize("wrong", [-1, WEIGHT_SCALE + 1])
def test_weights_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="weights should be fixed-point integers from 0 to 1024"):
        histories_of(batch(("h", "p", 1, 1), ("h", "q", wrong, 1)))


def test_weights_that_are_no_integers_are_refused():
    rows = batch(("h", "p", 1, 1))
    for weights in (pa.array([float("nan")]), pa.array([None], pa.int64())):
        fraction = rows.set_column(3, "weight", weights)
        with pytest.raises(ValueError, match="weights should be one-dimensional integers"):
            histories_of(fraction)


def test_longer_histories_keep_the_newest_then_the_heavier_then_the_smaller_item():
    full = [("full", "p", 9, 3), ("full", "q", 9, 2), ("full", "r", 5, 2), ("full", "s", 9, 2)]
    short = [("short", "p", 1, 400)]
    assert histories_of(batch(*full, *short), max_history=3) == [{0: 1}, {1: 9, 2: 5, 3: 9}]
    assert histories_of(batch(*full, *short), max_history=2) == [{0: 1}, {1: 9, 3: 9}]
    assert histories_of(batch(*full, *short), max_history=1) == [{0: 1}, {1: 9}]
    for most, cut in ((1, Cut(1, 3)), (3, Cut(1, 1)), (4, Cut(0, 0))):
        assert packed(numbered([batch(*full, *short)], CATALOGUE), 4, most)[1] == cut


def test_the_newest_event_of_a_product_decides_its_age():
    rows = [("h", "p", 9, 300), ("h", "p", 1, 0), ("h", "q", 5, 1)]
    assert histories_of(batch(*rows), max_history=1) == [{0: 9}]


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_plain_loop(seed):
    draw = np.random.default_rng(seed)
    rows = [
        (f"h{draw.integers(9)}", "pqrs"[draw.integers(4)], int(draw.integers(0, 4)), int(age))
        for age in draw.integers(0, 5, 60)
    ]
    plain = {}
    for history, product, weight, age in rows:
        if weight:
            entry = plain.setdefault(history, {}).setdefault("pqrs".index(product), [0, 99])
            entry[:] = [max(entry[0], weight), min(entry[1], age)]
    expected = []
    for items in plain.values():
        newest = sorted(items, key=lambda item: (items[item][1], -items[item][0], item))
        expected.append({item: items[item][0] for item in sorted(newest[:2])})
    found = histories_of(batch(*rows[:25]), batch(*rows[25:]), max_history=2)
    assert found == sorted(expected, key=repr)


@pytest.mark.parametrize("at_once", [1, 3, 4, 99])
def test_rows_give_the_histories_back(at_once):
    rows = [(f"h{n}", product, n + 1, 0) for n in range(5) for product in "pqrs"[: n % 4 + 1]]
    whole, cut = packed(numbered([batch(*rows)], CATALOGUE), 4, 3)
    packets = list(as_rows(whole, cut, at_once))
    pieces = list(from_rows(packets, 4))
    assert len(pieces) == -(-whole.entries.size // at_once)
    assert max(piece.entries.size for piece in pieces) <= at_once + 2  # the longest less one
    together = [history for piece in pieces for history in unpacked(piece)]
    assert sorted(together, key=repr) == unpacked(whole)
    assert [packet["cut_histories"][0].as_py() for packet in packets] == [
        1,
        *[0] * len(packets[1:]),
    ]
    assert packets[0]["cut_interactions"][0].as_py() == 1


def test_no_history_is_one_empty_row():
    nothing = as_rows(*packed(numbered([], CATALOGUE), 4, 9))
    assert [piece.entries.size for piece in from_rows(nothing, 4)] == [0]
