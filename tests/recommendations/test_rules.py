"""Rules of the shop: what settings refuse, and which products rules are of."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from conftest import HOME
from lakeshop.recommendations.lists import AGAIN, NEW, Scored, picked_lists
from lakeshop.recommendations.rules import groups_of, rules_of
from lakeshop.recommendations.settings import RecommendationSettings

BASE = yaml.safe_load((HOME / "conf" / "base.yaml").read_text(encoding="utf-8"))["recommendations"]
CATALOGUE = pd.DataFrame(
    [
        ("p0", "Gouda", "FOOD", "CHEESE", "A"),
        ("p1", "Cigars", "EXTRAS", "TOBACCO", None),
        ("p2", "Egg liqueur", "FOOD", "DRINKS", "A"),
        ("p3", "Spade", "GARDEN", "TOOLS", "B"),
        ("p4", "Rake", "GARDEN", "TOOLS", "B"),
        ("p5", "Brie", "FOOD", "CHEESE", "C"),
    ],
    columns=["product_id", "name", "department", "category", "brand"],
).assign(is_offered=True)
STOCK = pd.DataFrame({"product_id": ["p3", "p4", "gone"], "units": [101, 100, 900]})


def settings_of(**keys: object) -> RecommendationSettings:
    return RecommendationSettings.model_validate({**BASE, "variety": {}, **keys})


def compiled(**rules: object):
    return rules_of(settings_of(rules=rules), CATALOGUE, STOCK)


def test_nothing_stated_changes_nothing() -> None:
    rules = rules_of(settings_of(), CATALOGUE)
    assert (rules.names, rules.unmatched, rules.caps, rules.explored_share) == ((), (), (), 0.0)
    assert not rules.never.any()
    assert not rules.boost.any()
    assert rules.boosted_by.tolist() == [-1] * 6
    assert rules.always.place.size == 0
    stated = settings_of().model_dump_json()
    assert "rules" not in stated  # the digest of a lake of before stays
    assert "explore" not in stated
    assert "variety" not in stated


def test_variety_follows_what_the_shop_says() -> None:
    stated = {"rules": {"at_most": {"brand": 2}}, "variety": {"category": 4, "department": 9}}
    rules = rules_of(settings_of(**stated), CATALOGUE)
    assert [(cap.most, rules.names[cap.rule], cap.is_soft) for cap in rules.caps] == [
        (2, "at most 2 per brand", False),
        (4, "variety, 4 per category", True),
        (9, "variety, 9 per department", True),
    ]
    with pytest.raises(ValidationError, match=r"variety\.category"):
        settings_of(variety={"category": 0})


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"boost": [{"categories": ["beer"], "odds": 0}]}, "boost.0.odds"),
        ({"boost": [{"categories": ["beer"], "odds": math.inf}]}, "boost.0.odds"),
        ({"boost": [{"categories": ["beer"], "odds": math.nan}]}, "boost.0.odds"),
        ({"boost": [{"categories": ["beer"]}]}, "boost.0.odds"),
        ({"boost": [{"odds": 2}]}, "should say which products it boosts, received none"),
        ({"boost": [{"margin_above": 0.3, "odds": 2}]}, "no margin_above.*received 0.3; name"),
        ({"boost": [{"patterns": ["*"], "odds": 2}]}, "boost.0.patterns.0"),
        ({"never": {"patterns": [" "]}}, "never.patterns.0"),
        ({"never": {"ids": ["p1"]}}, "never.ids"),
        ({"at_most": {"category": 0}}, "at_most.category"),
        ({"at_most": {"colour": 3}}, "at_most.colour"),
        ({"always": [{"product": "p1", "list": "new", "place": 0}]}, "always.0.place"),
        ({"always": [{"product": "p1", "list": "both", "place": 1}]}, "always.0.list"),
        (
            {"always": [{"product": "p1", "list": "new", "place": 21}]},
            "rules.always from 1 to list_length, 20, received 21",
        ),
        (
            {"always": [{"product": f"p{i}", "list": "new", "place": 3} for i in (1, 2)]},
            "name each place of a list once under always, received twice: 3 of new",
        ),
        (
            {"always": [{"product": "p1", "list": "new", "place": i} for i in (1, 2)]},
            "name each product of a list once under always, received twice: p1 of new",
        ),
        (
            {
                "always": [{"product": "p1", "list": "new", "place": 1}],
                "never": {"products": ["p1"]},
            },
            "under always or never, received both: p1",
        ),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rules: object, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        settings_of(rules=rules)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ValidationError, match=r"explore\.share"):
        settings_of(explore={"share": share})


def test_one_place_of_each_list_may_be_the_same_product_and_number() -> None:
    places = [{"product": "p1", "list": listed, "place": 1} for listed in ("new", "again")]
    always = compiled(always=places).always
    assert (always.list.tolist(), always.rule.tolist()) == ([AGAIN, NEW], [1, 0])


def test_never_is_by_id_category_department_and_word() -> None:
    never = {"products": ["p5", "gone"], "categories": ["tobacco", "Garden"], "patterns": ["GOUD*"]}
    rules = compiled(never=never)
    assert rules.never.tolist() == [True, True, False, True, True, True]
    assert rules.unmatched == ()


def test_factors_multiply_and_the_strongest_is_named() -> None:
    rules = compiled(
        boost=[
            {"categories": ["cheese"], "odds": 2},
            {"products": ["p0"], "patterns": ["spade"], "odds": 0.25},
            {"departments": ["Food"], "odds": 1},
        ]
    )
    expected = [math.log(0.5), 0, 0, math.log(0.25), 0, math.log(2)]
    assert rules.boost.tolist() == pytest.approx(expected)
    assert rules.boosted_by.tolist() == [1, -1, -1, 1, -1, 0]
    assert rules.names == ("boost cheese", "boost p0, spade", "boost Food")


def test_a_department_alone_is_no_category() -> None:
    catalogue = CATALOGUE.assign(category=["GARDEN", *CATALOGUE["category"][1:]])
    boosts = [{"departments": ["garden"], "odds": 2}, {"categories": ["garden"], "odds": 3}]
    of = [rules_of(settings_of(rules={"boost": [boost]}), catalogue).boost > 0 for boost in boosts]
    assert [np.flatnonzero(mask).tolist() for mask in of] == [[3, 4], [0, 3, 4]]


def test_stock_narrows_what_is_named_or_all() -> None:
    rules = compiled(
        boost=[
            {"stock_above": 99.5, "odds": 2},
            {"departments": ["garden"], "stock_above": 100, "odds": 3},
            {"products": ["p0", "p1", "p2", "p3", "p4"], "stock_above": 0, "odds": 1},
        ]
    )
    assert np.exp(rules.boost).tolist() == pytest.approx([1, 1, 1, 6, 2, 1])
    assert rules.names == (
        "boost stock above 99.5",
        "boost garden with stock above 100",
        "boost p0, p1, p2 and 2 more with stock above 0",
    )


def test_a_boost_by_stock_needs_it() -> None:
    settings = settings_of(rules={"boost": [{"stock_above": 5, "odds": 2}]})
    with pytest.raises(ValueError, match="in stock for 'boost stock above 5'"):
        rules_of(settings, CATALOGUE)


def test_rules_that_fit_nothing_are_named() -> None:
    rules = compiled(
        never={"products": ["absent"], "categories": ["tobaco", "Tobacco"], "patterns": ["beer"]},
        always=[
            {"product": "gone", "list": "new", "place": 1},
            {"product": "p1", "list": "again", "place": 1},  # of a category that is never shown
            {"product": "p0", "list": "new", "place": 2},
        ],
        boost=[{"patterns": ["cigars"], "odds": 2}, {"patterns": ["gouda"], "odds": 2}],
        at_most={"brand": 2},
    )
    assert rules.unmatched == (
        "never tobaco", "never beer", "always gone", "always p1", "boost cigars",
    )  # fmt: skip
    assert (rules.always.product.tolist(), rules.always.rule.tolist()) == ([0], [2])
    assert [(cap.level, cap.most, rules.names[cap.rule]) for cap in rules.caps] == [
        ("brand", 2, "at most 2 per brand")
    ]


def test_what_is_not_on_offer_has_no_place() -> None:
    sold_out = CATALOGUE.assign(is_offered=CATALOGUE["product_id"] != "p3")
    rules = {"always": [{"product": "p3", "list": "new", "place": 1}]}
    found = rules_of(settings_of(rules=rules), sold_out)
    assert found.unmatched == ("always p3",)
    assert found.never.tolist() == [False, False, False, True, False, False]
    assert found.always.place.size == 0


def test_a_catalogue_may_be_empty_and_lack_all_levels() -> None:
    rules = {"boost": [{"departments": ["food"], "odds": 2}], "at_most": {"category": 1}}
    bare = CATALOGUE.assign(department=None, category=None, brand=None)
    for catalogue in (bare, bare[:0]):
        found = rules_of(settings_of(rules=rules), catalogue)
        assert found.unmatched == ("boost food",)
        assert set(groups_of(catalogue).category.tolist()) <= {-1}


def test_groups_are_those_of_the_rows_of_the_catalogue() -> None:
    groups = groups_of(CATALOGUE)
    assert groups.department.tolist() == [0, 1, 0, 2, 2, 0]
    assert groups.category.tolist() == [0, 1, 2, 3, 3, 0]
    assert groups.brand.tolist() == [0, -1, 0, 1, 1, 2]


def test_the_example_of_the_page_does_as_the_page_says() -> None:
    page = (HOME / "docs" / "your-shop.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"## Rules of the shop\n.*?^```yaml\n(.*?)^```$", page, re.S | re.M)
    catalogue = pd.concat([CATALOGUE, CATALOGUE[4:]], ignore_index=True)
    catalogue.loc[6:, "product_id"] = ["90210", "4711"]
    settings = settings_of(**yaml.safe_load(text)["recommendations"])
    rules = rules_of(settings, catalogue, STOCK)
    assert rules.unmatched == ()
    n = len(catalogue)
    no, log_odds = np.zeros(n, dtype=bool), -np.arange(n) / 100
    scored = Scored(np.zeros(n, dtype=np.int64), np.arange(n), log_odds, no, no)
    picks = picked_lists(scored, groups_of(catalogue), rules, settings.list_length)
    ids = catalogue["product_id"].to_numpy()[picks.place]
    moved = [rules.names[rule] if rule >= 0 else "" for rule in picks.rule]
    assert list(zip(ids, moved, strict=True)) == [
        ("p3", "boost Garden with stock above 100"),
        ("4711", "always 4711"),
        ("p0", "boost Cheese"),
        ("p5", "boost Cheese"),
        ("p4", ""),
    ]
