"""The products of a night by number, with their features and neighbours: what tasks are sent.

No Spark here. Memory: 8 bytes per product and feature, 12 per pair of neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from lakeshop.ml.arrays import Bools, Floats, Ids, Integers
from lakeshop.ml.hashing import bucket
from lakeshop.similarity.catalogue import Catalogue

NEW_DAYS = 28  # a product of that age is a new arrival
BUCKETS = 256  # of hashed departments and categories; 0 is unknown
PRODUCT_COLUMNS = (
    "purchase_days", "purchase_days_3", "purchase_days_14", "purchase_days_28", "purchase_days_84",
    "buyers", "buyers_short", "repeat_share", "repeat_rate", "days_between_purchases", "price",
    "price_change", "age_days", "days_since_purchase", "display_stores", "mailer_stores",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shelf:
    """Products numbered in the order of their ids.

    Attributes:
        catalogue: ids by number.
        figures: columns of features.products, float64[n] each, NaN where missing.
        department: number of each product's department, 0 where unknown.
        category: the same of its category.
        departments: names by number; the first stands for unknown.
        codes: of the department and the category of each product, for embeddings.
        is_offered: which products lists may show.
        targets: numbers of the products that neighbours and popularity may propose, ascending.
        weights: by measure, what a product bought says of each target, [n, targets].
    """

    catalogue: Catalogue
    figures: Mapping[str, Floats] = field(repr=False)
    department: Integers
    category: Integers
    departments: Sequence[str]
    codes: Mapping[str, Integers] = field(repr=False)
    is_offered: Bools
    targets: Integers
    weights: Mapping[str, sparse.csr_matrix] = field(repr=False)

    @property
    def size(self) -> int:
        """Number of products."""
        return len(self.catalogue.product_ids)

    @cached_property
    def places(self) -> Ids:
        """The place of each product among the targets, -1 where it is none."""
        found = np.full(self.size, -1, np.int32)
        found[self.targets] = np.arange(self.targets.size, dtype=np.int32)
        return found

    @cached_property
    def by_target(self) -> Mapping[str, sparse.csr_matrix]:
        """The weights by target, [targets, products]: turned round once for all batches."""
        return {measure: weights.T.tocsr() for measure, weights in self.weights.items()}


def shelf_of(
    products: pd.DataFrame,
    offered: Sequence[str],
    neighbours: pa.Table,
    most_targets: int,
    main: str,
) -> Shelf:
    """Return the shelf of a night.

    Args:
        products: product_id, `PRODUCT_COLUMNS`, department and category of all that was sold.
        offered: ids of the products that lists may show.
        neighbours: measure, product_id, neighbour_id and similarity.
        most_targets: of the products on offer the most bought ones are targets.
        main: a measure that is there also where a young shop has no neighbours yet.
    """
    rows = products.sort_values("product_id", ignore_index=True)
    catalogue = Catalogue(pa.array(rows["product_id"], pa.string()))
    figures = {
        name: pd.to_numeric(rows[name]).to_numpy(np.float64, na_value=np.nan)
        for name in PRODUCT_COLUMNS
    }
    is_offered = np.zeros(len(rows), np.bool_)
    numbers = catalogue.numbers(pa.array(offered, pa.string()))
    is_offered[numbers[numbers >= 0]] = True
    order = np.lexsort((np.arange(len(rows)), -figures["purchase_days_84"], ~is_offered))
    targets = np.sort(order[: min(most_targets, int(is_offered.sum()))]).astype(np.int64)
    departments, department = _numbered(rows["department"])
    categories, category = _numbered(rows["category"])
    return Shelf(
        catalogue,
        figures,
        department,
        category,
        departments,
        {"department": _codes(departments)[department], "category": _codes(categories)[category]},
        is_offered,
        targets,
        weights_of(neighbours, catalogue, targets, main),
    )


def weights_of(
    neighbours: pa.Table, catalogue: Catalogue, targets: Integers, main: str
) -> dict[str, sparse.csr_matrix]:
    """What each product says of each target, by measure; nothing by `main` if it has no pairs."""
    size = len(catalogue.product_ids)
    place = np.full(size + 1, -1, np.int64)  # the last for products that the catalogue lacks
    place[targets] = np.arange(targets.size)
    bought, other = (
        catalogue.numbers(neighbours[name].combine_chunks())
        for name in ("product_id", "neighbour_id")
    )
    # Numbers: a name each for millions of pairs would take more than all else.
    encoded = neighbours["measure"].combine_chunks().dictionary_encode()
    number, present = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    values = neighbours["similarity"].to_numpy()
    is_known = (bought >= 0) & (place[other] >= 0)
    found = {}
    for measure in sorted({main, *present}):
        mine = is_known & (number == (present.index(measure) if measure in present else -1))
        cells = (values[mine], (bought[mine], place[other[mine]]))
        matrix = sparse.csr_matrix(cells, shape=(size, targets.size))
        matrix.sort_indices()
        found[measure] = matrix
    return found


def _numbered(names: pd.Series) -> tuple[list[str], Integers]:
    """Names in their order after an unknown one, and the number of each row's name."""
    known = sorted({name for name in names if isinstance(name, str)})
    number = {name: n + 1 for n, name in enumerate(known)}
    return ["", *known], np.array([number.get(name, 0) for name in names], np.int64)


def _codes(names: Sequence[str]) -> Integers:
    """Codes of names that do not depend on the other names."""
    return np.array([bucket(name, BUCKETS) for name in names], np.int64)


def trend_of(figures: Mapping[str, Floats], days: int) -> Floats:
    """Logarithm of a product's purchases of the last days, by those of as many of 84 days."""
    mean = figures["purchase_days_84"] * days / 84
    trend: Floats = np.log((figures[f"purchase_days_{days}"] + 1) / (mean + 1))
    return trend
