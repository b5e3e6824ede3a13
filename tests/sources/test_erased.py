"""Delivered rows that mention an erased person, anywhere in a file."""

import pytest

from conftest import collected
from erasures import erased_of
from lakeshop.config.shop import Entity, Shop
from lakeshop.sources.lines import Limits, lines_of
from lakeshop.sources.mentions import IS_ERASED, with_erased

KEY = b"a key for tests, of 32 characters or more"
LONG = "Xk3v9TqLw7ZrB2mNp8sYd4Hc"
ERASED = erased_of(["7", LONG], KEY)
LIMITS = Limits(delivered=2**20, unpacked=2**20)


def shop_of(kind):
    columns = {"transaction_id": "id", "user_id": "user", "quantity": "n"}
    lines = {"path": "{date}", "format": kind, "columns": columns}
    products = {"path": "{date}.p", "format": kind, "columns": {"product_id": "id", "name": "name"}}
    entities = {"transactions": lines, "products": products}
    return Shop.model_validate({"name": "s", "zone": "UTC", "landing": "l", "entities": entities})


@pytest.mark.parametrize(
    ("entity", "kind", "content", "gone"),
    [
        ("transactions", "csv", "id,user,n\n1,7,2\n2,8,7\n3,,7\n", [1]),
        # Without its header a file has its first row there.
        ("transactions", "csv", f"1,{LONG},2\n2,8,3\n3,9,4\n", [1, 2]),
        ("transactions", "csv", "1,7,2\n2,8,3\n", [1]),
        ("transactions", "csv", "1,8,2\n2,7,3\n3,9,4\n", [1]),
        ("transactions", "csv", "id,buyer,n\n1,7,2\n2,8,3\n", [1]),
        ("products", "csv", "id,name\n7,seven\n8,7 of 9\n", []),
        ("products", "csv", f"id,name\n7,{LONG}\n8,7 of 9\n", [1]),
        ("transactions", "json", '{"id": 1, "n": 7}\n{"id": 2, "user": 7}\n{"7": 1, "us\n', [2, 3]),
        ("transactions", "json", f'{{"{LONG}": 1}}\n{{"id": 7, "user": 8}}\n', [1]),
    ],
)
def test_rows_go_that_speak_of_a_person_and_no_others(spark, entity, kind, content, gone):
    shop = shop_of(kind)
    chosen: Entity = shop.entities[entity]
    lines = list(lines_of(content.encode(), "x", chosen, LIMITS))
    rows = spark.createDataFrame(
        [(place, line.raw, line.header, line.fault) for place, line in enumerate(lines, 1)],
        "place INT, raw STRING, header STRING, fault STRING",
    )
    found = with_erased(rows, chosen, shop, ERASED)
    assert [place for place, is_gone in collected(found, "place", IS_ERASED) if is_gone] == gone


@pytest.mark.parametrize(
    ("user", "content", "gone"),
    [
        ("user", '{"user": 8, "items": [{"id": 1, "n": 7}]}\n{"user": 7, "items": []}\n', [2]),
        ("items.user", '{"items": [{"id": 1, "user": 7}]}\n{"items": [{"user": 8}]}\n', [1]),
    ],
)
def test_a_short_id_takes_no_orders_of_others(spark, user, content, gone):
    columns = {"transaction_id": "items.id", "user_id": user, "quantity": "items.n"}
    lines = {"path": "{date}", "format": "json", "columns": columns, "lines": "items"}
    shop = Shop.model_validate(
        {"name": "s", "zone": "UTC", "landing": "l", "entities": {"transactions": lines}}
    )
    found = lines_of(content.encode(), "x", shop.entities["transactions"], LIMITS)
    rows = spark.createDataFrame(
        [(place, line.raw, line.header, line.fault) for place, line in enumerate(found, 1)],
        "place INT, raw STRING, header STRING, fault STRING",
    )
    marked = with_erased(rows, shop.entities["transactions"], shop, ERASED)
    assert [place for place, is_gone in collected(marked, "place", IS_ERASED) if is_gone] == gone
