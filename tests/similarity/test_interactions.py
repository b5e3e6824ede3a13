"""Weighted histories of products, worked by hand."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from conftest import collected
from lakeshop.similarity.interactions import (
    basket_interactions,
    in_histories,
    item_statistics,
    user_interactions,
)

DAY = date(2026, 3, 31)
HALF_LIFE = 56  # of a pair; a single weight halves in 112 days
COLUMNS = ["history", "product_id", "weight"]


def ago(days):
    return DAY - timedelta(days=days)


# 1024 is the fixed-point one.
WEIGHTS = {0: 1024, 112: 512, 224: 256, 56: 724, 1: 1018, 1232: 1, 1233: 0}
# 56: 2^-0.5 = 0.7071068, times 1024 = 724.08.
# 1: 2^(-1/112) = 0.9938304, times 1024 = 1017.68.
# 1232: 2^-11 times 1024 = 0.5, which is rounded up; a day later down.


def habit(user, product, last, first=None):
    """A row of features.user_products: ages of the last and the first purchase."""
    ages = {"days_since_purchase": last, "days_since_first_purchase": first or last}
    return {"user_id": user, "product_id": product} | ages


def test_weight_by_age_in_users(rows):
    habits = rows("features.user_products", *[habit("h", f"p{age}", age) for age in WEIGHTS])
    found = user_interactions(habits, HALF_LIFE)
    assert found.columns == COLUMNS
    expected = sorted((("h", f"p{age}", weight) for age, weight in WEIGHTS.items()), key=repr)
    assert collected(found) == expected


def test_weight_by_age_in_baskets(rows):
    lines = [{"order_id": "h", "product_id": f"p{a}", "event_date": ago(a)} for a in WEIGHTS]
    found = basket_interactions(rows("silver.transactions", *lines), DAY, HALF_LIFE)
    assert found.columns == COLUMNS
    expected = sorted((("h", f"p{age}", weight) for age, weight in WEIGHTS.items()), key=repr)
    assert collected(found) == expected


def test_pair_halves_with_its_half_life(rows):
    """Two products of one day: the product of their weights is a half after 56 days."""
    pair = rows("features.user_products", *[habit("h", p, 56) for p in "pq"])
    found = collected(user_interactions(pair, HALF_LIFE))
    assert found[0][2] * found[1][2] / 1024**2 == pytest.approx(0.5, rel=2e-3)


def test_users_last_purchase_counts(rows):
    habits = rows("features.user_products", habit("ann", "p", 112, 224), habit("bob", "p", 0, 9))
    found = collected(user_interactions(habits, HALF_LIFE))
    assert found == [("ann", "p", 512), ("bob", "p", 1024)]


def test_baskets_hold_each_product_once_without_refunds(rows):
    base = {"order_id": "o1", "product_id": "p", "event_date": ago(112)}
    lines = rows(
        "silver.transactions",
        base,
        base | {"quantity": Decimal("0.5")},
        # A coupon has no quantity and stands for its product.
        base | {"product_id": "c", "quantity": Decimal(0)},
        base | {"product_id": "r", "quantity": Decimal(-1)},
        # Guests have baskets too; the base row has no user.
        base | {"order_id": "o2", "event_date": ago(0)},
    )
    found = collected(basket_interactions(lines, DAY, HALF_LIFE))
    assert found == [("o1", "c", 512), ("o1", "p", 512), ("o2", "p", 1024)]


INTERACTIONS = "history STRING, product_id STRING, weight BIGINT"


def unpacked(histories):
    """The entries of each history, as a set of its own order."""
    return sorted(
        sorted((entry["product_id"], entry["weight"]) for entry in row["entries"])
        for row in histories.collect()
    )


def test_longer_histories_keep_the_newest_then_the_larger_id(spark):
    interactions = [
        ("full", "old", 100),
        ("full", "b", 500),
        ("full", "a", 500),
        ("full", "c", 500),
        ("full", "new", 1024),
        ("short", "old", 1),
        ("short", "gone", 0),
        ("empty", "gone", 0),
    ]
    frame = spark.createDataFrame(interactions, INTERACTIONS)
    found = in_histories(frame, 3)
    assert found.columns == ["entries"]
    assert unpacked(found) == [[("b", 500), ("c", 500), ("new", 1024)], [("old", 1)]]
    assert unpacked(in_histories(frame.repartition(5), 3)) == unpacked(found)


def test_item_statistics_by_hand(spark):
    entries = [("h1", "b", 3), ("h1", "a", 2), ("h1", "c", 1), ("h2", "c", 5)]
    histories = in_histories(spark.createDataFrame(entries, INTERACTIONS), 9)
    # norm: squares of the weights; work: lengths of the histories, 3 and 1.
    found = collected(item_statistics(histories), "product_id", "histories", "norm", "work")
    assert found == [("a", 1, 4, 3), ("b", 1, 9, 3), ("c", 2, 26, 4)]


def test_nothing_gives_nothing(rows):
    for made in (
        user_interactions(rows("features.user_products"), HALF_LIFE),
        basket_interactions(rows("silver.transactions"), DAY, HALF_LIFE),
    ):
        found = in_histories(made, 5)
        assert found.isEmpty()
        assert item_statistics(found).isEmpty()
