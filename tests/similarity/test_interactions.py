"""Weighted histories of products, worked by hand."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from conftest import collected
from lakeshop.similarity.interactions import (
    basket_interactions,
    user_interactions,
    visit_interactions,
)

DAY = date(2026, 3, 31)
HALF_LIFE = 56  # of a pair; a single weight halves in 112 days
COLUMNS = ["history", "product_id", "weight", "age"]
PURCHASES = {"purchase": 1.0}


def ago(days):
    return DAY - timedelta(days=days)


# 1024 is the fixed-point one.
WEIGHTS = {0: 1024, 112: 512, 224: 256, 56: 724, 1: 1018, 1232: 1, 1233: 0}
# 56: 2^-0.5 = 0.7071068, times 1024 = 724.08.
# 1: 2^(-1/112) = 0.9938304, times 1024 = 1017.68.
# 1232: 2^-11 times 1024 = 0.5, which is rounded up; a day later down.


def day_of(user, product, age, **counts):
    """A row of features.user_product_days; a day with one order line unless told otherwise."""
    key = {"user_id": user, "product_id": product, "event_date": ago(age)}
    return key | {"lines": 1, "carts": 0, "views": 0} | counts


def by_users(rows, *days, weights=PURCHASES):
    made = user_interactions(rows("features.user_product_days", *days), DAY, HALF_LIFE, weights)
    assert made.columns == [*COLUMNS, "bought"]
    return collected(made.drop("bought"))


def test_weight_by_age_in_users(rows):
    found = by_users(rows, *[day_of("h", f"p{age}", age) for age in WEIGHTS])
    expected = [("h", f"p{age}", weight, age) for age, weight in WEIGHTS.items()]
    assert found == sorted(expected, key=repr)


def test_weight_by_age_in_baskets(rows):
    lines = [{"order_id": "h", "product_id": f"p{a}", "event_date": ago(a)} for a in WEIGHTS]
    found = basket_interactions(rows("silver.transactions", *lines), DAY, HALF_LIFE)
    assert found.columns == [*COLUMNS, "bought"]
    expected = [("h", f"p{age}", weight, age) for age, weight in WEIGHTS.items()]
    assert collected(found.drop("bought")) == sorted(expected, key=repr)


def test_what_was_taken_back_counts_against_the_purchases(rows):
    days = [
        day_of("h", "p", 3, lines=2),
        day_of("h", "p", 3, lines=-1),
        day_of("h", "p", 3, lines=0),
    ]
    found = user_interactions(rows("features.user_product_days", *days), DAY, HALF_LIFE, PURCHASES)
    assert sorted(row["bought"] for row in found.collect()) == [-1, 2]
    line = {"order_id": "h", "product_id": "p", "event_date": ago(3)}
    reversal = line | {"quantity": Decimal(-1), "amount": Decimal("-2.50"), "is_reversal": True}
    nothing = line | {"quantity": Decimal(0), "amount": Decimal(0)}
    lines = rows("silver.transactions", line, reversal, nothing)
    baskets = basket_interactions(lines, DAY, HALF_LIFE)
    assert sorted(row["bought"] for row in baskets.collect()) == [-1, 1]


def test_the_weightiest_action_of_a_day_counts_once(rows):
    days = [
        day_of("h", "bought", 0, lines=2, carts=1, views=90),
        day_of("h", "carted", 112, lines=0, carts=3, views=1),
        day_of("h", "seen", 0, lines=0, views=500),
        day_of("h", "returned", 0, lines=0),
    ]
    weights = {"purchase": 1.0, "cart": 0.5, "view": 0.125}
    found = by_users(rows, *days, weights=weights)
    # 0.5 halved by 112 days of age is 256 / 1024; 500 views weigh what one does.
    assert found == [("h", "bought", 1024, 0), ("h", "carted", 256, 112), ("h", "seen", 128, 0)]
    assert by_users(rows, *days) == [("h", "bought", 1024, 0)]
    assert by_users(rows, *days, weights={"purchase": 0.0, "view": 0.0}) == []
    assert by_users(rows, *days, weights={}) == []


def test_pair_halves_with_its_half_life(rows):
    """Two products of one day: the product of their weights is a half after 56 days."""
    found = by_users(rows, *[day_of("h", product, 56) for product in "pq"])
    assert found[0][2] * found[1][2] / 1024**2 == pytest.approx(0.5, rel=2e-3)


def test_baskets_hold_what_was_sold_without_refunds(rows):
    base = {"order_id": "o1", "product_id": "p", "event_date": ago(112)}
    lines = rows(
        "silver.transactions",
        base,
        # A coupon has no quantity and stands for its product.
        base | {"product_id": "c", "quantity": Decimal(0)},
        base | {"product_id": "r", "quantity": Decimal(-1)},
        # Guests have baskets too; the base row has no user.
        base | {"order_id": "o2", "event_date": ago(0)},
    )
    found = collected(basket_interactions(lines, DAY, HALF_LIFE).drop("bought"))
    assert found == [("o1", "c", 512, 112), ("o1", "p", 512, 112), ("o2", "p", 1024, 0)]


def test_visits_hold_what_a_user_looked_at_on_one_day(rows):
    days = [
        *[day_of("h", product, 1, views=n, lines=1) for product, n in (("p", 1), ("q", 9))],
        day_of("h", "carted", 1, carts=1),
        day_of("h", "p", 0, views=1, lines=0),
        day_of("g", "p", 1, views=1, lines=0),
        *[day_of("h", f"p{age}", age, views=1) for age in (83, 84)],
    ]
    found = visit_interactions(rows("features.user_product_days", *days), DAY, HALF_LIFE)
    assert found.columns == [*COLUMNS, "bought"]
    p, q, lately, long_ago = (1018, 1, 0), (1018, 1, 0), (1024, 0, 0), (613, 83, 0)
    assert {tuple(row)[1:] for row in found.collect()} == {
        *[("p", *p), ("q", *q), ("p", *lately), ("p83", *long_ago)]
    }
    visits = {}
    for row in found.collect():
        visits.setdefault(row["history"], set()).add(row["product_id"])
    assert sorted(map(sorted, visits.values())) == [["p"], ["p"], ["p", "q"], ["p83"]]


def test_nothing_gives_nothing(rows):
    assert by_users(rows) == []
    assert basket_interactions(rows("silver.transactions"), DAY, HALF_LIFE).isEmpty()
