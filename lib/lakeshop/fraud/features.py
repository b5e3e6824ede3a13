"""Fraud features: one declaration each of name, family, computation and sentence.

The columns of features.transactions and the inputs of the models follow the order of the
declarations. Families and sentences of the reasons come from them as well.
"""

import numpy as np

from lakeshop.features.windows import HAS_COUPON
from lakeshop.fraud.declarations import (
    Catalogue,
    Feature,
    FeatureRow,
    LineFeature,
    Rank,
    Sentence,
    counted,
    counting,
    number,
    stating,
)
from lakeshop.fraud.terms import (
    ORDER,
    Frauds,
    Largest,
    Lines,
    Members,
    OfUser,
    Prior,
    ShopPrior,
    SinceLast,
    Total,
    Value,
    ratio,
    scaled,
)
from lakeshop.ml.arrays import Floats

LOG_ONE = 2**16  # the fixed-point 1 of log amounts: 4 million squares fit into 64 bits
MIN_DEVIATION = 0.1  # of log amounts, for customers who always pay the same
HOUR = 3_600_000_000  # microseconds
EVIDENCE, UNUSUAL = Rank.EVIDENCE, Rank.UNUSUAL

# Raw columns beside ids and times: integers, as SQL over silver.transactions.
RAW = {
    "cents": "amount * 100",
    "units": "quantity * 1000",
    "price": "unit_price * 10000",
    "logs": f"round(log1p(CAST(greatest(amount, 0) AS DOUBLE)) * {LOG_ONE})",
}


def _amount(amount: float, line: FeatureRow) -> str:
    usual = line.get("user_mean_amount")
    if usual is None:
        return f"amount {amount:.2f}, by a customer without earlier lines to compare it with"
    return f"amount {amount:.2f} against this customer's usual {usual:.2f}"


def _discount(share: float, line: FeatureRow) -> str:
    tail = " with a coupon" if line.above("has_coupon", 0) else ""
    return f"a discount of {100 * share:.0f} percent{tail}"


def _time(hour: float, line: FeatureRow) -> str:
    minutes = min(int(hour * 60 + 1e-6), 24 * 60 - 1)
    tail = ", at night" if line.above("is_night", 0) else ""
    tail += ", at a weekend" if line.above("is_weekend", 0) else ""
    return f"bought at {minutes // 60}:{minutes % 60:02d}{tail}"


def _no_coupon(has_coupon: float, line: FeatureRow) -> str | None:
    del line
    return "bought without a coupon" if has_coupon == 0 else None


LINE = (
    LineFeature("line_amount", "amount", "CAST(amount AS DOUBLE)", Sentence(_amount)),
    LineFeature(
        "quantity",
        "quantity",
        "CAST(quantity AS DOUBLE)",
        Sentence(lambda quantity, _: f"quantity is {number(quantity)}"),
    ),
    LineFeature("unit_price", "amount", "CAST(unit_price AS DOUBLE)"),
    LineFeature(
        "discount_share",
        "coupon",
        "CAST(CASE WHEN amount >= 0 THEN try_divide(coalesce(discount, 0), "
        "amount + coalesce(discount, 0)) END AS DOUBLE)",
        Sentence(_discount, UNUSUAL, above=0),
    ),
    LineFeature(
        "hour",
        "time",
        "(hour(shop_time) * 3600 + minute(shop_time) * 60 + second(shop_time)) / 3600",
        Sentence(_time),
    ),
    LineFeature("is_night", "time", "CAST(hour(shop_time) < 6 AS DOUBLE)"),
    LineFeature("is_weekend", "time", "CAST(weekday(shop_time) >= 5 AS DOUBLE)"),
    LineFeature(
        "has_coupon", "coupon", "CAST(coupon_id IS NOT NULL AS DOUBLE)", Sentence(_no_coupon)
    ),
)


def _multiple_of_mean(value: Floats, total: Floats, lines: Floats) -> Floats:
    return ratio(value, ratio(total, lines))


def _deviations(
    log: Floats, cents: Floats, lines: Floats, log_sum: Floats, log_squares: Floats
) -> Floats:
    """Standard deviations of the log amount above the mean of two lines or more."""
    is_usual = (lines >= 2) & (cents >= 0)
    log, log_sum, log_squares = log / LOG_ONE, log_sum / LOG_ONE, log_squares / LOG_ONE**2
    mean = ratio(log_sum, lines)
    variance = ratio(log_squares - log_sum * np.nan_to_num(mean), lines - 1)
    deviation = np.sqrt(np.maximum(np.nan_to_num(variance), 0.0))
    return np.where(is_usual, (log - mean) / np.maximum(deviation, MIN_DEVIATION), np.nan)


def _amount_to_mean(times: float, line: FeatureRow) -> str | None:
    amount, usual = line.get("line_amount"), line.get("user_mean_amount")
    if amount is None:
        return None
    tail = "usual amount" if usual is None else f"usual {usual:.2f}"
    return f"amount {amount:.2f} is {times:.1f} times this customer's {tail}"


def _quantity_to_mean(times: float, line: FeatureRow) -> str | None:
    quantity = line.get("quantity")
    if quantity is None:
        return None
    return f"quantity {number(quantity)} is {times:.1f} times what this customer usually buys"


def _pace(recent: float, line: FeatureRow) -> str:
    days = line.get("user_count")
    tail = "" if days is None else f", {number(days)} in 90 days"
    return f"{counted(recent, 'earlier line')} by this customer in 30 days{tail}"


def _hours_since(hours: float, line: FeatureRow) -> str | None:
    if hours >= 24:
        return None
    lines = line.above("user_count_1", 0)
    tail = "" if lines is None else f", of {counted(lines, 'line')} within a day"
    return f"{hours:.1f} hours after this customer's last purchase{tail}"


USER = (
    Feature("user_count_1", "pace", (Lines(1),)),
    Feature("user_count_7", "pace", (Lines(7),)),
    Feature("user_count_30", "pace", (Lines(30),), sentence=Sentence(_pace)),
    Feature("user_count", "pace", (Lines(),)),
    Feature("user_amount_1", "pace", (Total("cents", 1),), scaled(100)),
    Feature("user_amount_7", "pace", (Total("cents", 7),), scaled(100)),
    Feature("user_amount_30", "pace", (Total("cents", 30),), scaled(100)),
    Feature(
        "user_mean_amount",
        "amount",
        (Total("cents"), Lines()),
        lambda paid, lines: ratio(paid, 100 * lines),
    ),
    Feature(
        "amount_to_user_mean",
        "amount",
        (Value("cents"), Total("cents"), Lines()),
        _multiple_of_mean,
        Sentence(_amount_to_mean, UNUSUAL, above=1),
    ),
    Feature("amount_to_user_max", "amount", (Value("cents"), Largest("cents")), ratio),
    Feature(
        "amount_z",
        "amount",
        (Value("logs"), Value("cents"), Lines(), Total("logs"), Total("logs", is_squared=True)),
        _deviations,
    ),
    Feature(
        "quantity_to_user_mean",
        "quantity",
        (Value("units"), Total("units"), Lines()),
        _multiple_of_mean,
        Sentence(_quantity_to_mean, UNUSUAL, above=1),
    ),
    Feature(
        "hours_since_user", "pace", (SinceLast(),), scaled(HOUR), Sentence(_hours_since, UNUSUAL)
    ),
    Feature(
        "user_frauds",
        "history",
        (Frauds(),),
        sentence=Sentence(counting("known fraud", "of this customer in 90 days"), above=0),
    ),
)


def _order(amount: float, line: FeatureRow) -> str | None:
    lines, units = line.get("order_lines"), line.get("order_units")
    if lines is None:
        return None
    tail = "" if units is None else f" and {counted(units, 'unit')}"
    return f"an order of {counted(lines, 'line')}{tail} for {amount:.2f}"


OF_ORDER = (
    Feature("order_lines", "order", (Lines(),)),
    Feature("order_amount", "order", (Total("cents"),), scaled(100), Sentence(_order)),
    Feature("order_units", "order", (Total("units"),), scaled(1000)),
    Feature(
        "order_coupons",
        "coupon",
        (Lines(flag=HAS_COUPON),),
        sentence=Sentence(counting("line", "with a coupon in this order"), UNUSUAL, above=0),
    ),
)


def _frauds(entity: str, days: int) -> Feature:
    """Frauds of an entity that became known within the window."""

    def text(frauds: float, line: FeatureRow) -> str:
        lines = line.get(f"{entity}_count_{days}")
        head = f"{counted(frauds, 'fraud')} at this {entity} became known in the last {days} days"
        return head if lines is None else f"{head}, in which it had {counted(lines, 'line')}"

    return Feature(
        f"{entity}_frauds_{days}",
        entity,
        (Frauds(days),),
        sentence=Sentence(text, EVIDENCE, above=0),
    )


def _risk(entity: str, days: int) -> Feature:
    """Frauds of an entity per line, both within the window."""

    def risk(frauds: Floats, lines: Floats, prior: Prior) -> Floats:
        return prior.risk(frauds, lines)

    terms = (Frauds(days), Lines(days), ShopPrior())
    return Feature(f"{entity}_risk_{days}", entity, terms, risk)


def _is_first(entity: str, where: str) -> Feature:
    """1 for the user's first line with the entity, else 0, NaN for a guest."""
    return Feature(
        f"is_first_{entity}",
        entity,
        (OfUser(Lines()),),
        lambda lines: np.where(np.isnan(lines), np.nan, lines == 0),
        Sentence(stating(f"first purchase {where} in 90 days"), UNUSUAL, above=0),
    )


def _lines_in_30_days(entity: str) -> Feature:
    return Feature(
        f"{entity}_count_30",
        entity,
        (Lines(30),),
        sentence=Sentence(counting("line", f"at this {entity} in 30 days")),
    )


STORE = (
    Feature("store_count_1", "store", (Lines(1),)),
    Feature("store_count_7", "store", (Lines(7),)),
    _lines_in_30_days("store"),
    _frauds("store", 7),
    _frauds("store", 30),
    _risk("store", 7),
    _risk("store", 30),
    _is_first("store", "at this store"),
)


def _price(times: float, line: FeatureRow) -> str:
    price = line.get("unit_price")
    head = "the price" if price is None else f"the price {price:.2f}"
    return f"{head} is {times:.2f} times the product's usual one"


PRODUCT = (
    _lines_in_30_days("product"),
    Feature(
        "price_to_product_mean",
        "price",
        (Value("price"), Total("price"), Lines(having="price")),
        _multiple_of_mean,
        Sentence(_price),
    ),
    _frauds("product", 30),
    _risk("product", 30),
    _is_first("product", "of this product"),
)


def _linked(entity: str, noun: str) -> tuple[Feature, ...]:
    """Features of a payment or a device: other users, coupons and frauds linked by it."""

    def text(users: float, line: FeatureRow) -> str:
        frauds = line.above(f"{entity}_frauds", 0)
        tail = "" if frauds is None else f", with {counted(frauds, 'known fraud')}"
        return f"the {noun} was used by {counted(users, 'other customer')} in 90 days{tail}"

    return (
        Feature(f"{entity}_count_1", entity, (Lines(1),)),
        Feature(
            f"{entity}_count_7",
            entity,
            (Lines(7),),
            sentence=Sentence(counting("earlier line", f"with this {noun} in 7 days")),
        ),
        Feature(
            f"{entity}_users",
            entity,
            (Members("user"), OfUser(Lines())),
            lambda users, own_lines: users - (own_lines > 0),
            Sentence(text, EVIDENCE, above=0),
        ),
        Feature(
            f"{entity}_coupons_7",
            "coupon",
            (Lines(7, flag=HAS_COUPON),),
            sentence=Sentence(
                counting("earlier line", f"with a coupon on this {noun} in 7 days"),
                EVIDENCE,
                above=0,
            ),
        ),
        Feature(
            f"{entity}_frauds",
            entity,
            (Frauds(), OfUser(Frauds())),
            lambda frauds, own_frauds: frauds - np.nan_to_num(own_frauds),
        ),
        _is_first(entity, f"with this {noun}"),
    )


FEATURES = Catalogue(
    LINE,
    {
        "user": USER,
        ORDER: OF_ORDER,
        "store": STORE,
        "product": PRODUCT,
        "payment": _linked("payment", "card"),
        "device": _linked("device", "device"),
    },
)
INPUTS = FEATURES.inputs
