"""Derived columns of silver tables, and the day of an event in the shop's time zone.

silver.transactions: one row per order line. The amount is authoritative: a missing unit price is
amount by quantity. A line without quantity (a coupon, a correction) gets none, nor does one that
would have a negative price (a deposit that is paid back).

silver.user_actions: one row per action of a user (view, search, cart, coupon ...).

silver.stock: one row per product, store and day counted.

silver.fraud_labels: versions of the label of an order line or an order, by the time of knowledge.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE


@dataclass(frozen=True)
class CleaningContext:
    """Inputs of a silver table's derivation, beside its own rows.

    `tables` are the contract's other inputs, up to the last business date; `zone` is the shop's
    time zone; `shared_accounts` are the shop's ids of users who are no persons; `pseudonym` hides
    what a column holds.
    """

    tables: Mapping[str, DataFrame]
    zone: str
    shared_accounts: Collection[str] = ()
    pseudonym: Callable[[str], Column] = F.col


def with_event_date(events: DataFrame, zone: str) -> DataFrame:
    """Add `event_date`, the shop's day on which `occurred_at` (UTC) falls."""
    local = F.from_utc_timestamp("occurred_at", zone)
    return events.withColumn("event_date", F.to_date(local))


def with_guests(events: DataFrame, shared_accounts: Collection[str]) -> DataFrame:
    """Take what shared accounts did for guests': they are no persons."""
    if not shared_accounts or "user_id" not in events.columns:
        return events
    is_person = ~F.col("user_id").isin(*shared_accounts)
    return events.withColumn("user_id", F.when(is_person, F.col("user_id")))


TRANSACTIONS_DERIVED = {"event_date", "is_known_product"}
PRICE = "decimal(14,4)"  # as in the contract; a large amount of a tiny quantity does not fit


def transactions(lines: DataFrame, around: CleaningContext) -> DataFrame:
    """Typed order lines with event date, unit price and whether the product was known."""
    return (
        lines.transform(with_guests, around.shared_accounts)
        .transform(with_event_date, around.zone)
        .transform(with_unit_price)
        .transform(with_known_product, around.tables["silver.products"])
    )


def with_unit_price(lines: DataFrame) -> DataFrame:
    """Fill a missing unit price by amount by quantity, where that is a price one can store.

    A price of 0 is missing where something was paid.
    """
    paid = derived_price(F.col("amount"), F.col("quantity"))
    price = paid
    if "unit_price" in lines.columns:
        is_none = (F.col("unit_price") == 0) & (F.col("amount") != 0)
        price = F.when(is_none, paid).otherwise(F.coalesce("unit_price", paid))
    return lines.withColumn("unit_price", price)


def derived_price(amount: Column, quantity: Column) -> Column:
    """Amount by quantity, NULL where that is no price of 0 or more that one can store."""
    paid = F.try_divide(amount, quantity).try_cast(PRICE)
    return F.when(paid >= 0, paid)


def with_known_product(lines: DataFrame, products: DataFrame) -> DataFrame:
    """Add `is_known_product`: the catalogue had the product by the line's business date."""
    known = products.groupBy("product_id").agg(F.min(BUSINESS_DATE).alias("known_since"))
    return (
        lines.join(known, on="product_id", how="left")
        .withColumn(
            "is_known_product",
            F.coalesce(F.col("known_since") <= F.col(BUSINESS_DATE), F.lit(False)),
        )
        .drop("known_since")
    )


USER_ACTIONS_DERIVED = {"event_date"}


def user_actions(actions: DataFrame, around: CleaningContext) -> DataFrame:
    """Typed actions with their event date."""
    return actions.transform(with_guests, around.shared_accounts).transform(
        with_event_date, around.zone
    )


STOCK_DERIVED = {"event_date", "store_id"}
ALL_STORES = "*"


def stock(levels: DataFrame, around: CleaningContext) -> DataFrame:
    """Typed stock levels with the day of the count and, always, a store."""
    return levels.transform(with_event_date, around.zone).transform(with_store)


def with_store(levels: DataFrame) -> DataFrame:
    """Assign levels without a store to the shop's one stock."""
    if "store_id" in levels.columns:
        return levels
    return levels.withColumn("store_id", F.lit(ALL_STORES))


FRAUD_LABELS_DERIVED = {"event_date"}


def fraud_labels(labels: DataFrame, around: CleaningContext) -> DataFrame:
    """Typed labels with the day on which they became known; an order's with a key of their own."""
    if "order_id" in labels.columns:
        of_order = F.concat(F.lit("order "), F.col("order_id"))
        labels = labels.withColumn("transaction_id", of_order)
    return labels.transform(with_event_date, around.zone)
