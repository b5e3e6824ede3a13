"""Reasons of an alert, in sentences with the line's own numbers."""

import math
import re

import pytest

from lakeshop.fraud.features import FEATURES, INPUTS
from lakeshop.fraud.reasons import reasons

FAMILIES = tuple(FEATURES.families)

LINE = {
    "line_amount": 84.10,
    "user_mean_amount": 13.55,
    "amount_to_user_mean": 84.10 / 13.55,
    "unit_price": 42.05,
    "quantity": 2.0,
    "quantity_to_user_mean": 1.8,
    "price_to_product_mean": 0.55,
    "discount_share": 0.45,
    "has_coupon": 1.0,
    "order_coupons": 3.0,
    "payment_coupons_7": 4.0,
    "hour": 3.5,
    "is_night": 1.0,
    "is_weekend": 0.0,
    "order_lines": 3.0,
    "order_units": 1.0,
    "order_amount": 99.0,
    "hours_since_user": 0.25,
    "user_count_1": 2.0,
    "user_count_30": 7.0,
    "user_count": 21.0,
    "user_frauds": 1.0,
    "store_count_30": 812.0,
    "store_frauds_7": 0.0,
    "store_frauds_30": 2.0,
    "is_first_store": 1.0,
    "product_count_30": 15.0,
    "product_frauds_30": 0.0,
    "is_first_product": 1.0,
    "payment_users": 3.0,
    "payment_frauds": 1.0,
    "payment_count_7": 2.0,
    "device_users": 0.0,
    "is_first_device": 1.0,
}
SENTENCES = {
    "amount": "amount 84.10 is 6.2 times this customer's usual 13.55",
    "quantity": "quantity 2 is 1.8 times what this customer usually buys",
    "price": "the price 42.05 is 0.55 times the product's usual one",
    "coupon": "4 earlier lines with a coupon on this card in 7 days",
    "time": "bought at 3:30, at night",
    "order": "an order of 3 lines and 1 unit for 99.00",
    "pace": "0.2 hours after this customer's last purchase, of 2 lines within a day",
    "history": "1 known fraud of this customer in 90 days",
    "store": "2 frauds at this store became known in the last 30 days, in which it had 812 lines",
    "product": "first purchase of this product in 90 days",
    "payment": "the card was used by 3 other customers in 90 days, with 1 known fraud",
    "device": "first purchase with this device in 90 days",
}


def sentence(family, **changes):
    found = reasons({**LINE, **changes}, {family: 1.0})
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("family", SENTENCES)
def test_a_sentence_has_the_lines_own_numbers(family):
    assert sentence(family) == SENTENCES[family]


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        (
            "amount",
            {"amount_to_user_mean": 0.5},
            "amount 84.10 against this customer's usual 13.55",
        ),
        (
            "amount",
            {"amount_to_user_mean": None, "user_mean_amount": None},
            "amount 84.10, by a customer without earlier lines to compare it with",
        ),
        ("quantity", {"quantity_to_user_mean": math.nan}, "quantity is 2"),
        ("coupon", {"payment_coupons_7": 0.0}, "a discount of 45 percent with a coupon"),
        ("coupon", {"payment_coupons_7": None, "device_coupons_7": 1.0}, "1 earlier line with"),
        (
            "coupon",
            {"payment_coupons_7": 0.0, "discount_share": 0.0},
            "3 lines with a coupon in this order",
        ),
        ("time", {"hour": 23.999, "is_night": 0.0, "is_weekend": 1.0}, "bought at 23:59, at a w"),
        ("pace", {"hours_since_user": 300.0}, "7 earlier lines by this customer in 30 days, 21 in"),
        ("store", {"store_frauds_7": 1.0}, "1 fraud at this store became known in the last 7 days"),
        ("store", {"store_frauds_30": 0.0}, "first purchase at this store in 90 days"),
        ("store", {"store_frauds_30": 0.0, "is_first_store": 0.0}, "812 lines at this store in 30"),
        ("payment", {"payment_users": 0.0}, "2 earlier lines with this card in 7 days"),
        ("device", {"device_users": 1.0}, "the device was used by 1 other customer in 90 days"),
    ],
)
def test_the_first_sentence_that_holds_is_the_reason(family, changes, expected):
    assert sentence(family, **changes).startswith(expected)


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_missing_values_give_no_reason(missing):
    assert reasons(dict.fromkeys(LINE, missing), dict.fromkeys(FAMILIES, 1.0), k=20) == []
    assert reasons({}, dict.fromkeys(FAMILIES, 1.0), k=20) == []


@pytest.mark.parametrize("gone", LINE)
def test_any_one_value_may_be_missing(gone):
    found = reasons({**LINE, gone: None}, dict.fromkeys(FAMILIES, 1.0), k=20)
    assert len(found) >= len(FAMILIES) - 1
    assert not [text for text in found if "None" in text or "nan" in text]


def test_the_largest_contributions_come_first_and_negative_ones_not_at_all():
    given = {"store": 0.2, "amount": 3.0, "time": -5.0, "device": 0.16, "order": 0.4, "price": 0.0}
    assert reasons(LINE, given) == [SENTENCES["amount"], SENTENCES["order"], SENTENCES["store"]]
    assert reasons(LINE, given, k=1) == [SENTENCES["amount"]]
    assert len(reasons(LINE, given, k=9)) == 4
    assert reasons(LINE, {}) == []
    assert SENTENCES["device"] not in reasons(LINE, {**given, "device": 0.1}, k=9), "hardly counted"


def test_equal_contributions_go_by_name_and_unknown_ones_count_as_none():
    given = {"time": 1.0, "amount": 1.0, "store": math.nan}
    assert reasons(LINE, given) == reasons(LINE, dict(reversed(given.items())))
    assert reasons(LINE, given) == [SENTENCES["amount"], SENTENCES["time"]]


def test_a_family_of_which_nothing_is_known_makes_room_for_the_next():
    values = {**LINE, "hour": None}
    assert reasons(values, {"time": 2.0, "amount": 1.0}, k=1) == [SENTENCES["amount"]]


def test_an_input_without_declaration_is_its_own_family():
    assert FEATURES.family_of("terminal_age") == "terminal_age"
    assert reasons({"terminal_age": 3.25}, {"terminal_age": 1.0}) == ["terminal age is 3.25"]


def test_every_family_has_a_sentence():
    for family, features in FEATURES.families.items():
        assert any(feature.sentence for feature in features), family
    assert set(SENTENCES) == set(FAMILIES)


def test_players_hold_every_input_once():
    names, players = FEATURES.players_of(["hour", "line_amount", "is_night", "new", "amount_z"])
    assert names == ("time", "amount", "new")
    assert players == ((0, 2), (1, 4), (3,))
    places = [place for player in FEATURES.players_of(INPUTS)[1] for place in player]
    assert sorted(places) == list(range(len(INPUTS)))


def test_sentences_read_inputs_alone():
    """A misspelt column would silently never be a reason."""
    read = set()

    class Recorder(dict):
        def get(self, key, default=None):
            read.add(key)
            return super().get(key, default)

    for changes in ({}, dict.fromkeys(LINE, 0.0), {"user_mean_amount": None}):
        for family in FAMILIES:
            reasons(Recorder({**LINE, **changes}), {family: 1.0})
    assert read - set(INPUTS) <= set(FAMILIES)
    assert all(re.fullmatch(r"[a-z_0-9]+", column) for column in INPUTS)
