"""Declarations of features: the contract, and one new feature that all others follow."""

from dataclasses import replace

import numpy as np
import pytest

from lakeshop.features.windows import IS_HISTORY, IS_TARGET, NULL, with_ranks
from lakeshop.fraud.declarations import Feature, Sentence, counting
from lakeshop.fraud.entities import carried_after
from lakeshop.fraud.features import FEATURES, INPUTS, RAW
from lakeshop.fraud.reasons import reasons
from lakeshop.fraud.terms import Frauds, Lines, Prior, Total

PRIOR = Prior(50, 0.005)
TOY = Feature(
    "store_units_7",
    "toys",
    (Total("units", 7),),
    lambda units: units / 1000,
    Sentence(counting("unit", "sold at this store in 7 days"), above=0),
)
WITH_TOY = replace(
    FEATURES, histories={**FEATURES.histories, "store": (*FEATURES.histories["store"], TOY)}
)


def rows_of(n=3, **columns):
    """Rows of one user a day apart, all of them targets."""
    names = ("user", "store", "product", "payment", "device", "order", "known", "until", *RAW)
    rows = {name: np.ones(n, np.int64) for name in names}
    day = np.arange(n, dtype=np.int64)
    rows |= {"time": day * 86_400_000_000, "delivered": day, "until": np.full(n, NULL)}
    return with_ranks(rows | {"flags": np.full(n, IS_HISTORY | IS_TARGET)} | columns)


def test_each_number_of_the_contract_has_one_declaration(contracts):
    columns = contracts["features.transactions"].columns
    numbers = [column.name for column in columns if column.type.simpleString() == "double"]
    assert [feature.name for feature in FEATURES] == numbers
    assert list(INPUTS) == numbers


@pytest.mark.parametrize("history", FEATURES.histories)
def test_a_history_gives_a_value_of_each_target(history):
    rows = rows_of(flags=np.array([IS_HISTORY, IS_HISTORY | IS_TARGET, IS_TARGET]))
    found = FEATURES.columns(history, rows, PRIOR)
    assert len(found) == len(FEATURES.names(history))
    assert {values.shape for values in found} == {(2,)}


@pytest.mark.parametrize("history", FEATURES.histories)
def test_rows_without_targets_have_no_values(history):
    found = FEATURES.columns(history, rows_of(flags=np.full(3, IS_HISTORY)), PRIOR)
    assert {values.shape for values in found} == {(0,)}


@pytest.mark.parametrize("history", ["user", "store", "product", "payment", "device"])
def test_a_row_without_the_entity_has_no_values(history):
    found = FEATURES.columns(history, rows_of(**{history: np.full(3, NULL)}), PRIOR)
    assert all(np.isnan(values).all() for values in found)


def test_a_new_declaration_is_an_input_a_player_and_a_reason():
    assert "store_units_7" in WITH_TOY.inputs
    assert WITH_TOY.inputs.index("store_units_7") == 1 + INPUTS.index(FEATURES.names("store")[-1])
    assert WITH_TOY.family_of("store_units_7") == "toys"
    names, players = WITH_TOY.players_of(WITH_TOY.inputs)
    assert players[names.index("toys")] == (WITH_TOY.inputs.index("store_units_7"),)
    values = {"store_units_7": 12.0}
    assert reasons(values, {"toys": 1.0}, features=WITH_TOY) == [
        "12 units sold at this store in 7 days"
    ]
    assert reasons({"store_units_7": 0.0}, {"toys": 1.0}, features=WITH_TOY) == []


def test_a_new_declaration_is_computed_from_its_terms():
    rows = rows_of(units=np.array([1000, 2500, NULL]))
    found = WITH_TOY.columns("store", rows, PRIOR)
    assert found[-1].tolist() == [0.0, 1.0, 3.5]
    before = FEATURES.columns("store", rows, PRIOR)
    for values, known in zip(found[:-1], before, strict=True):
        np.testing.assert_array_equal(values, known)


def test_a_raw_column_is_carried_to_the_last_pass_that_reads_it(monkeypatch):
    columns = ["key", "user", "store", "product", "time", "order", "units", "price", "flags"]
    assert carried_after("user", columns) == [
        "key", "user", "store", "product", "time", "price", "flags"
    ]  # fmt: skip
    assert carried_after("product", columns) == ["key", "user", "time", "flags"]
    monkeypatch.setattr("lakeshop.fraud.entities.FEATURES", WITH_TOY)
    assert "units" in carried_after("user", columns)
    assert "units" not in carried_after("store", columns)


def test_a_name_is_declared_once():
    twice = {**FEATURES.histories, "store": (TOY, replace(TOY, family="store"))}
    with pytest.raises(ValueError, match=r"declared once. Received \['store_units_7'\] twice"):
        replace(FEATURES, histories=twice)


def test_an_order_has_no_history():
    of_order = {"order": (Feature("order_frauds", "order", (Lines(), Frauds())),)}
    with pytest.raises(TypeError, match="terms Value, Lines and Total"):
        replace(FEATURES, histories=of_order).columns("order", rows_of(), PRIOR)
