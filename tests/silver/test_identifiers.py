"""Ids of several columns, and ids that are generated from what a row holds."""

import random
from datetime import date

import pytest
from pydantic import ValidationError

from lakeshop.config.shop import ColumnMapping, Entity, Shop
from lakeshop.errors import ConfigError
from lakeshop.silver.identifiers import with_generated_ids
from lakeshop.silver.pseudonyms import pseudonymiser
from lakeshop.sources.files import RAW_ROW
from lakeshop.sources.mapping import TEXT, assert_mapped, source_columns, with_text

DAY, NEXT = date(2026, 3, 10), date(2026, 3, 11)
PLACE = {"path": "sales/{date}.csv", "format": "csv"}
HEADER = "receipt,line,user"


def entity(**columns):
    return Entity(**PLACE, columns=columns)


def delivered(spark, *lines):
    """Raw rows from (day, file, text), numbered."""
    rows = [(day, f, n, text, HEADER, None) for n, (day, f, text) in enumerate(lines, 2)]
    return spark.createDataFrame(rows, RAW_ROW)


def test_an_id_of_several_columns_is_unambiguous(spark):
    origin = ColumnMapping(columns=("receipt", "line", "{date}"))
    rows = delivered(
        spark,
        *[(DAY, "a", "r1,2,u"), (NEXT, "b", "r1,2,u"), (DAY, "a", "r1|2,3,u")],
        *[(DAY, "a", "r1,2|3,u"), (DAY, "a", "r\\,1,u"), (DAY, "a", "r,,u")],
    )
    found = with_text(rows, entity(transaction_id=origin)).orderBy("source_line").collect()
    assert [row[TEXT]["transaction_id"] for row in found] == [
        "r1|2|2026-03-10",
        "r1|2|2026-03-11",
        r"r1\|2|3|2026-03-10",
        r"r1|2\|3|2026-03-10",
        r"r\\|1|2026-03-10",
        None,
    ]
    assert source_columns([origin]) == ["line", "receipt"]


def generated(spark, *lines):
    """Ids by file and text, in order."""
    by_line = entity(
        transaction_id={"generated": True}, order_id="receipt", user_id="user", quantity="line"
    )
    rows = with_text(delivered(spark, *lines), by_line)
    found = with_generated_ids(rows, by_line, pseudonymiser(spark, b"k" * 32))
    ids = [(row["source_file"], row["raw"], row[TEXT]["transaction_id"]) for row in found.collect()]
    return sorted(ids)


def test_generated_ids_follow_from_content_and_number_in_the_day(spark):
    lines = [
        *[(DAY, "a", "r1,2,ann"), (DAY, "a", "r1,2,ann"), (DAY, "b", "r1,2,ann")],
        *[(DAY, "b", "r1,2,bob"), (NEXT, "c", "r1,2,ann"), (DAY, "b", "r1,,2")],
    ]
    found = generated(spark, *lines)
    heads = {i.rpartition("-")[0] for _, _, i in found}
    assert len({i for _, _, i in found}) == 5, "the line of the next day is known again"
    assert len(heads) == 3
    numbers = sorted(int(i.rpartition("-")[2]) for _, raw, i in found if raw == "r1,2,ann")
    assert numbers == [1, 1, 2, 3]
    assert not any("ann" in i or "bob" in i for _, _, i in found)
    shuffled = random.Random(1).sample(lines, len(lines))
    ids = sorted(i for _, _, i in generated(spark, *shuffled))
    assert ids == sorted(i for _, _, i in found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": ["receipt"]},
        {"columns": ["receipt", "line"], "column": "line"},
        {"generated": False},
        {"generated": True, "constant": "x"},
        {},
    ],
)
def test_exactly_one_origin(wrong):
    with pytest.raises(ValidationError):
        ColumnMapping.model_validate(wrong)


@pytest.mark.parametrize(
    ("table", "column"),
    [("transactions", "order_id"), ("products", "product_id"), ("stock", "product_id")],
)
def test_only_ids_of_events_are_generated(contracts, table, column):
    contract = contracts[f"silver.{table}"]
    columns = {c.name: ColumnMapping(constant="1") for c in contract.columns if c.required}
    columns.pop("business_date")
    mapped = entity(**{**columns, column: ColumnMapping(generated=True)})
    with pytest.raises(ConfigError, match="generate the ids of events alone"):
        assert_mapped(table, mapped, contract, {c.name for c in contract.columns})


def test_rows_without_measures_are_not_summed():
    products = entity(product_id="sku").model_copy(update={"on_conflict": "sum"})
    with pytest.raises(ValidationError, match="on_conflict: sum of transactions"):
        Shop(name="s", zone="UTC", landing="l", entities={"products": products})
