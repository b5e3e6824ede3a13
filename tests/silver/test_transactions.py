"""Unit price, event date and known products of order lines."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from lakeshop.silver.entities import (
    CleaningContext,
    transactions,
    with_known_product,
    with_unit_price,
)

DAY = date(2026, 3, 10)
TYPED = (
    "business_date DATE, product_id STRING, quantity DECIMAL(12,3), unit_price DECIMAL(14,4), "
    "amount DECIMAL(12,2), occurred_at TIMESTAMP"
)
PRICES = {  # quantity, unit_price, amount -> unit price
    "derived": ("4", None, "10.00", "2.5"),
    "rounded to the contract's four places": ("3", None, "10.00", "3.3333"),
    "by weight": ("0.250", None, "1.99", "7.96"),
    "refund": ("-2", None, "-5.00", "2.5"),
    "free": ("2", None, "0.00", "0"),
    "deposit that is paid back": ("1", None, "-0.25", None),
    "delivered as 0, paid back": ("1", "0.0000", "-0.25", None),
    "coupon without quantity": ("0", None, "-1.00", None),
    "delivered": ("4", "9.9900", "10.00", "9.99"),
    "delivered without quantity": ("0", "9.9900", "0.00", "9.99"),
    "delivered as 0": ("4", "0.0000", "10.00", "2.5"),
    "no quantity": (None, None, "10.00", None),
    "no amount": ("2", None, None, None),
    "too large to be stored": ("0.001", None, "9999999999.99", None),
}


def number(text):
    return None if text is None else Decimal(text)


@pytest.fixture(scope="module")
def prices(spark):
    values = [
        (name, number(quantity), number(price), number(amount))
        for name, (quantity, price, amount, _) in PRICES.items()
    ]
    schema = "name STRING, quantity DECIMAL(12,3), unit_price DECIMAL(14,4), amount DECIMAL(12,2)"
    found = with_unit_price(spark.createDataFrame(values, schema))
    return {row.name: row.unit_price for row in found.collect()}


@pytest.mark.parametrize("case", PRICES)
def test_unit_price(prices, case):
    assert prices[case] == number(PRICES[case][3])


def test_unit_price_of_a_shop_that_delivers_none(spark):
    lines = spark.createDataFrame(
        [(Decimal(2), Decimal(5)), (Decimal(0), Decimal(5))],
        "quantity DECIMAL(12,3), amount DECIMAL(12,2)",
    )
    found = with_unit_price(lines)
    assert [row.unit_price for row in found.collect()] == [Decimal("2.5"), None]


def test_product_is_known_from_its_first_business_date_on(spark):
    products = spark.createDataFrame(
        [
            (date(2026, 3, 12), "later"),
            (date(2026, 3, 9), "versions"),
            (date(2026, 3, 1), "versions"),
            (date(2026, 3, 11), "versions"),
            (DAY, "today"),
        ],
        "business_date DATE, product_id STRING",
    )
    lines = [
        ("later", 10, False),
        ("later", 11, False),
        ("later", 12, True),
        ("later", 13, True),
        ("versions", 10, True),
        ("today", 9, False),
        ("today", 10, True),
        ("never", 31, False),
        (None, 10, False),
    ]
    frame = spark.createDataFrame(
        [(product, date(2026, 3, day)) for product, day, _ in lines],
        "product_id STRING, business_date DATE",
    )
    found = with_known_product(frame, products)
    assert found.columns == ["product_id", "business_date", "is_known_product"]
    rows = sorted(
        ((r.product_id, r.business_date.day, r.is_known_product) for r in found.collect()), key=repr
    )
    assert rows == sorted(lines, key=repr)


def test_no_catalogue_no_known_product(spark):
    lines = spark.createDataFrame([("p", DAY)], "product_id STRING, business_date DATE")
    products = spark.createDataFrame([], "business_date DATE, product_id STRING")
    found = with_known_product(lines, products)
    assert [row.is_known_product for row in found.collect()] == [False]


def test_lines_get_all_that_is_derived(spark):
    lines = spark.createDataFrame(
        [(DAY, "p", Decimal(2), None, Decimal(5), datetime(2026, 3, 10, 3, 30))], TYPED
    )
    products = spark.createDataFrame([(DAY, "p")], "business_date DATE, product_id STRING")
    around = CleaningContext({"silver.products": products}, "America/New_York")
    (row,) = transactions(lines, around).collect()
    assert (row.event_date, row.unit_price, row.is_known_product) == (
        date(2026, 3, 9),
        Decimal("2.5"),
        True,
    )


def test_a_line_and_its_reversal_may_be_of_either_sign_a_return_of_a_sale_may_not(rows, contracts):
    """What was accepted before there was a rule can be corrected, too."""
    found = {
        ("1", "10", None): True,
        ("1", "-10", None): False,
        ("-1", "-10", None): True,
        ("0", "-10", None): True,
        ("-1", "-10", True): True,
        ("1", "10", True): True,
        ("-1", "10", True): True,
        ("0", "10", True): True,
    }
    names = {"quantity_follows_amount", "amount_follows_quantity"}
    checks = [c.holds for c in contracts["silver.transactions"].checks if c.name in names]
    lines = [
        {"quantity": Decimal(quantity), "amount": Decimal(amount), "is_reversal": is_reversal}
        for quantity, amount, is_reversal in found
    ]
    holds = rows("silver.transactions", *lines).selectExpr(f"({') AND ('.join(checks)})")
    assert [row[0] for row in holds.collect()] == list(found.values())
