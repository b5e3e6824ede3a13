"""The features that an order line has from the histories of five entities.

Each function takes rows that hold all of an entity's rows of the look-back (see `windows`) and
gives float64[n_rows] by column, NaN for NULL; rows that do not ask get any value. Values depend
on the rows of the entity alone, not on their order or on what else is among the rows.
"""

from collections.abc import Callable, Mapping

import numpy as np

from lakeshop.features.windows import (
    HAS_COUPON,
    HISTORY_DAYS,
    NULL,
    EntityHistories,
    Rows,
    is_flagged,
)
from lakeshop.fraud.columns import Columns, Floats, Prior, of_entity, of_pair, ratio
from lakeshop.fraud.user_columns import user_columns

_USER = """
    user_count_1 user_count_7 user_count_30 user_count user_amount_1 user_amount_7 user_amount_30
    user_mean_amount amount_to_user_mean amount_to_user_max amount_z quantity_to_user_mean
    hours_since_user user_frauds order_lines order_amount order_units order_coupons
"""
_STORE = """
    store_count_1 store_count_7 store_count_30 store_frauds_7 store_frauds_30 store_risk_7
    store_risk_30 is_first_store
"""
_PRODUCT = """
    product_count_30 price_to_product_mean product_frauds_30 product_risk_30 is_first_product
"""
_LINKED = """
    {0}_count_1 {0}_count_7 {0}_users {0}_coupons_7 {0}_frauds is_first_{0}
"""
# What each entity's function gives, in the order in which it is kept.
NAMES = {
    "user": tuple(_USER.split()),
    "store": tuple(_STORE.split()),
    "product": tuple(_PRODUCT.split()),
    "payment": tuple(_LINKED.format("payment").split()),
    "device": tuple(_LINKED.format("device").split()),
}


def store_columns(rows: Rows, prior: Prior) -> Columns:
    """How busy and how risky the store is, and whether the user is new there."""

    def columns(histories: EntityHistories) -> Columns:
        day, week, month = histories.counts(1, 7, 30).T.astype(np.float64)
        counts = {"store_count_1": day, "store_count_7": week, "store_count_30": month}
        return {
            **counts,
            **_frauds(histories, "store", 7, week, prior),
            **_frauds(histories, "store", 30, month, prior),
        }

    return {**of_entity(rows, "store", columns), **_firsts(rows, "store")}


def product_columns(rows: Rows, prior: Prior) -> Columns:
    """How often the product is sold, its price, its risk, and whether the user is new to it."""

    def columns(histories: EntityHistories) -> Columns:
        price = histories.rows["price"]
        has_price = price != NULL
        sums = histories.sums(
            (30, HISTORY_DAYS),
            np.ones_like(price),
            np.where(has_price, price, 0),
            has_price.astype(np.int64),
        )
        month = sums[:, 0, 0].astype(np.float64)
        mean_price = ratio(sums[:, 1, 1], sums[:, 1, 2])
        return {
            "product_count_30": month,
            "price_to_product_mean": ratio(np.where(has_price, price, np.nan), mean_price),
            **_frauds(histories, "product", 30, month, prior),
        }

    return {**of_entity(rows, "product", columns), **_firsts(rows, "product")}


def payment_columns(rows: Rows, prior: Prior) -> Columns:
    """Who else paid with it, how often, and to what end."""
    del prior
    return _linked(rows, "payment")


def device_columns(rows: Rows, prior: Prior) -> Columns:
    """Who else ordered on it, how often, and to what end."""
    del prior
    return _linked(rows, "device")


def _frauds(
    histories: EntityHistories, name: str, days: int, lines: Floats, prior: Prior
) -> Columns:
    frauds = histories.frauds(days).astype(np.float64)
    risk = prior.risk(frauds, lines)
    return {f"{name}_frauds_{days}": frauds, f"{name}_risk_{days}": risk}


def _linked(rows: Rows, name: str) -> Columns:
    """Of others than the line's user, a guest's lines among them."""
    own = of_pair(rows, name, lambda pair: {**_first(pair, name), **_known(pair)})

    def columns(histories: EntityHistories) -> Columns:
        coupons = is_flagged(histories.rows, HAS_COUPON).astype(np.int64)
        sums = histories.sums((1, 7), np.ones_like(coupons), coupons).astype(np.float64)
        return {
            f"{name}_count_1": sums[:, 0, 0],
            f"{name}_count_7": sums[:, 1, 0],
            f"{name}_users": histories.members("user").astype(np.float64),
            f"{name}_coupons_7": sums[:, 1, 1],
            f"{name}_frauds": histories.frauds(HISTORY_DAYS).astype(np.float64),
        }

    found = dict(of_entity(rows, name, columns))
    is_first, own_frauds = own[f"is_first_{name}"], np.nan_to_num(own["frauds"])
    found[f"{name}_users"] = found[f"{name}_users"] - (is_first == 0)
    found[f"{name}_frauds"] = found[f"{name}_frauds"] - own_frauds
    return {**found, f"is_first_{name}": is_first}


def _firsts(rows: Rows, name: str) -> Columns:
    return of_pair(rows, name, lambda pair: _first(pair, name))


def _first(pair: EntityHistories, name: str) -> Columns:
    """Whether the line's user had no line with the entity before."""
    return {f"is_first_{name}": (pair.counts(HISTORY_DAYS)[:, 0] == 0).astype(np.float64)}


def _known(pair: EntityHistories) -> Columns:
    return {"frauds": pair.frauds(HISTORY_DAYS).astype(np.float64)}


# By entity, each after the last in one table's way from user to device.
FUNCTIONS: Mapping[str, Callable[[Rows, Prior], Columns]] = {
    "user": user_columns,
    "store": store_columns,
    "product": product_columns,
    "payment": payment_columns,
    "device": device_columns,
}
