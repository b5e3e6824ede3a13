"""Habits of users and products, worked by hand and by brute force."""

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from conftest import all_purchases, collected
from lakeshop.engine.context import BuildContext
from lakeshop.features.user_products import (
    TRENDS,
    habits,
    purchase_days,
    user_products,
)

DAY = date(2026, 3, 31)
ONE = 2**20


def ago(days):
    return DAY - timedelta(days=days)


@pytest.fixture
def options(settings):
    return settings.features.model_copy(update={"half_life_days": 28, "recent_half_life_days": 7})


def purchases_of(spark, *values):
    schema = "user_id STRING, product_id STRING, event_date DATE, is_kept BOOLEAN"
    return spark.createDataFrame([(*value, True) for value in values], schema)


def test_purchase_days_count_once_and_only_with_a_line(rows):
    """A day filed twice (once late) counts once; views and refunds are no purchases."""
    base = {"user_id": "ann", "product_id": "p", "event_date": ago(3)}
    days = rows(
        "features.user_product_days",
        base | {"business_date": ago(3), "lines": 2},
        base | {"business_date": ago(1), "lines": 1},
        base | {"event_date": ago(2), "lines": 0, "views": 5},
        base | {"user_id": "bob", "lines": 1},
        base | {"product_id": "q", "lines": 1},
    )
    assert collected(purchase_days(days)) == [
        ("ann", "p", ago(3)),
        ("ann", "q", ago(3)),
        ("bob", "p", ago(3)),
    ]


def test_worked_habits(spark, options):
    purchases = purchases_of(
        spark, *[("ann", "p", ago(age)) for age in (0, 28, 56)], ("bob", "p", ago(7))
    )
    # Half-life 28: 1 + 1/2 + 1/4. Half-life 7: 1 + 1/16 + 1/256.
    # At age 7: 2^(-7/28) = 0.8408964152537145, times 2^20 = 881743.8, and 1/2.
    assert collected(habits(purchases, DAY, options)) == [
        ("ann", "p", 3, 1, 1, 1, 3, None, 0, 56, ONE * 7 // 4, ONE + ONE // 16 + ONE // 256),
        ("bob", "p", 1, 0, 1, 1, 1, None, 7, 7, 881744, ONE // 2),
    ]


def fixed(age, half_life):
    """round(2^(-age / half-life) * 2^20), halves up."""
    return int(2.0 ** (-age / half_life) * ONE + 0.5)


def test_habits_equal_brute_force_whatever_the_partitioning(spark, options):
    draw = random.Random(5)
    keys = {(draw.choice("abcd"), draw.choice("pqr"), draw.randrange(400)) for _ in range(300)}
    purchases = purchases_of(spark, *[(user, product, ago(age)) for user, product, age in keys])
    expected = []
    for pair in sorted({key[:2] for key in keys}):
        ages = [age for *p, age in keys if tuple(p) == pair]
        sums = [sum(fixed(age, half_life) for age in ages) for half_life in (28, 7)]
        counts = [sum(age < days for age in ages) for days in TRENDS]
        expected.append((*pair, len(ages), *counts, None, min(ages), max(ages), *sums))
    assert collected(habits(purchases.coalesce(1), DAY, options)) == expected
    assert collected(habits(purchases.repartition(7), DAY, options)) == expected


def test_no_purchases_no_habits(rows, settings, contracts):
    tables = {"features.user_product_days": rows("features.user_product_days")}
    found = user_products(tables, BuildContext(DAY, settings))
    assert ["business_date", *found.columns] == contracts["features.user_products"].column_names
    assert found.isEmpty()


def moved(age, units, refunded="0", user="ann", filed=None, **changed):
    """A day of a user and the product p: units less those brought back."""
    return {
        "business_date": ago(age if filed is None else filed),
        "event_date": ago(age),
        "user_id": user,
        "product_id": "p",
        "units": Decimal(units),
        "refunded": Decimal(refunded),
        "lines": int(Decimal(units) + Decimal(refunded) > 0),
        "views": 0,
    } | changed


REFUNDS = {
    "bought once and brought back": ([moved(5, "1"), moved(3, "-1", "1")], []),
    "on the same day": ([moved(5, "0", "1")], []),
    "one of two": ([moved(5, "2"), moved(3, "-1", "1")], [5]),
    "the newest of three": ([moved(a, "1") for a in (9, 7, 5)] + [moved(3, "-1", "1")], [9, 7]),
    "two of three": ([moved(a, "1") for a in (9, 7, 5)] + [moved(3, "-2", "2")], [9]),
    "and bought again": ([moved(9, "1"), moved(7, "-1", "1"), moved(5, "1")], [5]),
    "bought before the look-back": ([moved(9, "-1", "1"), moved(5, "1")], [5]),
    "half and half": ([moved(9, "3"), moved(7, "-1", "1"), moved(5, "-2", "2")], []),
    "filed late": ([moved(9, "1"), moved(7, "-1", "1", filed=1)], []),
    "filed in parts": ([moved(9, "1"), moved(9, "1", filed=2), moved(7, "-1", "1")], [9]),
    "without units": ([moved(9, "0", lines=1)], [9]),
    "of an older table": (
        [moved(9, "1", refunded="0") | {"refunded": None}, moved(7, "-1") | {"refunded": None}],
        [],
    ),
    "by weight": ([moved(9, "0.750"), moved(8, "1.5"), moved(7, "-1.5", "1.5")], [9]),
}


def test_what_was_brought_back_is_no_habit(rows):
    days = [day | {"user_id": name} for name, (days, _) in REFUNDS.items() for day in days]
    frame = rows("features.user_product_days", *days)
    for n in (1, 5):
        found = all_purchases(frame.repartition(n)).where("is_kept")
        kept = {(row["user_id"], (DAY - row["event_date"]).days) for row in found.collect()}
        assert kept == {(name, age) for name, (_, ages) in REFUNDS.items() for age in ages}


def test_a_pair_of_which_nothing_is_left_has_no_purchase_day(rows, settings):
    tables = {
        "features.user_product_days": rows(
            "features.user_product_days", *REFUNDS["bought once and brought back"][0]
        )
    }
    [row] = user_products(tables, BuildContext(DAY, settings)).collect()
    assert (row["purchase_days"], row["purchase_days_84"], row["habit"], row["recent"]) == (0,) * 4
    assert (row["days_since_purchase"], row["days_since_first_purchase"]) == (5, 5)


def test_days_of_a_purchase_are_counted_apart_where_the_product_was_viewed(rows, settings):
    """Not days of a view alone, nor those that were brought back; filed twice counts once."""
    days = [
        moved(9, "1", views=2),
        moved(8, "1"),
        moved(7, "0", views=3),
        moved(6, "1", views=1),
        moved(6, "0", views=1, filed=5),
        moved(4, "1", views=1),
        moved(3, "-1", "1"),
        moved(2, "1", user="bob"),
    ]
    tables = {"features.user_product_days": rows("features.user_product_days", *days)}

    def counted(chosen):
        found = user_products(tables, BuildContext(DAY, chosen)).collect()
        return {row["user_id"]: row["purchase_days_viewed"] for row in found}

    views = settings.shop.entities["user_actions"].columns | {
        "product_id": settings.shop.entities["transactions"].columns["product_id"]
    }
    actions = settings.shop.entities["user_actions"].model_copy(update={"columns": views})
    entities = {**settings.shop.entities, "user_actions": actions}
    shop = settings.shop.model_copy(update={"entities": entities})
    assert counted(settings.model_copy(update={"shop": shop})) == {"ann": 2, "bob": 0}
    assert counted(settings) == {"ann": None, "bob": None}
