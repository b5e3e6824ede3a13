"""The lists of a small shop: what is in them, why, and for whom."""

import json
import math
from datetime import date, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from lakeshop.config.shop import Entity, ExcludedProducts
from lakeshop.engine.context import BuildContext
from lakeshop.errors import ModelError
from lakeshop.features.products import products
from lakeshop.features.user_products import user_products
from lakeshop.features.users import users
from lakeshop.recommendations.recommendations import probability, recommendations
from lakeshop.recommendations.settings import ChosenProducts, ShopRules
from lakeshop.recommendations.similar_products import share, similar_products
from lakeshop.training.registry import sha256_of

DAY = date(2026, 3, 31)
ACTIONS = Entity.model_validate(
    {
        "path": "actions/{date}.csv",
        "format": "csv",
        "columns": {
            "action_id": "id", "user_id": "user", "action": "action", "product_id": "product",
            "occurred_at": {"column": "at", "format": "yyyy-MM-dd", "zone": "UTC"},
        },
    }
)  # fmt: skip


def bought(user: str, product: str, *ages: int) -> list[dict[str, object]]:
    return [
        {
            "user_id": user,
            "product_id": product,
            "event_date": DAY - timedelta(days=age),
            "lines": 1,
        }
        for age in ages
    ]


@pytest.fixture(scope="module")
def night(settings):
    return BuildContext(DAY, settings)


@pytest.fixture
def tables(rows, night):
    days = [
        *bought("ann", "milk", 2, 14, 26),  # every 12 days
        *bought("ann", "bread", 5),
        *bought("bob", "milk", 1, 8),
        *bought("bob", "bread", 1),
        *bought("bob", "wine", 1),
        *bought("cem", "ski", 100),  # no longer sold
        {"user_id": "dee", "product_id": "milk", "event_date": DAY, "views": 3, "lines": 0},
    ]
    made = {
        "features.user_product_days": rows("features.user_product_days", *days),
        "silver.products": rows(
            "silver.products",
            {"product_id": "milk", "name": "Milk 1 l", "department": "DAIRY"},
            {"product_id": "bread", "name": "Rye bread", "department": None},
            {"product_id": "wine", "name": "Red wine", "department": "DRINKS"},
        ),
        "silver.stock": rows("silver.stock"),
        "features.product_days": rows("features.product_days"),
        "silver.promotions": rows("silver.promotions"),
        "silver.users": rows("silver.users", {"user_id": "ann"}, {"user_id": "eve"}),
        "models.recommendations": rows("models.recommendations"),
        "similarity.neighbours": rows(
            "similarity.neighbours",
            *[
                {"measure": "user_linear", "product_id": a, "neighbour_id": b, "similarity": s}
                for a, b, s in (("bread", "wine", 0.4), ("milk", "wine", 0.1), ("wine", "ski", 0.9))
            ],
            {
                "measure": "basket_cosine",
                "product_id": "bread",
                "neighbour_id": "wine",
                "similarity": 0.5,
                "support": 7,
            },
            {
                "measure": "user_cosine",
                "product_id": "bread",
                "neighbour_id": "wine",
                "similarity": 0.9,
                "support": 8,
            },
            {
                "measure": "user_cosine",
                "product_id": "bread",
                "neighbour_id": "milk",
                "similarity": 0.2,
                "support": 9,
            },
            {
                "measure": "user_cosine",
                "product_id": "bread",
                "neighbour_id": "ski",
                "similarity": 0.8,
                "support": 9,
            },
        ),
    }
    made["features.user_products"] = user_products(made, night)
    made["features.users"] = users(made, night)
    made["features.products"] = products(made, night)
    return made


def listed(tables, night):
    """Products in any list, of recommendations and of similar products, on either side."""
    lists = {row["product_id"] for row in recommendations(tables, night).collect()}
    pairs = similar_products(tables, night).collect()
    return lists, {row[name] for row in pairs for name in ("product_id", "similar_product_id")}


def of_shop(night, **changes):
    shop = night.settings.shop.model_copy(update=changes)
    return BuildContext(DAY, night.settings.model_copy(update={"shop": shop}))


def with_settings(night, **changes):
    section = night.settings.recommendations.model_copy(update=changes)
    return BuildContext(DAY, night.settings.model_copy(update={"recommendations": section}))


def test_what_is_discontinued_is_in_no_list(tables, rows, night):
    until = {"milk": DAY, "bread": DAY + timedelta(days=1), "wine": None}
    catalogue = [{"product_id": p, "name": p, "discontinued_on": d} for p, d in until.items()]
    tables["silver.products"] = rows("silver.products", *catalogue)
    assert listed(tables, night) == ({"bread", "wine"}, {"bread", "wine"})
    lists, similar = listed(tables, with_settings(night, leave_out_discontinued=False))
    assert "milk" in lists & similar


def test_what_is_sold_out_and_not_due_is_in_no_list(tables, rows, night):
    counts = [
        ("milk", "s1", 0, 0, None), ("milk", "s2", 0, 0, 0), ("milk", "s2", 1, 9, None),
        ("bread", "s1", 0, 0, 5), ("wine", "s1", 0, -3, None), ("wine", "s2", 3, 2, None),
    ]  # fmt: skip
    names = ("product_id", "store_id", "age", "on_hand", "on_order")
    levels = [dict(zip(names, count, strict=True)) for count in counts]
    for level in levels:
        level["event_date"] = DAY - timedelta(days=level.pop("age"))
        for name in ("on_hand", "on_order"):
            level[name] = None if level[name] is None else Decimal(level[name])
    tables["silver.stock"] = rows("silver.stock", *levels)
    mapped = of_shop(night, entities={"stock": None})
    assert listed(tables, mapped) == ({"bread", "wine"}, {"bread", "wine"})
    lists, similar = listed(tables, with_settings(mapped, leave_out_sold_out=False))
    assert "milk" in lists & similar


def test_a_count_of_long_ago_tells_nothing(tables, rows, night):
    old = {"product_id": "milk", "on_hand": Decimal(0), "event_date": DAY - timedelta(days=15)}
    tables["silver.stock"] = rows("silver.stock", old)
    assert "milk" in listed(tables, of_shop(night, entities={"stock": None}))[0]


def test_excluded_products_are_in_no_list(tables, night):
    excluded = ExcludedProducts(ids=["milk"], patterns=["red"])
    assert listed(tables, of_shop(night, exclude_products=excluded)) == ({"bread"}, set())


def test_what_was_brought_back_is_neither_bought_again_nor_new(tables, rows, night):
    days = tables["features.user_product_days"].unionByName(
        rows(
            "features.user_product_days",
            bought("ann", "wine", 4)[0],
            bought("ann", "wine", 3)[0] | {"units": Decimal(-1), "lines": 0},
        )
    )
    tables["features.user_product_days"] = days
    tables["features.user_products"] = user_products(tables, night)
    found = recommendations(tables, night).where("user_id = 'ann'").collect()
    assert {row["product_id"] for row in found} == {"milk", "bread"}


def test_a_shop_of_guests_alone_has_lists_of_what_sells(tables, rows, night):
    sold = [
        {"product_id": p, "event_date": DAY, "lines": n, "guest_lines": n}
        for p, n in (("milk", 9), ("bread", 2), ("wine", 4))
    ]
    tables["features.product_days"] = rows("features.product_days", *sold)
    for name in ("user_product_days", "user_products", "users"):
        tables[f"features.{name}"] = rows(f"features.{name}")
    tables["silver.users"] = rows("silver.users")
    tables["features.products"] = products(tables, night)
    found = sorted(recommendations(tables, night).collect(), key=lambda row: row["rank"])
    assert [(r["user_id"], r["list"], r["product_id"]) for r in found] == [
        ("*", "new", product) for product in ("milk", "wine", "bread")
    ]
    assert listed(tables, night)[1] == {"bread", "wine", "milk"}


def shop_of(rows, night, days, **more):
    """Tables of a shop whose users did this; it has no neighbours yet."""
    names = [i.table for i in night.contract.inputs]
    more_names = ("features.product_days", "silver.promotions")
    made = {name: rows(name) for name in {*names, *more_names}} | more
    made["features.user_product_days"] = rows("features.user_product_days", *days)
    made["features.user_products"] = user_products(made, night)
    made["features.users"] = users(made, night)
    made["features.products"] = products(made, night)
    return made


@pytest.fixture
def young(night, contracts):
    return BuildContext(DAY, night.settings, contract=contracts["gold.recommendations"])


def lists_of(tables, night):
    found = {}
    for row in sorted(recommendations(tables, night).collect(), key=lambda r: r["rank"]):
        found.setdefault((row["user_id"], row["list"]), []).append(row["product_id"])
    return found


def test_a_shop_without_neighbours_has_lists_of_what_is_bought(rows, young):
    days = [*bought("ann", "milk", 2), *bought("ann", "bread", 1), *bought("bob", "wine", 1)]
    found = lists_of(shop_of(rows, young, days), young)
    assert set(found["ann", "again"]) == {"milk", "bread"}
    assert found["ann", "new"] == ["wine"]
    assert set(found["bob", "new"]) == {"milk", "bread"}
    assert set(found["*", "new"]) == {"milk", "bread", "wine"}


def test_a_shop_of_one_product(rows, young):
    known = rows("silver.users", {"user_id": "ann"}, {"user_id": "eve"})
    tables = shop_of(rows, young, bought("ann", "milk", 2), **{"silver.users": known})
    assert lists_of(tables, young) == {
        ("ann", "again"): ["milk"],
        ("eve", "new"): ["milk"],
        ("*", "new"): ["milk"],
    }


def test_a_shop_with_views_and_no_purchases_shows_its_range(rows, young):
    seen = [{"user_id": "ann", "product_id": "milk", "event_date": DAY, "views": 3, "lines": 0}]
    catalogue = rows("silver.products", {"product_id": "milk"}, {"product_id": "wine"})
    tables = shop_of(rows, young, seen, **{"silver.products": catalogue})
    mapped = of_shop(young, entities={"user_actions": ACTIONS})
    for context in (young, mapped):
        assert lists_of(tables, context)["*", "new"] == ["milk", "wine"]
    nothing = shop_of(rows, young, [])
    assert lists_of(nothing, young) == {}


def test_what_is_never_shown_is_in_no_list_and_no_reason(tables, night):
    """Nor does it take the place of another product, or stand in the lists of strangers."""
    hidden = ShopRules(never=ChosenProducts(products=("bread",)))
    without = with_settings(night, rules=hidden)
    rows = recommendations(tables, without).collect()
    assert {row["product_id"] for row in rows} == {"milk", "wine"}
    assert {row["user_id"] for row in rows} >= {"*", "eve", "ann"}
    assert not any("Rye bread" in row["reason"] for row in rows)


def test_a_shop_whose_networks_are_no_better_ranks_by_the_prior_terms(tables, rows, night):
    """And so does one whose champion is of a version with other inputs."""
    by_prior = sorted(map(tuple, recommendations(tables, night).collect()), key=repr)
    row = {"name": "recommendations", "method": "x", "is_champion": True, "inputs": ["no such"]}
    row |= {"model": b"no model", "sha256": sha256_of(b"no model")}
    for told in ({"serves": "prior"}, {"serves": "network"}):
        context = BuildContext(DAY, night.settings)
        models = rows("models.recommendations", row | {"metrics": json.dumps(told)})
        if told["serves"] == "network":
            with pytest.raises(ModelError):  # a file that holds no model is refused first
                recommendations(tables | {"models.recommendations": models}, context)
            continue
        found = recommendations(tables | {"models.recommendations": models}, context).collect()
        assert sorted(map(tuple, found), key=repr) == by_prior


def test_what_was_looked_at_is_offered_and_says_so(tables, night):
    mapped = of_shop(night, entities={"user_actions": ACTIONS})
    found = [r for r in recommendations(tables, mapped).collect() if r["user_id"] == "dee"]
    assert found
    assert not any(row["is_fallback"] for row in found)
    assert "looked_at" in {row["source"] for row in found if row["product_id"] == "milk"}


def test_lists_reasons_and_fallbacks(tables, night):
    found = recommendations(tables, night).collect()
    lists = {}
    for row in sorted(found, key=lambda r: r["rank"]):
        lists.setdefault((row["user_id"], row["list"]), []).append(
            (row["product_id"], row["reason"])
        )
    assert sorted(lists["ann", "again"]) == [
        ("bread", "you bought this 5 days ago"),
        ("milk", "you buy this about every 12 days"),
    ]
    assert lists["ann", "new"] == [("wine", "bought with Rye bread")]
    assert ("bob", "new") not in lists  # has bought all that is on sale
    assert ("cem", "again") not in lists  # the ski is no longer sold
    fallback = [p for p, _ in lists["*", "new"]]
    assert sorted(fallback) == ["bread", "milk", "wine"]
    for stranger in ("dee", "eve"):
        assert [p for p, _ in lists[stranger, "new"]] == fallback
    assert dict(lists["*", "new"])["milk"] == "popular in Dairy this week"
    assert dict(lists["*", "new"])["bread"] == "popular this week"
    assert {r["user_id"] for r in found if r["is_fallback"]} == {"*", "dee", "eve"}
    assert all(0 < r["score"] < 1 for r in found)


def test_scores_stay_within_what_their_contracts_allow(spark):
    """However sure the terms are: an account of all walk-ins buys the same product each day."""
    rows = spark.createDataFrame([(x,) for x in (-1e6, -20.0, 0.0, 20.0, 1e6)], "x double")
    found = [row[0] for row in rows.select(probability(F.col("x"))).collect()]
    assert found == [1e-6, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-6]
    wrong = spark.createDataFrame([(math.nan,), (None,)], "x double")
    for score in (probability, share):
        assert wrong.where(score(F.col("x")).isNotNull()).isEmpty(), (
            "no score, which no rule allows"
        )
    rows = spark.createDataFrame([(x,) for x in (1e-12, 0.1234567, 1.0, 1.0000004)], "x double")
    found = [row[0] for row in rows.select(share(F.col("x"))).collect()]
    assert found == [1e-6, 0.123457, 1.0, 1.0]


def test_lists_are_as_long_as_configured_and_do_not_depend_on_partitions(tables, night):
    short = with_settings(night, list_length=1)
    made = []
    for parts in (1, 7):
        moved = {name: frame.repartition(parts) for name, frame in tables.items()}
        found = recommendations(moved, short).collect()
        made.append(sorted(map(tuple, found), key=repr))
        assert {row["rank"] for row in found} == {1}
    assert made[0] == made[1]


def test_similar_products_prefer_baskets_and_leave_out_what_is_not_sold(tables, night):
    rows = [r for r in similar_products(tables, night).collect() if r["product_id"] == "bread"]
    assert [
        (r["rank"], r["similar_product_id"], r["reason"])
        for r in sorted(rows, key=lambda r: r["rank"])
    ] == [
        (1, "wine", "bought together in 7 baskets"),
        (2, "milk", "bought by the same 9 customers"),
    ]
