"""Labels of orders, borne by all lines of the order."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from conftest import collected
from lakeshop.config.shop import ColumnMapping, Entity, Shop
from lakeshop.fraud.labels import of_lines

DAY = date(2026, 3, 10)


def shop(*columns):
    mapped = {name: ColumnMapping(column=name) for name in columns}
    labels = Entity(path="{date}.csv", format="csv", columns=mapped)
    return Shop(name="x", zone="UTC", landing="x", entities={"fraud_labels": labels})


def lines_of(rows):
    sold = [("t1", "o1"), ("t2", "o1"), ("t3", "o2")]
    return rows("silver.transactions", *[{"transaction_id": t, "order_id": o} for t, o in sold])


def label(day, is_fraud, line=None, order=None):
    return {
        "business_date": DAY + timedelta(days=day),
        "transaction_id": line or f"order {order}",
        "order_id": order,
        "is_fraud": is_fraud,
    }


@pytest.mark.parametrize("n", [1, 5])
def test_all_lines_of_an_order_bear_its_label(rows, n):
    labels = rows(
        "silver.fraud_labels",
        label(0, True, order="o1"),
        label(3, False, order="o1"),
        label(1, True, order="gone"),
        label(0, False, line="t1"),  # of a time when the shop labelled lines
        label(2, True, line="t3"),
    ).repartition(n)
    found = of_lines(labels, lines_of(rows), shop("order_id"))
    later = DAY + timedelta(days=3)
    assert collected(found, "transaction_id", "business_date", "is_fraud") == [
        ("t1", DAY, True),
        ("t1", later, False),
        ("t2", DAY, True),
        ("t2", later, False),
        ("t3", DAY + timedelta(days=2), True),
    ]


def test_labels_of_lines_stay_as_they_are(rows):
    labels = rows("silver.fraud_labels", label(0, True, line="t1"))
    assert of_lines(labels, lines_of(rows), shop("transaction_id")) is labels


def test_a_shop_maps_one_of_both():
    with pytest.raises(ValidationError, match="received both"):
        shop("transaction_id", "order_id")
