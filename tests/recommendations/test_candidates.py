"""Candidates and features of a tiny shop, by hand."""

import math
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from conftest import HOME
from lakeshop.engine.transforms import FIXED_POINT_SCALE
from lakeshop.recommendations.candidates import Always, candidates
from lakeshop.recommendations.features import Batch, are_known, features, names_of
from lakeshop.recommendations.histories import (
    ACTION_COLUMNS,
    PAIR_COLUMNS,
    USER_COLUMNS,
    users_in,
)
from lakeshop.recommendations.ranking import HeldOut, best_share, prior_log_odds, prior_terms
from lakeshop.recommendations.settings import Exploration, RecommendationSettings
from lakeshop.recommendations.shelf import PRODUCT_COLUMNS, shelf_of

DAY = date(2026, 3, 31)
BASE = yaml.safe_load((HOME / "conf" / "base.yaml").read_text(encoding="utf-8"))["recommendations"]
OPTIONS = RecommendationSettings.model_validate(BASE)


def options(**changes: object) -> RecommendationSettings:
    bounds = OPTIONS.candidates.model_copy(update={"drawn": 0, **changes})
    return OPTIONS.model_copy(update={"candidates": bounds, "list_length": 1})


PRODUCTS = ("bread", "gone", "milk", "oat", "rye", "ski", "wine")
DEPARTMENTS = ("food", "food", "dairy", "dairy", "food", None, "drinks")


def shelf_with(pairs, sold=None, offered=("bread", "milk", "oat", "rye", "wine"), **figures):
    sold = sold or dict(zip(PRODUCTS, (9, 9, 8, 2, 1, 1, 5), strict=True))
    rows = pd.DataFrame({"product_id": PRODUCTS})
    for name in PRODUCT_COLUMNS:
        rows[name] = 1.0
    for name in ("purchase_days", "purchase_days_28", "purchase_days_84", "buyers"):
        rows[name] = [float(sold[product]) for product in PRODUCTS]
    rows["age_days"] = [300.0, 300.0, 300.0, 300.0, 3.0, 300.0, 300.0]
    for name, values in figures.items():
        rows[name] = values
    rows["department"], rows["category"] = DEPARTMENTS, DEPARTMENTS
    measures, bought, other, weight = zip(*pairs, strict=True) if pairs else ((), (), (), ())
    neighbours = pa.table(
        {
            "measure": pa.array(measures, pa.string()),
            "product_id": pa.array(bought, pa.string()),
            "neighbour_id": pa.array(other, pa.string()),
            "similarity": pa.array(weight, pa.float64()),
        }
    )
    return shelf_of(rows, offered, neighbours, 5000, "user_linear")


def user_row(name, bought=(), acted=(), departments=()):
    """Bought: product and columns that differ from one purchase ten days ago."""
    plain = dict.fromkeys(PAIR_COLUMNS, 1) | {
        "days_since_purchase": 10,
        "days_since_first_purchase": 10,
        "habit": FIXED_POINT_SCALE,
        "recent": FIXED_POINT_SCALE // 2,
    }
    seen = dict.fromkeys(ACTION_COLUMNS, 1)
    return {
        "user_id": name,
        "bought": [{"product_id": p, **plain, **more} for p, more in bought],
        "acted": [{"product_id": p, **seen, **more} for p, more in acted],
        **dict.fromkeys(USER_COLUMNS, 4.0),
        "preferred_departments": list(departments),
    }


def pair_type(columns):
    return pa.list_(pa.struct([("product_id", pa.string()), *[(c, pa.int64()) for c in columns]]))


def batch_of(*rows):
    types = {
        "user_id": pa.string(),
        "bought": pair_type(PAIR_COLUMNS),
        "acted": pair_type(ACTION_COLUMNS),
        **dict.fromkeys(USER_COLUMNS, pa.float64()),
        "preferred_departments": pa.list_(pa.string()),
    }
    return pa.RecordBatch.from_pylist(list(rows), pa.schema(list(types.items())))


def found_of(shelf, *rows, chosen=None, always=None):
    users = users_in(batch_of(*rows), shelf, 3)
    found = candidates(users, shelf, chosen or options(), DAY, always)
    names = shelf.catalogue.product_ids.to_pylist()
    sources: dict[str, dict[str, set[str]]] = {row["user_id"]: {} for row in rows}
    for user, product, bits in zip(found.user, found.product, found.sources, strict=True):
        mine = {name for n, name in enumerate(found.names) if bits >> n & 1}
        sources[users.ids[user].as_py()][names[product]] = mine
    return sources, Batch(users, shelf, found)


LINEAR = [("user_linear", "milk", "oat", 0.4), ("user_linear", "milk", "rye", -0.2)]


def test_each_source_is_named() -> None:
    shelf = shelf_with([*LINEAR, ("basket_cosine", "milk", "wine", 0.1)])
    ann = user_row("ann", [("milk", {})], [("bread", {})], ["dairy"])
    sources, _ = found_of(shelf, ann)
    mine = sources["ann"]
    assert {"bought", "popular", "trending"} <= mine["milk"]
    assert {"user_linear", "popular"} <= mine["oat"]
    assert "basket_cosine" in mine["wine"]
    assert "looked_at" in mine["bread"]
    assert "gone" not in mine  # not on offer
    assert "rye" not in mine  # what speaks against it proposes nothing; it is no best seller


def test_a_new_arrival_of_a_preferred_department() -> None:
    sources, _ = found_of(shelf_with(LINEAR), user_row("ann", [("milk", {})], (), ["food"]))
    assert "new_arrival" in sources["ann"]["rye"]


def test_what_was_brought_back_is_no_candidate() -> None:
    ann = user_row("ann", [("milk", {"purchase_days": 0, "habit": 0, "recent": 0})], (), ["dairy"])
    sources, _ = found_of(shelf_with(LINEAR), ann)
    assert "milk" not in sources["ann"]
    assert "user_linear" not in sources["ann"].get("oat", set())  # nor does it speak


def test_bounds_hold_and_ties_go_to_the_smaller_product() -> None:
    pairs = [("user_linear", "milk", other, 0.5) for other in ("bread", "oat", "rye", "wine")]
    shelf = shelf_with(pairs, dict.fromkeys(PRODUCTS, 3))
    sources, _ = found_of(shelf, user_row("ann", [("milk", {})]), chosen=options(main=2))
    linear = [p for p, names in sources["ann"].items() if "user_linear" in names]
    assert linear == ["bread", "oat"]


def test_explored_ones_are_drawn_by_user_and_day() -> None:
    shelf, chosen = shelf_with([]), options(drawn=2)
    rows = [user_row(name, [("milk", {})]) for name in ("ann", "bob", "cem", "dee")]
    sources, batch = found_of(shelf, *rows, chosen=chosen)
    again, _ = found_of(shelf, *rows[::-1], chosen=chosen)
    drawn = {u: {p for p, names in s.items() if "explored" in names} for u, s in sources.items()}
    assert all(len(products) == 2 and "milk" not in products for products in drawn.values())
    assert drawn == {
        u: {p for p, names in s.items() if "explored" in names} for u, s in again.items()
    }
    assert len(set(map(frozenset, drawn.values()))) > 1
    assert batch.candidates.propensity.tolist() == [2 / 3] * 4  # of what nothing speaks for


def test_inputs_of_another_version_are_seen() -> None:
    assert are_known(names_of(("user_linear", "basket_lift", "visit_cosine")))
    assert not are_known((*names_of(("user_linear",)), "days_since_breakfast"))


def test_what_explores_is_what_nothing_speaks_for() -> None:
    """As many as there are places, so that what is drawn is what is shown."""
    shelf = shelf_with([], sold=dict.fromkeys(PRODUCTS, 0))
    users = [user_row(f"u{n}", [("milk", {})]) for n in range(8)]
    exploring = options(drawn=1).model_copy(
        update={"list_length": 1, "explore": Exploration(share=1.0)}
    )
    sources, batch = found_of(shelf, *users, chosen=exploring)
    for found in sources.values():
        drawn = [names for names in found.values() if "explored" in names]
        assert drawn == [{"explored"}]
    others = 5 - 2  # on offer, less the two best sellers, of which milk is one
    assert batch.candidates.propensity.tolist() == [1 / others] * 8


def test_products_of_rules_are_candidates_of_everybody_or_of_their_buyers() -> None:
    ski = np.array([PRODUCTS.index("ski")])
    sources, _ = found_of(shelf_with([]), user_row("ann"), always=Always(to_all=ski))
    assert sources["ann"]["ski"] == {"rule"}
    users = user_row("ann"), user_row("bob", [("ski", {})])
    sources, _ = found_of(shelf_with([]), *users, always=Always(to_buyers=ski))
    assert "ski" not in sources["ann"]
    assert sources["bob"]["ski"] == {"rule"}  # it is not on offer: a rule alone shows it


def test_the_order_of_users_and_purchases_changes_nothing() -> None:
    shelf = shelf_with([*LINEAR, ("user_cosine", "bread", "wine", 0.3)])
    bought = [("milk", {"recent": 5}), ("bread", {}), ("wine", {"habit": 7})]
    one, batch = found_of(shelf, user_row("ann", bought), user_row("bob", bought[:1]))
    other, turned = found_of(shelf, user_row("bob", bought[:1]), user_row("ann", bought[::-1]))
    assert one == other
    names = names_of(shelf.weights)
    mine = features(batch, names)[batch.user == 0]
    assert np.array_equal(mine, features(turned, names)[turned.user == 1])
    assert np.isfinite(mine).all()


def test_log_odds_of_the_prior_terms_by_hand() -> None:
    shelf = shelf_with(
        LINEAR,
        repeat_rate=0.01,
        days_between_purchases=20.0,
        purchase_days_14=3.0,
        purchase_days_84=6.0,
        purchase_days_3=1.0,
        mailer_stores=1.0,
    )
    more = {"purchase_days": 2, "days_since_first_purchase": 30}
    _, batch = found_of(shelf, user_row("ann", [("milk", more)]))
    names = names_of(shelf.weights)
    again, new = OPTIONS.again, OPTIONS.new
    found = prior_log_odds(features(batch, names), names, prior_terms(OPTIONS))
    by_product = dict(zip(batch.product.tolist(), found.tolist(), strict=True))
    # gap = (30 - 10 + 2 * 20) / (2 + 1) = 20, so last / gap = 0.5; trend = 4 / (1 + 1) = 2
    activity = math.log1p(4 / FIXED_POINT_SCALE)
    milk = (
        again.constant + again.habit * math.log(1.02) + again.recent * 0.5
        + again.repeat_rate * math.log(0.01) + again.not_due * math.log(0.6) ** 2
        + again.trend * math.log(2) + again.mailer * math.log(2) + again.activity * activity
    )  # fmt: skip
    oat = (
        new.constant + new.similarity * math.log(0.42) + new.popularity * math.log1p(2)
        + new.trend * math.log(2 / (6 / 28 + 1)) + new.mailer * math.log(2)
        + new.activity * activity
    )  # fmt: skip
    assert by_product[PRODUCTS.index("milk")] == pytest.approx(milk, abs=1e-5)
    assert by_product[PRODUCTS.index("oat")] == pytest.approx(oat, abs=1e-5)


def test_ndcg_of_users_held_out_by_hand() -> None:
    held = HeldOut(
        user=np.array([0, 0, 0, 2, 2]),
        product=np.array([4, 5, 6, 4, 5]),
        inputs=np.zeros((5, 1), np.float32),
        bought=np.array([False, True, False, False, False]),
        is_known=np.array([True, True, False, True, False]),
        sources=np.array([1, 1, 2, 3, 0]),
        relevant=np.array([[1, 1], [0, 0], [0, 1]]),
    )
    found = held.ndcg(np.array([0.9, 0.5, math.nan, 0.1, 0.1]), 2)
    best = 1 + 1 / math.log2(3)
    assert found.tolist() == pytest.approx([1 / math.log2(3) / best, 0.0])


@pytest.mark.parametrize(("told", "expected"), [(200, 1.0), (2, 0.7)])
def test_a_larger_share_of_what_was_learned_needs_users_to_show_it(told, expected) -> None:
    """Two products each: what was learned names the one bought, if all of it counts."""
    users = 200
    bought = np.tile([False, True], users)
    prior = np.tile([0.9, 0.0], users)
    learned = np.where(bought & (np.repeat(np.arange(users), 2) < told), 1.0, 0.0)
    held = HeldOut(
        user=np.repeat(np.arange(users), 2),
        product=np.tile([1, 2], users),
        inputs=np.zeros((2 * users, 1), np.float32),
        bought=bought,
        is_known=bought,
        sources=np.ones(2 * users, np.int64),
        relevant=np.tile([0, 1], (users, 1)),
    )
    assert best_share(prior, learned, held, (0.7, 1.0, 0.5), 1) == expected
