"""Which family each input of the fraud models belongs to: what a reason is about.

Inputs of a family say the same thing in several ways (amount against mean, against maximum): apart
they would share what they contribute, and three reasons would be one.
"""

from collections.abc import Sequence

FAMILIES = {
    "amount": (
        *("line_amount", "unit_price", "user_mean_amount"),
        *("amount_to_user_mean", "amount_to_user_max", "amount_z"),
    ),
    "quantity": ("quantity", "quantity_to_user_mean"),
    "price": ("price_to_product_mean",),
    "coupon": (
        *("discount_share", "has_coupon", "order_coupons"),
        *("payment_coupons_7", "device_coupons_7"),
    ),
    "time": ("hour", "is_night", "is_weekend"),
    "order": ("order_lines", "order_amount", "order_units"),
    "pace": (
        *("user_count_1", "user_count_7", "user_count_30", "user_count", "hours_since_user"),
        *("user_amount_1", "user_amount_7", "user_amount_30"),
    ),
    "history": ("user_frauds",),
    "store": (
        *("store_count_1", "store_count_7", "store_count_30", "is_first_store"),
        *("store_frauds_7", "store_frauds_30", "store_risk_7", "store_risk_30"),
    ),
    "product": ("product_count_30", "product_frauds_30", "product_risk_30", "is_first_product"),
    "payment": (
        *("payment_count_1", "payment_count_7", "payment_users", "payment_frauds"),
        "is_first_payment",
    ),
    "device": (
        *("device_count_1", "device_count_7", "device_users", "device_frauds"),
        "is_first_device",
    ),
}
_OF_COLUMN = {column: family for family, columns in FAMILIES.items() for column in columns}


def family_of(column: str) -> str:
    """The family of an input; one that is in none is a family of its own name."""
    return _OF_COLUMN.get(column, column)


def players_of(columns: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Families of a model's inputs, and the places of each family's inputs.

    Args:
        columns: of the model's input, in its order.
    """
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        places.setdefault(family_of(column), []).append(place)
    return tuple(places), tuple(tuple(of_family) for of_family in places.values())
