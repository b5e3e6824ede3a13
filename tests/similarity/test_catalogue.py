"""Products by number, and histories of product ids as histories of items."""

import numpy as np
import pandas as pd
import pyarrow as pa

from lakeshop.similarity.catalogue import Catalogue, catalogue_of, histories_in

ENTRIES = pa.list_(pa.struct([("weight", pa.int64()), ("product_id", pa.string())]))


def entries_of(*histories):
    rows = [[{"weight": w, "product_id": p} for p, w in history] for history in histories]
    return pa.array(rows, ENTRIES)


def catalogue(*product_ids):
    return Catalogue(pa.array(product_ids, pa.string()))


def test_products_are_numbered_by_histories_then_id():
    items = pd.DataFrame(
        {
            "product_id": ["b", "c", "a", "B"],
            "histories": [1, 2, 1, 1],
            "norm": [9, 26, 4, 1],
            "work": [3, 4, 3, 1],
        }
    )
    made, norms, work = catalogue_of(items)
    assert made.product_ids.to_pylist() == ["c", "B", "a", "b"]
    assert (norms.tolist(), work.tolist()) == ([26, 1, 4, 9], [4, 1, 3, 3])
    assert norms.dtype == work.dtype == np.int64


def test_no_products():
    empty = pd.DataFrame({n: [] for n in ("product_id", "histories", "norm", "work")})
    made, norms, work = catalogue_of(empty)
    assert len(made.product_ids) == norms.size == work.size == 0


def test_histories_by_item_without_the_unknown():
    entries = entries_of([("q", 5), ("x", 7), ("p", 1)], [("x", 2)], [], [("p", 3)])
    found = histories_in(entries, catalogue("p", "q"))
    assert found.indptr.tolist() == [0, 2, 2, 2, 3]
    assert found.items.tolist() == [1, 0, 0]
    assert found.weights.tolist() == [5, 1, 3]


def test_a_slice_of_a_batch_is_its_own():
    """Arrow's slices share the buffers of the whole."""
    entries = entries_of([("p", 1), ("q", 2)], [("q", 3)], [("p", 4), ("q", 5)])
    found = histories_in(entries.slice(1, 2), catalogue("p", "q"))
    assert found.indptr.tolist() == [0, 1, 3]
    assert found.items.tolist() == [1, 0, 1]
    assert found.weights.tolist() == [3, 4, 5]


def test_no_histories():
    found = histories_in(entries_of(), catalogue("p"))
    assert found.indptr.tolist() == [0]
    assert found.items.size == 0


def test_numbers_of_products():
    assert catalogue("b", "a").numbers(pa.array(["a", "z", "b"])).tolist() == [1, -1, 0]
