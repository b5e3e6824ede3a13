"""Features of users: worked by hand, and by brute force on random days."""

import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from conftest import collected
from lakeshop.engine.context import BuildContext
from lakeshop.features.user_products import user_products
from lakeshop.features.users import per_user, users

DAY = date(2026, 3, 31)
ONE = 2**20
WINDOWS = (7, 28, 84)


def ago(days):
    return DAY - timedelta(days=days)


@pytest.fixture
def night(settings):
    options = {"windows": WINDOWS, "half_life_days": 112, "recent_half_life_days": 28}
    features = settings.features.model_copy(update=options | {"preferred_departments": 2})
    return BuildContext(DAY, settings.model_copy(update={"features": features}))


@pytest.fixture
def made(rows, night):
    """features.users as rows by user, from daily sums and (product, department) pairs."""

    def made(days, catalogue=(), n_partitions=None):
        sums = rows("features.user_product_days", *days)
        tables = {
            "features.user_product_days": sums.repartition(n_partitions) if n_partitions else sums,
            "silver.products": rows(
                "silver.products", *[{"product_id": p, "department": d} for p, d in catalogue]
            ),
        }
        tables["features.user_products"] = user_products(tables, night)
        found = users(tables, night)
        assert "business_date" not in found.columns
        return {row.user_id: row.asDict() for row in found.collect()}

    return made


def bought(user, product, age, lines=1, amount="1.00", discount="0"):
    return {
        "business_date": ago(age),
        "event_date": ago(age),
        "user_id": user,
        "product_id": product,
        "lines": lines,
        "amount": Decimal(amount),
        "discount": Decimal(discount),
    }


def test_worked_user(made):
    days = [
        bought("ann", "p", 2, lines=2, amount="6.00", discount="1.00"),
        bought("ann", "q", 2, amount="3.00"),
        bought("ann", "p", 30, amount="2.00", discount="0.50"),
        bought("ann", "p", 58, amount="1.00"),
        # A view and a refund of another day are no purchase.
        bought("ann", "r", 0, lines=0, amount="-5.00"),
    ]
    ann = made(days, [("p", "GROCERY"), ("q", "MEAT")])["ann"]
    assert ann["days_since_purchase"] == 2
    assert ann["days_since_first_purchase"] == 58
    assert ann["visit_days"] == 3
    assert ann["days_between_visits"] == 28  # from 58 to 2 days ago in two steps
    assert [ann[f"visit_days_{w}"] for w in ("short", "middle", "long")] == [1, 1, 3]
    # Less the credit of today.
    assert [ann[f"amount_{w}"] for w in ("short", "middle", "long")] == [4, 4, 7]
    # 2^(-2/28) twice, 2^(-30/28) and 2^(-58/28): 0.951695, 0.475848 and 0.237924, times 2^20.
    assert ann["recent_purchases"] == 2 * 997925 + 498962 + 249481
    assert ann["products"] == 2
    assert ann["lines_per_visit"] == pytest.approx(5 / 3)
    assert ann["amount_per_visit"] == Decimal("2.333333")
    assert float(ann["discount_share"]) == pytest.approx(1.5 / 13.5)
    assert ann["preferred_departments"] == ["GROCERY", "MEAT"]


def fixed(age, half_life):
    """round(2^(-age / half-life) * 2^20), halves up."""
    return int(2.0 ** (-age / half_life) * ONE + 0.5)


def test_windows_end_before_their_number_of_days(made):
    """The last 7 days are the ages 0 to 6."""
    ages = (0, 6, 7, 27, 28, 83, 84)
    ann = made([bought("ann", "p", age) for age in ages])["ann"]
    assert [ann[f"visit_days_{w}"] for w in ("short", "middle", "long")] == [2, 4, 6]
    assert [ann[f"amount_{w}"] for w in ("short", "middle", "long")] == [2, 4, 6]
    assert (ann["days_since_purchase"], ann["days_since_first_purchase"]) == (0, 84)


def test_one_visit_gives_no_interval_and_unpaid_no_share(made):
    found = made(
        [
            bought("once", "p", 100, amount="0.00"),
            bought("free", "p", 1, amount="0.00", discount="2.00"),
            bought("free", "p", 2, amount="0.00", discount="0.00"),
            bought("views", "p", 1, lines=0),
        ],
        [("q", "MEAT"), ("p", None)],
    )
    assert set(found) == {"once", "free"}
    once, free = found["once"], found["free"]
    assert once["days_between_visits"] is None
    assert once["discount_share"] is None
    assert once["preferred_departments"] is None
    assert [once[f"{n}_{w}"] for n in ("visit_days", "amount") for w in ("short", "long")] == [
        0
    ] * 4
    assert free["discount_share"] == 1
    assert free["days_between_visits"] == 1


def test_late_delivery_of_a_day_is_the_same_visit(made):
    late = bought("ann", "p", 5, amount="2.00") | {"business_date": ago(1)}
    ann = made([bought("ann", "p", 5), late])["ann"]
    assert (ann["visit_days"], ann["products"], ann["amount_long"]) == (1, 1, 3)
    assert ann["lines_per_visit"] == 2
    assert ann["recent_purchases"] == fixed(5, 28)


def test_preferred_departments(made):
    catalogue = [("a", "A"), ("a2", "A"), ("b", "B"), ("b2", "B"), ("c", "C"), ("x", None)]
    found = made(
        [
            # Ties go by name, and the third is left out.
            *[bought("tie", product, 3) for product in "cba"],
            # Two days of half weight tie with one of today; A stands first by name.
            *[bought("age", "b", 112), bought("age", "b2", 112), bought("age", "a", 0)],
            # Two products of one department add up: 2 against 1.
            *[bought("sum", "c", 0), bought("sum", "a", 0), bought("sum", "a2", 0)],
            # What the catalogue does not know counts for no department.
            *[bought("new", "x", 0, lines=9), bought("new", "y", 0, lines=9)],
            bought("new", "b", 300),
        ],
        catalogue,
    )
    preferred = {user: row["preferred_departments"] for user, row in found.items()}
    assert preferred == {
        "tie": ["A", "B"],
        "age": ["A", "B"],
        "sum": ["A", "C"],
        "new": ["B"],
    }


DEPARTMENTS = {"p": "A", "q": "B", "r": "C", "s": "B", "t": None}


def random_days(seed):
    draw = random.Random(seed)
    days = [
        bought(
            draw.choice(["ann", "bob", "cem", "dua"]),
            draw.choice("pqrstu"),
            draw.choice([0, 6, 7, 27, 28, 83, 84, draw.randrange(400)]),
            lines=draw.choice([0, 1, 1, 2]),
            amount=f"{draw.randrange(0, 900) / 100:.2f}",
            discount=f"{draw.randrange(0, 90) / 100:.2f}",
        )
        for _ in range(120)
    ]
    return list({(d["event_date"], d["user_id"], d["product_id"]): d for d in days}.values())


def expected_user(days):
    """All columns of one user, by the words of the contract."""
    age = [(DAY - day["event_date"]).days for day in days]
    visits = sorted(set(age))
    paid, saved = sum(d["amount"] for d in days), sum(d["discount"] for d in days)
    weights = Counter()
    for a, day in zip(age, days, strict=True):
        if DEPARTMENTS.get(day["product_id"]):
            weights[DEPARTMENTS[day["product_id"]]] += fixed(a, 112)
    best = sorted(weights, key=lambda name: (-weights[name], name))[:2]
    steps = [older - newer for newer, older in pairwise(visits)]
    row = {
        "days_since_purchase": min(age),
        "days_since_first_purchase": max(age),
        "visit_days": len(visits),
        "days_between_visits": sum(steps) / len(steps) if steps else None,
        "recent_purchases": sum(fixed(a, 28) for a in age),
        "products": len({d["product_id"] for d in days}),
        "lines_per_visit": sum(d["lines"] for d in days) / len(visits),
        "amount_per_visit": float(paid) / len(visits),
        "discount_share": float(saved / (paid + saved)) if paid + saved else None,
        "preferred_departments": best or None,
    }
    for label, window in zip(("short", "middle", "long"), WINDOWS, strict=True):
        row[f"visit_days_{label}"] = sum(a < window for a in visits)
        within = [d["amount"] for a, d in zip(age, days, strict=True) if a < window]
        row[f"amount_{label}"] = float(sum(within))
    return row


def as_floats(row):
    return {k: float(value) if isinstance(value, Decimal) else value for k, value in row.items()}


def test_equals_brute_force(made, contracts):
    days = random_days(4)
    found = made(days, DEPARTMENTS.items(), n_partitions=5)
    purchased = [day for day in days if day["lines"]]
    assert set(found) == {day["user_id"] for day in purchased}
    columns = set(contracts["features.users"].column_names) - {"business_date"}
    for user, row in found.items():
        assert set(row) == columns
        expected = expected_user([day for day in purchased if day["user_id"] == user])
        assert row.pop("preferred_departments") == expected.pop("preferred_departments")
        assert as_floats(row) == pytest.approx({"user_id": user} | expected, abs=1e-6)


def test_no_days_no_users(rows, night, contracts):
    names = ("features.user_product_days", "features.user_products", "silver.products")
    tables = {name: rows(name) for name in names}
    found = users(tables, night)
    expected = set(contracts["features.users"].column_names) - {"business_date"}
    assert set(found.columns) == expected
    assert collected(found) == []


def test_sums_are_exact_whatever_the_partitioning(rows):
    """0.10 three hundred times is 30.00 in any order of the rows."""
    days = [bought("ann", f"p{n}", 1, amount="0.10", discount="0.01") for n in range(300)]
    frame = rows("features.user_product_days", *days)
    few, many = (
        collected(per_user(frame.repartition(n, "product_id"), DAY, WINDOWS)) for n in (1, 9)
    )
    assert few == many
    assert Decimal("30.00") in few[0]


def test_a_huge_order_and_its_refund_leave_no_trace_in_money(made):
    usual = [bought(user, "p", age, amount="2.00") for user in ("a", "b") for age in (1, 9, 40)]
    huge = [
        bought("a", "q", 10, amount="9000.00"),
        bought("a", "q", 8, lines=0, amount="-9000.00") | {"units": Decimal(-1)},
        bought("a", "r", 90, amount="7000.00"),
        bought("a", "r", 3, lines=0, amount="-7000.00") | {"units": Decimal(-1)},
    ]
    found = made([*usual, *huge])
    money = [f"amount_{w}" for w in ("short", "middle", "long")]
    assert [found["b"][name] for name in money] == [2, 4, 6]
    # What was paid before the late refund is taken for paid back; nothing falls below 0.
    assert [found["a"][name] for name in money] == [2, 2, 2]
    assert found["a"]["amount_per_visit"] == Decimal("6.00") / 5


def test_who_only_brought_back_is_no_user_of_the_look_back(made):
    assert made([bought("a", "q", 8, lines=0, amount="-9.00") | {"units": Decimal(-1)}]) == {}


def test_who_brought_all_back_has_no_product_and_no_recent_purchase(made):
    back = bought("a", "q", 3, lines=0, amount="-2.00") | {"units": Decimal(-1)}
    found = made([bought("a", "q", 8), back])["a"]
    assert (found["products"], found["recent_purchases"], found["visit_days"]) == (0, 0, 1)
    assert found["amount_long"] == 0


def test_a_reversal_does_not_outlive_its_line(made):
    """Of a line of before the look-back its reversal may still be filed within it."""
    reversal = bought("a", "q", 401, lines=-1, amount="-900.00", discount="-1.00")
    reversal |= {"units": Decimal(-1), "corrections": 1}
    found = made([bought("a", "p", 5, amount="2.00"), reversal])["a"]
    assert (found["amount_per_visit"], found["lines_per_visit"]) == (2, 1)
