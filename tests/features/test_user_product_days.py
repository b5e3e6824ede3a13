"""Daily sums per user and product against plain Python sums over random events."""

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from functools import reduce

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conftest import collected
from lakeshop.engine.context import BuildContext
from lakeshop.features.user_product_days import KEY, user_product_days
from lakeshop.features.user_products import purchase_days

FIRST = date(2026, 3, 10)
NIGHTS = [FIRST + timedelta(days=n) for n in range(3)]
ACTIONS = ("view", "click", "cart", "wishlist", "search", "purchase", "coupon", "impression")
SUMS = ("units", "lines", "orders", "amount", "discount", "corrections", "views", "carts")
SUMS += ("refunded",)


def random_lines(draw):
    """Order lines with guests, refunds, lines without quantity and late deliveries."""
    return [
        {
            "business_date": (day := draw.choice(NIGHTS)),
            "event_date": day - timedelta(days=draw.choice([0, 0, 1])),
            "transaction_id": f"t{number}",
            "order_id": f"o{draw.randrange(6)}",
            "user_id": draw.choice(["ann", "bob", None]),
            "product_id": draw.choice(["p1", "p2"]),
            "quantity": Decimal(draw.choice(["1", "2.5", "0", "-1"])),
            "amount": Decimal(draw.randrange(-500, 500)) / 100,
            "discount": draw.choice([None, Decimal("0.10"), Decimal("0.25")]),
        }
        for number in range(150)
    ]


def random_actions(draw):
    """Actions with guests and without product."""
    return [
        {
            "business_date": (day := draw.choice(NIGHTS)),
            "event_date": day - timedelta(days=draw.choice([0, 0, 2])),
            "action_id": f"a{number}",
            "action": draw.choice(ACTIONS),
            "user_id": draw.choice(["ann", "cem", None]),
            "product_id": draw.choice(["p1", "p3", None]),
        }
        for number in range(150)
    ]


def expected_sums(lines, actions):
    """Rows KEY + SUMS by the rules of the contract, in plain Python."""
    sums = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    orders = defaultdict(set)
    for line in lines:
        key = tuple(line[name] for name in KEY)
        if line["user_id"] is None:
            continue
        total = sums[key]
        total["units"] += line["quantity"]
        total["amount"] += line["amount"]
        total["discount"] += line["discount"] or 0
        total["refunded"] -= min(line["quantity"], 0)
        if line["quantity"] > 0 or (line["quantity"] == 0 and line["amount"] > 0):
            total["lines"] += 1
            orders[key].add(line["order_id"])
        total["orders"] = len(orders[key])
    for action in actions:
        if action["user_id"] is None or action["product_id"] is None:
            continue
        total = sums[tuple(action[name] for name in KEY)]
        total["views"] += action["action"] in {"view", "click"}
        total["carts"] += action["action"] in {"cart", "wishlist"}
    return sorted(((*key, *total.values()) for key, total in sums.items()), key=repr)


def as_tables(rows, lines, actions):
    return {
        "silver.transactions": rows("silver.transactions", *lines),
        "silver.user_actions": rows("silver.user_actions", *actions),
    }


def in_contract(frame, contract):
    """The frame as it is stored, so that numbers compare by value and scale."""
    return frame.select([F.col(c.name).cast(c.type).alias(c.name) for c in contract.columns])


@pytest.fixture
def summed(rows, contracts, settings):
    def summed(lines, actions, n_partitions=None):
        tables = as_tables(rows, lines, actions)
        if n_partitions:
            tables = {name: frame.repartition(n_partitions) for name, frame in tables.items()}
        found = user_product_days(tables, BuildContext(NIGHTS[-1], settings))
        return in_contract(found, contracts["features.user_product_days"])

    return summed


def as_numbers(found):
    """Decimals of any scale compare by value: 1.00 as 1."""
    return sorted(((*row[:4], *map(float, row[4:])) for row in found), key=repr)


def test_equals_plain_sums(summed):
    draw = random.Random(1)
    lines, actions = random_lines(draw), random_actions(draw)
    expected = expected_sums(lines, actions)
    assert any(row[4] < 0 for row in expected)
    assert as_numbers(collected(summed(lines, actions))) == as_numbers(expected)


def test_range_equals_its_nights_whatever_the_partitioning(summed):
    draw = random.Random(2)
    lines, actions = random_lines(draw), random_actions(draw)
    nights = [
        summed(
            [line for line in lines if line["business_date"] == day],
            [action for action in actions if action["business_date"] == day],
        )
        for day in NIGHTS
    ]
    one_by_one = collected(reduce(DataFrame.unionByName, nights))
    assert collected(summed(lines, actions, 5)) == one_by_one


def test_worked_day(summed, rows):
    """Two orders, one refund of the day, a late line, a guest, four actions."""
    base = {"business_date": FIRST, "event_date": FIRST, "user_id": "ann", "product_id": "p1"}
    lines = [
        base | {"order_id": "o1", "quantity": Decimal(2), "amount": Decimal(4)},
        base | {"order_id": "o1", "quantity": Decimal(1), "amount": Decimal(2)},
        base | {"order_id": "o2", "quantity": Decimal(1), "amount": Decimal("1.50")},
        base | {"order_id": "o3", "quantity": Decimal(-1), "amount": Decimal(-2)},
        base | {"order_id": "o0", "event_date": FIRST - timedelta(days=1)},
        base | {"order_id": "o4", "user_id": None},
    ]
    lines[2]["discount"] = Decimal("0.50")
    actions = [base | {"action": action} for action in ("view", "click", "cart", "search")]
    actions += [base | {"action": "view", "product_id": None}, base | {"user_id": None}]
    # units 2 + 1 + 1 - 1; three lines in two orders; 4 + 2 + 1.5 - 2.
    today = (FIRST, FIRST, "ann", "p1", 3, 3, 2, Decimal("5.50"), Decimal("0.50"), 0, 2, 1, 1)
    late = (FIRST, FIRST - timedelta(days=1), "ann", "p1", 1, 1, 1, 1, 0, 0, 0, 0, 0)
    assert collected(summed(lines, actions)) == sorted([today, late], key=repr)


def test_refund_alone_is_neither_line_nor_order(summed):
    refund = {"quantity": Decimal(-2), "amount": Decimal(-5), "user_id": "ann"}
    ((*_, units, lines, orders, amount, discount, _, views, carts, back),) = collected(
        summed([refund], [])
    )
    assert (units, lines, orders, amount) == (-2, 0, 0, -5)
    assert (discount, views, carts, back) == (0, 0, 0, 2)


def test_a_credit_without_units_is_no_purchase(summed):
    credit = {"quantity": Decimal(0), "amount": Decimal(-5), "user_id": "ann"}
    ((*_, units, lines, orders, amount, _, _, _, _, back),) = collected(summed([credit], []))
    assert (units, lines, orders, amount, back) == (0, 0, 0, -5, 0)


def test_nothing_gives_nothing(rows, settings, contracts):
    found = user_product_days(as_tables(rows, [], []), BuildContext(FIRST, settings))
    assert set(found.columns) == set(contracts["features.user_product_days"].column_names)
    assert found.isEmpty()


def test_a_corrected_line_is_summed_as_if_it_had_never_been(summed):
    """Paid on the first night, on the second twice as much; another is cancelled on the third."""
    bought = {
        "business_date": NIGHTS[0],
        "event_date": NIGHTS[0],
        "order_id": "o1",
        "user_id": "ann",
        "quantity": Decimal(2),
        "amount": Decimal("5.00"),
    }
    taken_back = {"quantity": Decimal(-2), "amount": Decimal("-5.00"), "is_reversal": True}
    dear = bought | {"product_id": "dear", "transaction_id": "t1"}
    gone = bought | {"product_id": "gone", "transaction_id": "t2"}
    later = {"business_date": NIGHTS[1], "corrects": "t1"}
    cancelled = {"business_date": NIGHTS[2], "corrects": "t2"}
    lines = [
        *[dear, dear | later | taken_back, dear | later | {"amount": Decimal("10.00")}],
        *[gone, gone | cancelled | taken_back],
        gone | cancelled | {"quantity": Decimal(0), "amount": Decimal(0)},
    ]
    per_day = summed(lines, [])
    total = per_day.groupBy("event_date", "product_id").agg(
        *[F.sum(name).alias(name) for name in ("units", "lines", "orders", "amount")]
    )
    found = {row["product_id"]: (row[2], row[3], row[4], row[5]) for row in total.collect()}
    assert found == {"dear": (2, 1, 1, 10), "gone": (0, 0, 0, 0)}
    assert [tuple(row)[1] for row in purchase_days(per_day).collect()] == ["dear"]
