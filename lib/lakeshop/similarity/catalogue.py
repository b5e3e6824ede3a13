"""Products by number: the items of the kernel.

No Spark here. The most frequent products have the smallest numbers: the kernel's hot entries are
adjacent in the processor's cache.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lakeshop.ml.arrays import Integers
from lakeshop.similarity.histories import InteractionMatrix, as_histories, as_integers, offsets_of


@dataclass(frozen=True)
class Catalogue:
    """Item i is `product_ids[i]`."""

    product_ids: pa.StringArray

    @property
    def size(self) -> int:
        """The number of items."""
        return len(self.product_ids)

    def numbers(self, product_ids: pa.StringArray) -> Integers:
        """The item of each product, -1 where the catalogue lacks it or it is NULL."""
        found = pc.index_in(product_ids, value_set=self.product_ids).fill_null(-1)
        return as_integers("items", found.to_numpy())


@dataclass(frozen=True)
class Numbers:
    """Items that were numbered before, from 0 on: nothing is held of any of them."""

    size: int

    @property
    def product_ids(self) -> pa.Int32Array:
        """The number of each item, in place of its id."""
        return pa.array(np.arange(self.size, dtype=np.int32))

    def numbers(self, items: pa.Int32Array) -> Integers:
        """The item of each number: itself."""
        return as_integers("items", items.to_numpy())


Items = Catalogue | Numbers


def catalogue_of(events: pd.DataFrame) -> Catalogue:
    """Products numbered from 0, most events first, then by id.

    Args:
        events: product_id and number of events of each product, in any order.
    """
    ranked = events.sort_values(["events", "product_id"], ascending=[False, True])
    return Catalogue(pa.array(ranked["product_id"], pa.string()))


def histories_in(product_ids: pa.ListArray, catalogue: Catalogue) -> InteractionMatrix:
    """Histories of equal weights by item; products that the catalogue lacks are left out.

    Args:
        product_ids: a list of unique products per history.
        catalogue: numbers the products.
    """
    lengths = pc.list_value_length(product_ids).fill_null(0).to_numpy(zero_copy_only=False)
    items = catalogue.numbers(product_ids.flatten())
    known = items >= 0
    offsets = offsets_of(known)[offsets_of(lengths)]
    kept = items[known]
    return as_histories(offsets, kept, [1] * kept.size, n_items=catalogue.size)
