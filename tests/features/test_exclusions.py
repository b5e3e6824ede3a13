"""Products that are no goods: which rows are left out, and which names are proposed."""

import pandas as pd
import pytest
from pydantic import ValidationError

from lakeshop.config.shop import ExcludedProducts
from lakeshop.features.exclusions import named_in, without_excluded
from lakeshop.features.proposals import proposed_exclusions

CATALOGUE = {
    "p1": ("Carrier BAG large", "EXTRAS", "BAGS"),
    "p2": ("Baguette", "FOOD", "BREAD"),
    "p3": ("Versandkosten Inland", None, None),
    "p4": ("Tüte (groß)", "EXTRAS", None),
    "p5": ("Gift-card 50", "Vouchers", "CARDS"),
    "p6": ("Milk", "FOOD", "DAIRY"),
}
CASES = {
    "ids, known to the catalogue or not": ({"ids": ["p6", "gone"]}, {"p6", "gone"}),
    "a category, whatever its case": ({"categories": ["bags", "vouchers"]}, {"p1", "p5"}),
    "a whole word": ({"patterns": ["bag"]}, {"p1"}),
    "any text": ({"patterns": ["bag*"]}, {"p1", "p2"}),
    "the end of a word": ({"patterns": ["*KOSTEN"]}, {"p3"}),
    "several words": ({"patterns": ["gift-card"]}, {"p5"}),
    "letters beyond ASCII": ({"patterns": ["TÜTE"]}, {"p4"}),
    "what looks like an expression": ({"patterns": ["(groß)", "M.lk"]}, {"p4"}),
    "all at once": ({"ids": ["p6"], "categories": ["bread"], "patterns": ["x"]}, {"p6", "p2"}),
    "nothing named": ({}, set()),
}


@pytest.mark.parametrize("case", CASES)
def test_named_products_are_left_out(spark, rows, case):
    named, expected = CASES[case]
    catalogue = rows(
        "silver.products",
        *[
            {"product_id": i, "name": name, "department": department, "category": category}
            for i, (name, department, category) in CATALOGUE.items()
        ],
    )
    lines = spark.createDataFrame([(i,) for i in (*CATALOGUE, "gone")], "product_id STRING")
    kept = without_excluded(lines, catalogue, ExcludedProducts(**named))
    assert {row["product_id"] for row in kept.collect()} == {*CATALOGUE, "gone"} - expected


@pytest.mark.parametrize("case", CASES)
def test_pandas_finds_the_same(case):
    named, expected = CASES[case]
    rows = [(i, *values) for i, values in CATALOGUE.items()]
    catalogue = pd.DataFrame(rows, columns=["product_id", "name", "department", "category"])
    found = catalogue["product_id"][named_in(catalogue, ExcludedProducts(**named))]
    assert set(found) == expected - {"gone"}


def test_pandas_takes_a_catalogue_without_categories_or_rows():
    catalogue = pd.DataFrame({"product_id": ["p1"], "name": ["Milk"]})
    catalogue["department"] = catalogue["category"] = float("nan")
    named = ExcludedProducts(categories=["nan"], patterns=["milk"])
    assert named_in(catalogue, named).tolist() == [True]
    assert named_in(catalogue[:0], named).tolist() == []


def test_nothing_configured_adds_nothing_to_a_plan(spark, rows):
    lines = spark.createDataFrame([("p1",)], "product_id STRING")
    assert without_excluded(lines, rows("silver.products"), None) is lines


@pytest.mark.parametrize("pattern", ["", " ", "*", "* *"])
def test_a_pattern_of_everything_is_refused(pattern):
    with pytest.raises(ValidationError):
        ExcludedProducts(patterns=[pattern])


NO_GOODS = (
    "POSTAGE", "DOTCOM POSTAGE", "Versandkosten DE", "Versand", "Frais de port", "Bottle deposit",
    "Pfand 0,25", "Einwegpfand", "Carrier bag", "BAG", "Bags 2", "Tüte groß", "Papiertüte",
    "Gift Card 50 EUR", "Geschenkgutschein", "Wertgutschein 20", "Miscellaneous", "misc.",
    "Sonstiges", "Manual", "Bank Charges", "AMAZON FEE", "Bearbeitungsgebühr", "Trinkgeld",
    "Verzendkosten", "Tarjeta regalo", "SHIPPING", "Porto",
)  # fmt: skip
GOODS = (
    "Baguette", "JUMBO BAG RED RETROSPOT", "Sleeping bag", "Porto Tawny 0.75 l", "Milk 1 l",
    "Handbag", "Diverse Kekse", "Test cricket bat", "User manual holder", "Deposito shelf", "50",
    "", "Delivery Van Toy", "Kugelschreiber",
)  # fmt: skip


def test_what_is_no_good_is_proposed_and_goods_are_not():
    names = pd.Series([*GOODS, *NO_GOODS, *NO_GOODS, None, float("nan"), 5])
    assert proposed_exclusions(names) == sorted(NO_GOODS)
    assert proposed_exclusions([]) == []
