"""Products by number: the items of the kernel, and histories of product ids as histories of items.

No Spark here: a batch of histories is one of Arrow's, as tasks receive it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lakeshop.similarity.histories import Histories, Integers, as_histories, as_integers, offsets_of


@dataclass(frozen=True)
class Catalogue:
    """Item i is `product_ids[i]`."""

    product_ids: pa.StringArray

    def numbers(self, product_ids: pa.StringArray) -> Integers:
        """The item of each product, -1 where the catalogue lacks it."""
        found = pc.index_in(product_ids, value_set=self.product_ids).fill_null(-1)
        return as_integers("items", found.to_numpy())


def catalogue_of(items: pd.DataFrame) -> tuple[Catalogue, Integers, Integers]:
    """Products numbered from 0, those in most histories first, and their norms and works.

    Args:
        items: product_id, histories, norm, work of each product, in any order.
    """
    ranked = items.sort_values(["histories", "product_id"], ascending=[False, True])
    ids = pa.array(ranked["product_id"], pa.string())
    return Catalogue(ids), ranked["norm"].to_numpy(np.int64), ranked["work"].to_numpy(np.int64)


def histories_in(entries: pa.ListArray, catalogue: Catalogue) -> Histories:
    """Histories by item; products that the catalogue lacks are left out.

    Args:
        entries: a list of weight and product_id per history.
        catalogue: numbers the products.
    """
    lengths = pc.list_value_length(entries).to_numpy()
    weights, product_ids = entries.flatten().flatten()
    items = catalogue.numbers(product_ids)
    known = items >= 0
    kept = np.bincount(np.repeat(np.arange(lengths.size), lengths)[known], minlength=lengths.size)
    return as_histories(
        offsets_of(kept),
        items[known],
        weights.to_numpy()[known],
        n_items=len(catalogue.product_ids),
    )
