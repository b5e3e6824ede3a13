"""What can be said of one line, family by family, with its own numbers. Plain Python.

A statement is a sentence, or None where it does not hold or a value that it needs is missing.
"""

import math
from collections.abc import Callable, Mapping

Values = Mapping[str, float | None]
Statement = Callable[["FeatureRow"], str | None]


class FeatureRow:
    """The inputs of one line, by column."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def get(self, column: str) -> float | None:
        """The value as a number; None where it is missing, not finite or not among the inputs."""
        value = self._values.get(column)
        return float(value) if value is not None and math.isfinite(value) else None

    def above(self, column: str, least: float) -> float | None:
        """The value where it is above `least`, else None."""
        value = self.get(column)
        return value if value is not None and value > least else None


def number(value: float) -> str:
    """With two decimals, without any where it is whole."""
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"


def counted(value: float, one: str, more: str | None = None) -> str:
    """A number and its noun."""
    return f"{number(value)} {one if value == 1 else more or one + 's'}"


def _amount_to_mean(line: FeatureRow) -> str | None:
    amount, usual = line.get("line_amount"), line.get("user_mean_amount")
    times = line.above("amount_to_user_mean", 1)
    if amount is None or times is None:
        return None
    tail = "usual amount" if usual is None else f"usual {usual:.2f}"
    return f"amount {amount:.2f} is {times:.1f} times this customer's {tail}"


def _amount(line: FeatureRow) -> str | None:
    amount, usual = line.get("line_amount"), line.get("user_mean_amount")
    if amount is None:
        return None
    if usual is None:
        return f"amount {amount:.2f}, by a customer without earlier lines to compare it with"
    return f"amount {amount:.2f} against this customer's usual {usual:.2f}"


def _quantity_to_mean(line: FeatureRow) -> str | None:
    quantity, times = line.get("quantity"), line.above("quantity_to_user_mean", 1)
    if quantity is None or times is None:
        return None
    return f"quantity {number(quantity)} is {times:.1f} times what this customer usually buys"


def _quantity(line: FeatureRow) -> str | None:
    value = line.get("quantity")
    return None if value is None else f"quantity is {number(value)}"


def _price(line: FeatureRow) -> str | None:
    ratio, price = line.get("price_to_product_mean"), line.get("unit_price")
    if ratio is None:
        return None
    head = "the price" if price is None else f"the price {price:.2f}"
    return f"{head} is {ratio:.2f} times the product's usual one"


def _discount(line: FeatureRow) -> str | None:
    share = line.above("discount_share", 0)
    if share is None:
        return None
    tail = " with a coupon" if line.above("has_coupon", 0) else ""
    return f"a discount of {100 * share:.0f} percent{tail}"


def _coupons_on(entity: str, name: str) -> Statement:
    def said(line: FeatureRow) -> str | None:
        lines = line.above(f"{entity}_coupons_7", 0)
        tail = f"with a coupon on this {name} in 7 days"
        return None if lines is None else f"{counted(lines, 'earlier line')} {tail}"

    return said


def _coupons_of_order(line: FeatureRow) -> str | None:
    lines = line.above("order_coupons", 0)
    return None if lines is None else f"{counted(lines, 'line')} with a coupon in this order"


def _no_coupon(line: FeatureRow) -> str | None:
    return "bought without a coupon" if line.get("has_coupon") == 0 else None


def _time(line: FeatureRow) -> str | None:
    hour = line.get("hour")
    if hour is None:
        return None
    minutes = min(int(hour * 60 + 1e-6), 24 * 60 - 1)
    tail = ", at night" if line.above("is_night", 0) else ""
    tail += ", at a weekend" if line.above("is_weekend", 0) else ""
    return f"bought at {minutes // 60}:{minutes % 60:02d}{tail}"


def _order(line: FeatureRow) -> str | None:
    lines, amount, units = (line.get(f"order_{x}") for x in ("lines", "amount", "units"))
    if lines is None or amount is None:
        return None
    tail = "" if units is None else f" and {counted(units, 'unit')}"
    return f"an order of {counted(lines, 'line')}{tail} for {amount:.2f}"


def _hours_since(line: FeatureRow) -> str | None:
    hours = line.get("hours_since_user")
    if hours is None or hours >= 24:
        return None
    lines = line.above("user_count_1", 0)
    tail = "" if lines is None else f", of {counted(lines, 'line')} within a day"
    return f"{hours:.1f} hours after this customer's last purchase{tail}"


def _pace(line: FeatureRow) -> str | None:
    recent, days = line.get("user_count_30"), line.get("user_count")
    if recent is None:
        return None
    tail = "" if days is None else f", {number(days)} in 90 days"
    return f"{counted(recent, 'earlier line')} by this customer in 30 days{tail}"


def _frauds_of_user(line: FeatureRow) -> str | None:
    frauds = line.above("user_frauds", 0)
    if frauds is None:
        return None
    return f"{counted(frauds, 'known fraud')} of this customer in 90 days"


def _frauds_at(entity: str, days: int) -> Statement:
    def said(line: FeatureRow) -> str | None:
        frauds, lines = line.above(f"{entity}_frauds_{days}", 0), line.get(f"{entity}_count_{days}")
        if frauds is None:
            return None
        head = f"{counted(frauds, 'fraud')} at this {entity} became known in the last {days} days"
        return head if lines is None else f"{head}, in which it had {counted(lines, 'line')}"

    return said


def _first_with(column: str, what: str) -> Statement:
    def said(line: FeatureRow) -> str | None:
        return f"first purchase {what} in 90 days" if line.above(column, 0) else None

    return said


def _lines_at(entity: str) -> Statement:
    def said(line: FeatureRow) -> str | None:
        lines = line.get(f"{entity}_count_30")
        return None if lines is None else f"{counted(lines, 'line')} at this {entity} in 30 days"

    return said


def _linked(entity: str, name: str) -> Statement:
    def said(line: FeatureRow) -> str | None:
        users, frauds = line.above(f"{entity}_users", 0), line.above(f"{entity}_frauds", 0)
        if users is None:
            return None
        tail = "" if frauds is None else f", with {counted(frauds, 'known fraud')}"
        return f"the {name} was used by {counted(users, 'other customer')} in 90 days{tail}"

    return said


def _lines_with(entity: str, name: str) -> Statement:
    def said(line: FeatureRow) -> str | None:
        lines = line.get(f"{entity}_count_7")
        return (
            None
            if lines is None
            else f"{counted(lines, 'earlier line')} with this {name} in 7 days"
        )

    return said


STATEMENTS: Mapping[str, tuple[Statement, ...]] = {
    "amount": (_amount_to_mean, _amount),
    "quantity": (_quantity_to_mean, _quantity),
    "price": (_price,),
    "coupon": (
        _coupons_on("payment", "card"),
        _coupons_on("device", "device"),
        _discount,
        _coupons_of_order,
        _no_coupon,
    ),
    "time": (_time,),
    "order": (_order,),
    "pace": (_hours_since, _pace),
    "history": (_frauds_of_user,),
    "store": (
        _frauds_at("store", 7),
        _frauds_at("store", 30),
        _first_with("is_first_store", "at this store"),
        _lines_at("store"),
    ),
    "product": (
        _frauds_at("product", 30),
        _first_with("is_first_product", "of this product"),
        _lines_at("product"),
    ),
    "payment": (
        _linked("payment", "card"),
        _first_with("is_first_payment", "with this card"),
        _lines_with("payment", "card"),
    ),
    "device": (
        _linked("device", "device"),
        _first_with("is_first_device", "with this device"),
        _lines_with("device", "device"),
    ),
}
