"""Daily sums per product and store against plain Python sums over random lines."""

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import functions as F

from conftest import collected
from lakeshop.engine.context import BuildContext
from lakeshop.features.product_days import KEY, product_days

FIRST = date(2026, 3, 10)
NIGHTS = [FIRST + timedelta(days=n) for n in range(3)]
SUMS = ("units", "refunded", "lines", "amount", "discount", "excluded_units")
SUMS += ("refunded_amount", "guest_lines", "corrections")
MOST = 100


def line(product, quantity, amount="1", **changed):
    row = {"business_date": FIRST, "event_date": FIRST, "product_id": product, "store_id": "s"}
    return row | {"quantity": Decimal(quantity), "amount": Decimal(amount)} | changed


def random_lines(draw):
    """Lines of guests and users, refunds, many units, late ones, without store or discount."""
    return [
        {
            "business_date": (day := draw.choice(NIGHTS)),
            "event_date": day - timedelta(days=draw.choice([0, 0, 1])),
            "user_id": draw.choice(["ann", None]),
            "product_id": draw.choice(["p1", "p2"]),
            "store_id": draw.choice(["s1", "s2", None]),
            "quantity": Decimal(draw.choice(["1", "2.5", "0", "-1", "99.999", "100", "-100"])),
            "amount": Decimal(draw.randrange(-500, 500)) / 100,
            "discount": draw.choice([None, Decimal("0.10")]),
        }
        for _ in range(200)
    ]


def expected_sums(lines, most):
    """Rows KEY + SUMS by the rules of the contract, in plain Python."""
    sums = defaultdict(lambda: dict.fromkeys(SUMS, Decimal(0)))
    for one in lines:
        total = sums[tuple((one | {"store_id": one["store_id"] or "*"})[name] for name in KEY)]
        quantity = one["quantity"]
        is_bought = quantity > 0 or (quantity == 0 and one["amount"] > 0)
        total["guest_lines"] += one["user_id"] is None and is_bought
        if abs(quantity) >= most:
            total["excluded_units"] += max(quantity, 0)
        elif quantity < 0:
            total["refunded"] -= quantity
            total["refunded_amount"] -= one["amount"]
        else:
            total["units"] += quantity
            total["lines"] += bool(quantity or one["amount"])
            total["amount"] += one["amount"]
            total["discount"] += one["discount"] or 0
    return sorted(((*key, *map(float, total.values())) for key, total in sums.items()), key=repr)


def found_sums(frame, contract):
    """The frame as it is stored."""
    stored = frame.select([F.col(c.name).cast(c.type).alias(c.name) for c in contract.columns])
    return sorted(((*row[:4], *map(float, row[4:])) for row in collected(stored)), key=repr)


def with_most(settings, most):
    changed = settings.features.model_copy(update={"most_units_per_line": most})
    return settings.model_copy(update={"features": changed})


def test_equals_plain_sums_whatever_the_partitioning(rows, contracts, settings):
    lines = random_lines(random.Random(1))
    tables = {"silver.transactions": rows("silver.transactions", *lines).repartition(5)}
    found = product_days(tables, BuildContext(NIGHTS[-1], with_most(settings, MOST)))
    contract = contracts["features.product_days"]
    assert found_sums(found, contract) == expected_sums(lines, MOST)


def test_without_a_limit_no_line_is_left_out(rows, contracts, settings):
    """A refund alone is no demand, and a guest's line is; both in one frame."""
    lines = [
        line("fuel", "25000", "30", user_id="ann"),
        line("back", "-2", "-5", user_id="ann"),
        line("guest", "1", user_id=None),
    ]
    tables = {"silver.transactions": rows("silver.transactions", *lines)}
    found = product_days(tables, BuildContext(FIRST, with_most(settings, None)))
    by_product = {row[2]: row[4:] for row in found_sums(found, contracts["features.product_days"])}
    assert by_product == {
        "fuel": (25000, 0, 1, 30, 0, 0, 0, 0, 0),
        "back": (0, 2, 0, 0, 0, 0, 5, 0, 0),
        "guest": (1, 0, 1, 1, 0, 0, 0, 1, 0),
    }
