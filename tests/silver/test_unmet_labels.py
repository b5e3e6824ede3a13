"""Labels of fraud that name no known line."""

from datetime import date, timedelta

import pytest

from lakeshop.silver.labels import unmet

DAY = date(2026, 3, 10)


@pytest.fixture
def said(rows):
    def said(labels, lines, key="transaction_id"):
        made = [{key: name, "business_date": day} for name, day in labels]
        sold = [
            {"transaction_id": line, "order_id": order, "business_date": day}
            for line, order, day in lines
        ]
        return unmet(rows("silver.fraud_labels", *made), rows("silver.transactions", *sold), key)

    return said


LINES = [("t1", "o1", DAY), ("t2", "o1", DAY - timedelta(days=9)), ("t3", "o2", DAY)]


def test_labels_that_all_meet_a_line_are_not_told_of(said):
    assert said([("t1", DAY), ("t2", DAY)], LINES) is None
    assert said([("o1", DAY)], LINES, "order_id") is None
    assert said([], LINES) is None


def test_some_that_meet_none_are_counted_with_examples(said):
    text = said([("t1", DAY), *[(f"x{n}", DAY) for n in range(5)]], LINES)
    assert text.startswith("5 of 6 labels name no known order line, such as x0, x1, x2: ")
    assert "order_id" not in text


def test_a_line_that_comes_after_its_label_is_not_known_yet(said):
    early = DAY - timedelta(days=1)
    assert said([("t1", early), ("t3", DAY)], LINES).startswith("1 of 2 labels")


def test_labels_of_orders_are_recognised(said):
    assert "They are ids of orders: map order_id" in said([("o1", DAY), ("o2", DAY)], LINES)
    assert "Where they are ids of orders, map order_id" in said([("x", DAY)], LINES)


def test_orders_that_are_unknown_are_named_as_orders(said):
    text = said([("o1", DAY), ("o9", DAY)], LINES, "order_id")
    assert text.startswith("1 of 2 labels name no known order, such as o9: ")
