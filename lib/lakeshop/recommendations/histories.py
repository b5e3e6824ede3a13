"""What a batch of users bought and did lately, as arrays: read from Arrow, kept by product number.

No Spark here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakeshop.engine.transforms import FIXED_POINT_SCALE
from lakeshop.ml.arrays import Bools, Floats, Integers
from lakeshop.recommendations.shelf import Shelf

# Of a user and a product bought: columns of features.user_products.
PAIR_COLUMNS = (
    "purchase_days", "purchase_days_3", "purchase_days_14", "purchase_days_28", "purchase_days_84",
    "purchase_days_viewed", "days_since_purchase", "days_since_first_purchase", "habit", "recent",
)  # fmt: skip
# Of a user and a product seen: sums of features.user_product_days.
ACTION_COLUMNS = ("views", "carts", "days_since_action")
# Of a user: columns of features.users.
USER_COLUMNS = (
    "days_since_purchase", "days_since_first_purchase", "visit_days", "visit_days_short",
    "visit_days_middle", "visit_days_long", "recent_purchases", "products", "discount_share",
)  # fmt: skip
_SUMS = ("habit", "recent", "recent_purchases")  # in fixed point


@dataclass(frozen=True, eq=False)
class Pairs:
    """Users and products, by user and then by product.

    Attributes:
        user: place of the user in the batch, int64[n].
        product: number of the product, int64[n].
        values: float64[n] by column.
    """

    user: Integers
    product: Integers
    values: Mapping[str, Floats] = field(repr=False)

    def where(self, chosen: Bools) -> "Pairs":
        """The pairs of a mask."""
        values = {name: value[chosen] for name, value in self.values.items()}
        return Pairs(self.user[chosen], self.product[chosen], values)


@dataclass(frozen=True, eq=False)
class Users:
    """A batch of users.

    Attributes:
        ids: pseudonyms.
        values: float64[u] by column of features.users, NaN where missing.
        departments: number of each preferred department, int64[u, k], 0 where there is none.
        bought: what they bought, also what was brought back: `purchase_days` is 0 then.
        acted: what they viewed, or put into the cart or on the wish list.
    """

    ids: pa.StringArray
    values: Mapping[str, Floats] = field(repr=False)
    departments: Integers = field(repr=False)
    bought: Pairs = field(repr=False)
    acted: Pairs = field(repr=False)

    @property
    def size(self) -> int:
        """Number of users."""
        return len(self.ids)


def users_in(batch: pa.RecordBatch, shelf: Shelf, most_departments: int) -> Users:
    """Read users from a batch of rows as `pairs.histories` has them."""
    return Users(
        batch["user_id"],
        {name: _numbers(batch[name], name) for name in USER_COLUMNS},
        _departments(batch["preferred_departments"], shelf, most_departments),
        _pairs(batch["bought"], PAIR_COLUMNS, shelf),
        _pairs(batch["acted"], ACTION_COLUMNS, shelf),
    )


def _numbers(column: pa.Array, name: str) -> Floats:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    found: Floats = values / FIXED_POINT_SCALE if name in _SUMS else values
    return found


def _pairs(lists: pa.ListArray, columns: tuple[str, ...], shelf: Shelf) -> Pairs:
    """Pairs of products that the shelf knows."""
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    flat = lists.flatten()
    user = np.repeat(np.arange(lengths.size, dtype=np.int64), lengths)
    product = shelf.catalogue.numbers(flat.field("product_id"))
    order = np.lexsort((product, user))
    order = order[product[order] >= 0]
    values = {name: _numbers(flat.field(name), name)[order] for name in columns}
    return Pairs(user[order], product[order], values)


def _departments(lists: pa.ListArray, shelf: Shelf, most: int) -> Integers:
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    names = pa.array(shelf.departments, pa.string())
    numbers = pc.index_in(lists.flatten(), value_set=names).fill_null(0).to_numpy()
    user = np.repeat(np.arange(lengths.size), lengths)
    place = np.arange(user.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    found = np.zeros((lengths.size, most), np.int64)
    kept = place < most
    found[user[kept], place[kept]] = numbers[kept]
    return found
