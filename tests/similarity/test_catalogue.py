"""Products by number, and lists of product ids as histories of items."""

import pandas as pd
import pyarrow as pa

from lakeshop.similarity.catalogue import Catalogue, Numbers, catalogue_of, histories_in
from lakeshop.similarity.histories import offsets_of


def bought(*histories):
    return pa.array(histories, pa.list_(pa.string()))


def catalogue(*product_ids):
    return Catalogue(pa.array(product_ids, pa.string()))


def test_products_are_numbered_by_events_then_id():
    events = pd.DataFrame({"product_id": ["b", "c", "a", "B"], "events": [1, 2, 1, 1]})
    assert catalogue_of(events).product_ids.to_pylist() == ["c", "B", "a", "b"]


def test_no_products():
    assert len(catalogue_of(pd.DataFrame({"product_id": [], "events": []})).product_ids) == 0


def test_histories_by_item_without_the_unknown():
    found = histories_in(bought(["q", "x", "p"], ["x"], [], ["p"]), catalogue("p", "q"))
    assert found.indptr.tolist() == [0, 2, 2, 2, 3]
    assert found.items.tolist() == [1, 0, 0]


def test_a_slice_of_a_batch_is_its_own():
    """Arrow's slices share the buffers of the whole."""
    found = histories_in(bought(["p", "q"], ["q"], ["p", "q"]).slice(1, 2), catalogue("p", "q"))
    assert found.indptr.tolist() == [0, 1, 3]
    assert found.items.tolist() == [1, 0, 1]


def test_no_histories():
    found = histories_in(bought(), catalogue("p"))
    assert found.indptr.tolist() == [0]
    assert found.items.size == 0


def test_numbers_of_products():
    assert catalogue("b", "a").numbers(pa.array(["a", "z", None, "b"])).tolist() == [1, -1, -1, 0]


def test_offsets_of_lengths():
    assert offsets_of(pd.Series([2, 0, 3]).to_numpy()).tolist() == [0, 2, 2, 5]


def test_items_that_bear_numbers_are_their_numbers():
    catalogue = Numbers(3)
    assert catalogue.numbers(pa.array([2, 0, 2], pa.int32())).tolist() == [2, 0, 2]
    assert catalogue.product_ids.to_pylist() == [0, 1, 2]
