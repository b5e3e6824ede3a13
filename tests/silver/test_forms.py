"""Forms of rows, cleaned: conditions, opened arrays, nothing by another name, names of files."""

import json
import re
from datetime import date

import pytest
import yaml
from pyspark.sql import functions as F

from conftest import HOME, collected
from lakeshop.config.shop import Entity
from lakeshop.silver.clean import CLEANINGS
from lakeshop.silver.cleaning import REASONS, validate
from lakeshop.silver.counting import (
    ACCEPTED,
    KEPT_EVENT,
    KEPT_ON,
    OUTCOME,
    QUARANTINED,
    counted,
)
from lakeshop.silver.entities import CleaningContext
from lakeshop.silver.quality import IS_LEFT_OUT
from lakeshop.sources.files import RAW_ROW
from lakeshop.sources.json_rows import OPENED

DAY = date(2026, 3, 10)
COLUMNS = {
    "transaction_id": "line",
    "order_id": "receipt",
    "user_id": "customer",
    "product_id": "sku",
    "quantity": "qty",
    "amount": "paid",
    "currency": {"constant": "EUR"},
    "occurred_at": {"constant": "2026-03-10 10:00:00"},
}
LINE = {"line": "t1", "receipt": "r1", "customer": "c1", "sku": "p1", "qty": "1", "paid": "2.50"}


@pytest.fixture
def cleaned(spark, contracts):
    """Cleans objects, or texts, as rows of an entity; `columns` go over those above."""

    def clean(*given, file="transactions/2026-03-10.jsonl", columns=None, name=None, **keys):
        name = name or "transactions"
        entity = Entity.model_validate(
            {
                **{"path": "transactions/{date}.jsonl", "format": "json"},
                **{"columns": (COLUMNS if name == "transactions" else {}) | (columns or {})},
                **keys,
            }
        )
        raws = [row if isinstance(row, str) else json.dumps(row) for row in given]
        rows = [(DAY, file, n, raw, None, None) for n, raw in enumerate(raws, 1)]
        contract = contracts[f"silver.{name}"]
        around = CleaningContext(
            {"silver.products": spark.createDataFrame([], contracts["silver.products"].struct)},
            "UTC",
        )
        frame = spark.createDataFrame(rows, RAW_ROW)
        found = validate(frame, entity, contract, CLEANINGS[name], around)
        is_good = (F.size(REASONS) == 0) & ~F.col(IS_LEFT_OUT)
        outcome = F.when(F.col(IS_LEFT_OUT), "left out").when(is_good, ACCEPTED)
        alone = {name: F.lit(None).cast("date") for name in (KEPT_ON, KEPT_EVENT)}
        found = found.withColumns({OUTCOME: F.coalesce(outcome, F.lit(QUARANTINED)), **alone})
        found.persist()
        return found, counted(contract, entity, found)

    return clean


# -- a condition -----------------------------------------------------------------------------------

WHERE = {"expression": "status <> 'cancelled' AND CAST(level AS INT) < 9"}
WHERE["reads"] = ["status", "level"]


def test_rows_that_do_not_count_are_left_out_and_unknown_ones_rejected(cleaned):
    rows, counts = cleaned(
        LINE | {"status": "paid", "level": 1},
        LINE | {"status": "cancelled", "level": 1},
        LINE | {"status": "cancelled", "level": 1, "paid": "dirt"},
        LINE | {"status": None, "level": 1},
        LINE | {"status": "paid", "level": "n/a"},
        "{broken",
        where=WHERE,
    )
    outcomes = dict(collected(rows, "source_line", OUTCOME))
    assert outcomes == {
        **{1: ACCEPTED, 2: "left out", 3: "left out", 4: QUARANTINED, 5: QUARANTINED},
        **{6: QUARANTINED},
    }
    reasons = dict(rows.select("source_line", REASONS).collect())
    unknown = "not computed: where should be true or false, by status, level"
    assert reasons[4] == reasons[5] == [unknown]
    assert reasons[6] == ["malformed: line should be well-formed json"]
    assert (counts.outcomes["left out"], counts.outcomes[ACCEPTED]) == (2, 1)


def test_returns_of_positive_quantity_are_mapped_as_the_page_says(cleaned):
    said = r"Map it negative: `(quantity: .*?)`;"
    [mapped] = re.findall(said, (HOME / "docs" / "your-shop.md").read_text())
    rows, _ = cleaned(LINE | {"paid": "-2.50"}, LINE, columns=yaml.safe_load(mapped))
    assert collected(rows, OUTCOME, "quantity") == [(ACCEPTED, -1), (ACCEPTED, 1)]


def test_a_delivery_that_is_left_out_as_a_whole_is_told_of(cleaned):
    _, counts = cleaned(*[LINE | {"status": "cancelled", "level": n} for n in (1, 2)], where=WHERE)
    assert any(warning.startswith("all 2 rows are left out") for warning in counts.warnings)


# -- arrays ----------------------------------------------------------------------------------------

ITEMS = {
    "transaction_id": {"expression": "concat(id, '-', `items.#`)", "reads": ["id", "items.#"]},
    **{"order_id": "id", "user_id": "customer.id", "product_id": "items.product.sku"},
    **{"quantity": "items.qty", "amount": "items.price"},
}
ORDER = {"id": "o1", "customer": {"id": "c1", "name": "Ann"}}


def item(sku, **more):
    return {"product": {"sku": sku, "tags": ["a"]}, "qty": 1, "price": "2.50", **more}


@pytest.mark.parametrize("lines", ["items", "order.items"])
def test_lines_of_orders_are_rows(cleaned, lines):
    start = lines.removesuffix("items")
    columns = json.loads(json.dumps(ITEMS).replace("items", lines))

    def order(items, **more):
        within = {"order": {"items": items}} if start else {"items": items}
        return ORDER | within | more

    rows, counts = cleaned(
        order([item("p1"), item("p2", price="dirt")]),
        order(item("p3")),  # what was XML has no array of one
        order([]),
        order(None),
        order([item("p4"), "text", None]),
        order("text"),
        columns=columns,
        lines=lines,
    )
    found = collected(rows, "source_line", "source_item", "product_id", "transaction_id", OUTCOME)
    assert found == [
        (1, 1, "p1", "o1-1", ACCEPTED),
        (1, 2, "p2", "o1-2", QUARANTINED),
        (2, 1, "p3", "o1-1", ACCEPTED),
        (3, None, None, None, "left out"),
        (4, None, None, None, "left out"),
        (5, 1, "p4", "o1-1", ACCEPTED),
        (5, 2, None, "o1-2", QUARANTINED),
        (5, 3, None, "o1-3", QUARANTINED),
        (6, 1, None, "o1-1", QUARANTINED),
    ]
    assert {row["user_id"] for row in rows.where("product_id IS NOT NULL").collect()} == {"c1"}
    assert (counts.rows, counts.opened) == (9, 3)
    assert counts.warnings[-1] == f"lines: 2 rows have nothing in {lines}; they are left out"
    assert all(not drift.new and not drift.missing for drift in counts.drifts)
    assert rows.agg(F.sum(OPENED)).first()[0] == 3


def test_fields_of_elements_drift_as_columns_do(cleaned):
    columns = ITEMS | {"store_id": "shop"}
    _, counts = cleaned(
        ORDER | {"items": [item("p1", colour="red")], "paid": True}, lines="items", columns=columns
    )
    [drift] = counts.drifts
    assert drift.new == ("paid", "items.colour")
    assert drift.missing == ()
    _, counts = cleaned(ORDER, lines="items", columns=columns)
    [drift] = counts.drifts
    assert drift.missing == ("items.price", "items.product.sku", "items.qty")


def test_an_array_that_is_not_opened_is_told_of(cleaned):
    first = {"expression": "get_json_object(items, '$[0].product.sku')", "reads": ["items"]}
    line = LINE | {"items": [item("p1"), item("p2")], "store": {"id": 7}}
    _, counts = cleaned(
        line,
        LINE | {"items": [item("p1")], "store": "s1"},
        columns={"product_id": first, "store_id": "store"},
    )
    told = [warning for warning in counts.warnings if "is not read" in warning]
    assert [warning.partition(" hold")[0] for warning in told] == ["items: 1 rows", "store: 1 rows"]
    assert "set `lines: items`" in told[0]


# -- nothing by another name -----------------------------------------------------------------------


def test_nothing_by_another_name(cleaned):
    names = ["NULL", "\\N", " None ", "nan", "NaN", "<NA>", "0", None]
    rows, _ = cleaned(*[LINE | {"customer": name} for name in names])
    assert {(row["user_id"], row[OUTCOME]) for row in rows.collect()} == {(None, ACCEPTED)}
    rows, _ = cleaned(LINE | {"customer": "NULL"}, LINE | {"customer": "-"}, null_values=["-"])
    assert collected(rows, "user_id") == [("NULL",), (None,)]
    rows, _ = cleaned(LINE | {"customer": "nan"}, null_values=[])
    assert collected(rows, "user_id") == [("nan",)]
    rows, _ = cleaned(LINE | {"qty": "NULL"})
    assert collected(rows, REASONS) == [(["missing: quantity should be present"],)]


def test_zeros_that_are_none(cleaned):
    stock = {name: name for name in ("product_id", "on_hand", "pack_size", "shelf_life_days")}
    rows, _ = cleaned(
        {"product_id": "0", "on_hand": 0, "pack_size": "0.0", "shelf_life_days": 0},
        {"product_id": "1", "on_hand": "3", "pack_size": 6.0, "shelf_life_days": "2.5"},
        name="stock",
        columns=stock | {"occurred_at": COLUMNS["occurred_at"]},
    )
    found = collected(rows, "product_id", "on_hand", "pack_size", "shelf_life_days", REASONS)
    assert [row[2:] for row in found] == [
        (None, None, []),
        (6, None, ["wrong type: shelf_life_days should be int"]),
    ]
    products = {"product_id": "sku", "name": "sku", "discontinued_on": "until"}
    rows, _ = cleaned({"sku": "p1", "until": "0000-00-00"}, name="products", columns=products)
    assert collected(rows, "discontinued_on", REASONS) == [(None, [])]


# -- names of files --------------------------------------------------------------------------------


def test_columns_from_the_names_of_files(cleaned):
    till = {"expression": "concat(store, '/', till, '-', line)", "reads": ["store", "till", "line"]}
    rows, counts = cleaned(
        LINE,
        path="{store}/{date:yyyyMMdd}_{till}.jsonl",
        file="s 7/20260310_t2.jsonl",
        columns={"store_id": "store", "transaction_id": till},
    )
    assert collected(rows, "store_id", "transaction_id", REASONS) == [("s 7", "s 7/t2-t1", [])]
    assert counts.drifts == []


def test_numbers_that_went_through_a_float_are_whole_again(cleaned):
    rows, counts = cleaned(
        LINE | {"customer": 12.0, "sku": 123456789012.0, "qty": 3.0},
        LINE | {"customer": "12.0", "sku": "1.0", "qty": "3.000"},
        LINE | {"customer": 12.5, "sku": 7, "qty": 2.5},
        columns={"unit_price": {"constant": "0"}},
    )
    found = collected(rows, "source_line", "user_id", "product_id", "quantity", "unit_price")
    assert [tuple(map(str, row)) for row in found] == [
        ("1", "12", "123456789012", "3.000", "0.8333"),
        ("2", "12.0", "1.0", "3.000", "0.8333"),
        ("3", "12.5", "7", "2.500", "1.0000"),
    ]
    assert sum("went through a float" in warning for warning in counts.warnings) == 2


# -- what may mean something else ------------------------------------------------------------------


def test_points_that_may_be_for_thousands_are_told_of(cleaned):
    """Where no value has decimals: 980 and 1.250 are of one shop, 1.659 a price of fuel."""
    said = "amount: 2 values such as 1.250 are read with a decimal point, all others are whole"
    paid = ["1.250", "2.400", "980", "0"]
    _, counts = cleaned(*[LINE | {"paid": text} for text in paid])
    assert sum(warning.startswith(said) for warning in counts.warnings) == 1
    for other in ("2.50", "5", "0.980"):
        _, counts = cleaned(*[LINE | {"paid": text} for text in [*paid, other]])
        assert "decimal point" not in str(counts.warnings)
    _, counts = cleaned(LINE | {"paid": "1.250"})
    assert "decimal point" not in str(counts.warnings)


def test_ids_and_amounts_that_look_wrong_are_told_of(cleaned):
    _, counts = cleaned(
        LINE | {"customer": "12.0", "sku": "1.23457E+11"},
        LINE | {"customer": "13.0", "sku": "p7"},
        LINE | {"paid": "12,50"},
        LINE | {"paid": "1.234"},
    )
    told = [w for w in counts.warnings if not w.startswith("product_is_known")]
    assert told == [
        "user_id: 2 ids look like whole numbers that went through a float; deliver them as texts, "
        "or cut the end off by an expression",
        "product_id: 1 ids look like numbers that a spreadsheet has cut, such as 1.23457E+11; "
        "deliver them as texts",
        "amount: 1 values have a comma, such as 12,50, and are rejected; if it is the decimal "
        "separator, map amount by an expression that replaces it",
        "amount: 1 values such as 1.234 are read with a decimal point, others have a decimal "
        "comma; they may be a thousand times as much",
    ]
    _, counts = cleaned(LINE | {"paid": "1.234"}, LINE | {"sku": "12E5"})
    assert all(w.startswith("product_is_known") for w in counts.warnings)
