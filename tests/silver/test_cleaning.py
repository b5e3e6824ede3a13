"""Rejection of delivered rows, with its reasons."""

import json
from datetime import date, datetime
from decimal import Decimal

import pytest

from lakeshop.config.shop import Entity
from lakeshop.silver.clean import CLEANINGS
from lakeshop.silver.cleaning import validate
from lakeshop.silver.entities import CleaningContext
from lakeshop.sources.lines import Limits, lines_of

DELIVERED_ON = date(2026, 3, 10)
ZONE = "America/New_York"  # four hours behind UTC since 8 March 2026
RAW = "business_date DATE, source_file STRING, source_line BIGINT, raw STRING, header STRING, "
RAW += "fault STRING"

LINE = {
    "transaction_id": "t1",
    "order_id": "o1",
    "user_id": "ann",
    "product_id": "p1",
    "store_id": "s1",
    "quantity": "2",
    "unit_price": "1.50",
    "discount": "0.20",
    "amount": "3.00",
    "currency": "EUR",
    "occurred_at": "2026-03-10 12:00:00",
}
ACTION = {
    "action_id": "a1",
    "user_id": "ann",
    "session_id": "v1",
    "action": "view",
    "product_id": "p1",
    "occurred_at": "2026-03-10 12:00:00",
}
REQUIRED = ("transaction_id", "order_id", "product_id", "quantity", "amount", "currency")
REQUIRED += ("occurred_at",)
OPTIONAL = ("user_id", "store_id", "unit_price", "discount")

MALFORMED = "malformed: line should be well-formed json"
ARRAY = "malformed: line should be one object, received an array: one object a line"
NEGATIVE_PRICE = "price_is_not_negative: a price should be 0 or more"
TOO_MANY = "quantity_is_possible: a line should have at most 100,000 units"
PAID_REFUND = "amount_follows_quantity: a refund should not have a positive amount"
RETURNED = (
    "quantity_follows_amount: a negative amount should have a negative quantity, or 0 for a "
    "credit; map quantity by an expression"
)
FUTURE = "not_in_the_future: an event should not happen after the day of its delivery"
TOO_OLD = "within_look_back: an event should not be older than the look-back of 400 days"
UNKNOWN_ACTION = "action_is_known: an action should be one of the known kinds"


def wrong(column, kind):
    return f"wrong type: {column} should be {kind}"


def missing(column):
    return f"missing: {column} should be present"


LINES = {
    "good": ({}, []),
    "numbers instead of text": ({"quantity": 2, "amount": 3.0}, []),
    "refund": ({"quantity": "-2", "amount": "-3.00"}, []),
    "refund of nothing": ({"quantity": "-2", "amount": "0"}, []),
    "unknown product only warns": ({"product_id": "p9"}, []),
    "most units": ({"quantity": "100000"}, []),
    "last second of the day": ({"occurred_at": "2026-03-11 03:59:59"}, []),
    # 2026-03-10 less 400 days is 2025-02-03; there it was winter, five hours behind UTC.
    "oldest second": ({"occurred_at": "2025-02-03 05:00:00"}, []),
    "quantity as a word": ({"quantity": "two"}, [wrong("quantity", "decimal(12,3)")]),
    "amount as a word": ({"amount": "n/a"}, [wrong("amount", "decimal(12,2)")]),
    "amount too large": ({"amount": "1e30"}, [wrong("amount", "decimal(12,2)")]),
    "amount not a number": ({"amount": "NaN"}, [missing("amount")]),
    "price as a word": ({"unit_price": "free"}, [wrong("unit_price", "decimal(14,4)")]),
    "discount as a word": ({"discount": "-"}, [wrong("discount", "decimal(12,2)")]),
    "no such day": ({"occurred_at": "2026-02-30 12:00:00"}, [wrong("occurred_at", "timestamp")]),
    "time without a day": ({"occurred_at": "T12:00"}, [wrong("occurred_at", "timestamp")]),
    "no such year": (
        {"occurred_at": "294247-01-10 03:00:00"},
        [wrong("occurred_at", "timestamp")],
    ),
    "last year there is": ({"occurred_at": "9999-12-31 23:59:59"}, [FUTURE]),
    "first year there is": ({"occurred_at": "0001-01-02 12:00:00"}, [TOO_OLD]),
    "price too large to be stored": (
        {"quantity": "0.001", "unit_price": None, "amount": "9999999999.99"},
        [],
    ),
    "quantity is an object": ({"quantity": {"of": 2}}, [wrong("quantity", "decimal(12,3)")]),
    "negative price": ({"unit_price": "-0.01"}, [NEGATIVE_PRICE]),
    # No price of -1.50 is derived that would be rejected as one that nobody delivered.
    "return without a price": ({"unit_price": None, "amount": "-3.00"}, [RETURNED]),
    "refund by another sign": (
        {"quantity": "0", "unit_price": None, "amount": "-3.00"},
        [],
    ),
    "too many units": ({"quantity": "100000.001"}, [TOO_MANY]),
    "too many returned": ({"quantity": "-100001", "amount": "-3"}, [TOO_MANY]),
    "paid refund": ({"quantity": "-1", "amount": "0.01"}, [PAID_REFUND]),
    "return of positive quantity": ({"amount": "-3.00"}, [RETURNED]),
    "credit without quantity": ({"quantity": "0", "amount": "-3.00"}, []),
    "first second of the next day": ({"occurred_at": "2026-03-11 04:00:00"}, [FUTURE]),
    "a second too old": ({"occurred_at": "2025-02-03 04:59:59"}, [TOO_OLD]),
    "several": (
        {"order_id": None, "discount": "x", "unit_price": "-1", "occurred_at": "2026-04-01"},
        [missing("order_id"), wrong("discount", "decimal(12,2)"), NEGATIVE_PRICE, FUTURE],
    ),
    # The rules on quantity cannot be judged, which its own reason explains; the others can.
    "NULL by a fault": (
        {"quantity": None, "unit_price": "-1"},
        [missing("quantity"), NEGATIVE_PRICE],
    ),
    **{f"no {name}": ({name: None}, [missing(name)]) for name in REQUIRED},
    **{f"no {name}, optional": ({name: None}, []) for name in OPTIONAL},
}
ACTIONS = {
    "good": ({}, []),
    "guest": ({"user_id": None, "product_id": None}, []),
    "unknown action": ({"action": "stare"}, [UNKNOWN_ACTION]),
    "action in capitals": ({"action": "View"}, [UNKNOWN_ACTION]),
    "no action": ({"action": None}, [missing("action")]),
    "blank action": ({"action": "   "}, [missing("action")]),
    "tomorrow": ({"occurred_at": "2026-03-11 12:00:00"}, [FUTURE]),
    "long ago": ({"occurred_at": "2024-03-10 12:00:00"}, [TOO_OLD]),
    "unknown action tomorrow": (
        {"action": "stare", "occurred_at": "2026-03-12 12:00:00"},
        [UNKNOWN_ACTION, FUTURE],
    ),
}
BYTES, ANY = b'{"a": "caf\xe9"}', Entity(path="{date}.json", format="json", columns={})
[NOT_UTF8] = lines_of(BYTES, "x", ANY, Limits(delivered=100, unpacked=100))
BROKEN = {
    "cut off": ('{"transaction_id": "t1"', None, MALFORMED),
    "no object": ('["t1"]', None, ARRAY),
    "several objects": ('[{"order_id": "o1"}, {"order_id": "o2"}]', None, ARRAY),
    "two rows in a line": (f"{json.dumps(LINE)} {json.dumps(LINE)}", None, MALFORMED),
    "more behind the row": (f"{json.dumps(LINE)};", None, MALFORMED),
    "plain text": ("t1;o1;ann", None, MALFORMED),
    "null": ("null", None, MALFORMED),
    "unreadable file": (None, "file should be whole", "unreadable: file should be whole"),
    "not UTF-8": (
        NOT_UTF8.raw,
        NOT_UTF8.fault,
        "unreadable: line should be UTF-8, received other bytes; where they are cp1252, say so "
        "under the entity's `encoding`",
    ),
}
UNMAPPED = ("user_id", "store_id", "discount", "unit_price")


def delivery(spark, raws):
    """Bronze rows from (name, raw, fault), the name as the file's."""
    values = [(DELIVERED_ON, name, 1, raw, None, fault) for name, raw, fault in raws]
    return spark.createDataFrame(values, RAW)


def without_nulls(row):
    return json.dumps({key: value for key, value in row.items() if value is not None})


def as_delivered(cases, base):
    return [(name, json.dumps({**base, **changes}), None) for name, (changes, _) in cases.items()]


def validated(spark, contracts, entity, names, raws, **expressions):
    """The judged rows by the name of their case."""
    products = spark.createDataFrame(
        [(DELIVERED_ON, "p1")], "business_date DATE, product_id STRING"
    )
    rows = validate(
        delivery(spark, raws),
        Entity(path="{date}.json", format="json", columns={n: n for n in names} | expressions),
        contracts[f"silver.{entity}"],
        CLEANINGS[entity],
        CleaningContext({"silver.products": products}, ZONE),
    )
    return {row.source_file: row for row in rows.collect()}, rows.schema


@pytest.fixture(scope="module")
def lines(spark, contracts):
    blank = {f"blank {n}": ({n: " \t "}, None) for n in (*REQUIRED, *OPTIONAL)}
    raws = as_delivered(LINES | blank, LINE)
    raws += [(name, raw, fault) for name, (raw, fault, _) in BROKEN.items()]
    raws.append(("keys absent", without_nulls(LINE | dict.fromkeys(("amount", "user_id"))), None))
    return validated(spark, contracts, "transactions", LINE, raws)[0]


@pytest.fixture(scope="module")
def actions(spark, contracts):
    return validated(spark, contracts, "user_actions", ACTION, as_delivered(ACTIONS, ACTION))[0]


def test_a_value_that_cannot_be_computed_is_a_reason(spark, contracts):
    origins = {
        "amount": {"expression": "CAST(p AS DOUBLE) * 2", "reads": ("p",)},
        "user_id": {"expression": "date_add(u, 0)", "reads": ("u",)},
    }
    lines = {"fine": {"p": "2", "u": "2026-01-01"}, "wrong": {"p": "n/a", "u": "x"}, "absent": {}}
    raws = [(name, json.dumps(LINE | more), None) for name, more in lines.items()]
    found = validated(spark, contracts, "transactions", LINE, raws, **origins)[0]
    assert {name: row.reasons for name, row in found.items()} == {
        "fine": [],
        "wrong": [
            "not computed: user_id should follow from u",
            "not computed: amount should follow from p",
        ],
        "absent": ["missing: amount should be present"],
    }
    assert found["fine"].amount == Decimal("4.00")


@pytest.mark.parametrize("case", LINES)
def test_line_has_exactly_its_reasons(lines, case):
    assert lines[case].reasons == LINES[case][1]


@pytest.mark.parametrize("case", ACTIONS)
def test_action_has_exactly_its_reasons(actions, case):
    assert actions[case].reasons == ACTIONS[case][1]


@pytest.mark.parametrize("case", BROKEN)
def test_row_that_cannot_be_read_has_that_reason_alone(lines, case):
    assert lines[case].reasons == [BROKEN[case][2]]
    assert lines[case].raw == BROKEN[case][0]


@pytest.mark.parametrize("name", REQUIRED)
def test_blank_text_is_missing(lines, name):
    assert lines[f"blank {name}"].reasons == [missing(name)]


@pytest.mark.parametrize("name", OPTIONAL)
def test_blank_optional_text_is_null(lines, name):
    assert lines[f"blank {name}"].reasons == []
    # A price that was not delivered is derived from the amount.
    assert lines[f"blank {name}"][name] == (Decimal("1.5") if name == "unit_price" else None)


def test_absent_key_counts_as_null(lines):
    assert lines["keys absent"].reasons == [missing("amount")]


def test_good_row_is_typed(lines):
    good = lines["good"]
    assert good.quantity == Decimal(2)
    assert (good.unit_price, good.discount, good.amount) == (
        Decimal("1.5"),
        Decimal("0.2"),
        Decimal(3),
    )
    assert good.occurred_at == datetime(2026, 3, 10, 12)
    assert good.event_date == DELIVERED_ON
    assert (good.business_date, good.source_line) == (DELIVERED_ON, 1)
    assert good.is_known_product
    assert not lines["unknown product only warns"].is_known_product


def test_columns_that_are_not_mapped_are_null_of_their_type(spark, contracts):
    mapped = [name for name in LINE if name not in UNMAPPED]
    # The shop may well send what it does not map.
    raws = [
        ("good", json.dumps(LINE), None),
        ("no units", json.dumps(LINE | {"quantity": 0}), None),
    ]
    found, schema = validated(spark, contracts, "transactions", mapped, raws)
    assert found["good"].reasons == found["no units"].reasons == []
    assert [found["no units"][name] for name in UNMAPPED] == [None] * 4
    assert found["good"].unit_price == Decimal("1.5")
    contract = contracts["silver.transactions"]
    assert set(contract.column_names) <= set(schema.names)
    for column in contract.columns:
        if column.name in ("user_id", "store_id", "discount"):
            assert schema[column.name].dataType == column.type


def test_version_without_fault_and_with_two(spark, contracts):
    columns = ("product_id", "starts_on", "ends_on", "display_stores", "mailer_stores")
    good = dict(zip(columns, ("p1", "2026-03-11", "2026-03-11", "3", "0"), strict=True))
    raws = [
        ("good", json.dumps(good), None),
        ("bad", json.dumps(good | {"ends_on": "2026-03-10", "mailer_stores": "-1"}), None),
        ("half a store", json.dumps(good | {"mailer_stores": "0.5"}), None),
    ]
    found, _ = validated(spark, contracts, "promotions", columns, raws)
    assert found["good"].reasons == []
    assert found["bad"].reasons == [
        "period_is_possible: a promotion should not end before it starts",
        "stores_are_counted: numbers of stores should be 0 or more",
    ]
    assert found["half a store"].reasons == [wrong("mailer_stores", "int")]
