"""A training of a small shop: examples of past nights, networks, champion, and lists by it.

Sixty users over six weeks. Each user buys staples of their own, and who buys bread buys butter.
"""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Provenance
from lakeshop.features.products import products
from lakeshop.features.user_products import user_products
from lakeshop.features.users import users
from lakeshop.recommendations import examples
from lakeshop.recommendations.candidate_recall import ALL
from lakeshop.recommendations.evaluation import of_models
from lakeshop.recommendations.examples import columns_of_list
from lakeshop.recommendations.features import GROUPS, columns_of_pair, names_of
from lakeshop.recommendations.network import of_pairs, wide_and_deep
from lakeshop.recommendations.pairs import shelf_rows
from lakeshop.recommendations.recommendations import recommendations
from lakeshop.recommendations.training import CONSTANT_VARIANCE, train
from lakeshop.storage.lake import Lake
from lakeshop.training.inference import with_export
from lakeshop.training.registry import LAYER_MODULES, model_of, sha256_of

DAY = date(2026, 3, 16)
WEEKS, USERS = 6, 60
PRODUCTS = [f"p{n:02}" for n in range(20)]


def purchases(seed=1):
    """user_id, product_id and age of each purchase: two staples a user, and one at random."""
    draw = np.random.default_rng(seed)
    found = set()
    for user in range(USERS):
        for age in range(user % 3, 7 * WEEKS, 3):
            for product in (user % 5, 5 + user % 4, int(draw.integers(len(PRODUCTS)))):
                found.add((f"u{user:02}", PRODUCTS[product], age))
    return sorted(found)


@pytest.fixture(scope="module")
def small(settings):
    """The settings with networks that train in seconds."""
    section = settings.recommendations
    networks = {
        name: network.model_copy(update={"epochs": 2.0, "local_steps": 4, "batch_size": 8})
        for name, network in section.learning.networks.items()
    }
    learning = section.learning.model_copy(
        update={"origins": 2, "list_size": 16, "networks": networks}
    )
    changed = section.model_copy(update={"learning": learning})
    similarity = settings.similarity.model_copy(
        update={"blocks": 2, "linear_ridge": 10, "linear_least": 0.0001}
    )
    return settings.model_copy(update={"recommendations": changed, "similarity": similarity})


@pytest.fixture
def lake(spark, tmp_path, contracts):
    return Lake(spark, str(tmp_path / "lake"), contracts)


@pytest.fixture
def night(small, lake):
    contract = lake.contract("models.recommendations")
    made = Provenance("code", ("features.user_product_days@1",), "content")
    return BuildContext(DAY, small, provenance=made, contract=contract, lake=lake)


@pytest.fixture
def tables(rows, lake, contracts):
    """Empty tables, but for the daily sums and order lines of all purchases."""
    found = {i.table: rows(i.table) for i in contracts["models.recommendations"].inputs}
    return (
        found
        | daily(rows, purchases())
        | {"models.recommendations": rows("models.recommendations")}
    )


def daily(rows, bought):
    days = []
    for user, product, age in bought:
        day = DAY - timedelta(days=age)
        days.append(
            {"business_date": day, "event_date": day, "user_id": user, "product_id": product}
        )
    one = {"lines": 1, "units": Decimal(1), "amount": Decimal(2)}
    sums = [day | one for day in days]
    per_product = {}
    for row in sums:
        key = row["business_date"], row["product_id"]
        per_product[key] = per_product.get(key, 0) + 1
    shelf = [
        {
            "business_date": d,
            "event_date": d,
            "product_id": p,
            "store_id": "s",
            "lines": n,
            "units": Decimal(n),
        }
        for (d, p), n in per_product.items()
    ]
    lines = [
        row | {"transaction_id": f"t{n}", "order_id": f"o{row['user_id']}{row['event_date']}"}
        for n, row in enumerate(days)
    ]
    return {
        "features.user_product_days": rows("features.user_product_days", *sums),
        "features.product_days": rows("features.product_days", *shelf),
        "silver.transactions": rows("silver.transactions", *lines),
    }


def of_lists(tables, night):
    """The lists of all origins but the newest, and the origins."""
    origins = examples.origins(tables, night)
    found = []
    for origin in origins[1:]:
        found += examples.lists(origin, tables, night, 1.0).collect()
    return sorted((r["user_id"], r["origin"], tuple(r["record"])) for r in found), origins


def test_examples_are_of_past_nights_and_do_not_know_what_came_after(tables, rows, night):
    before, origins = of_lists(tables, night)
    days = [o.known.day for o in origins]
    assert days == [DAY - timedelta(days=7 * n) for n in (1, 2)]
    assert {origin for _, origin, _ in before} == set(days[1:])
    after = [(u, PRODUCTS[-1], a) if a < 7 else (u, p, a) for u, p, a in purchases()]
    changed = tables | daily(rows, sorted(set(after)))
    assert of_lists(changed, night)[0] == before
    night.release()


def test_stock_is_as_it_was_known_then(tables, rows, night):
    """A product that was sold out is no candidate; a count that came later tells nothing."""
    sold_out = DAY - timedelta(days=14)
    counts = [
        {
            "business_date": day,
            "event_date": sold_out,
            "product_id": PRODUCTS[0],
            "on_hand": Decimal(units),
        }
        for day, units in ((sold_out, 0), (sold_out + timedelta(days=5), 9))
    ]
    shop = night.settings.shop.model_copy(update={"entities": {"stock": None}})
    settings = night.settings.model_copy(update={"shop": shop})
    mapped = replace(night, settings=settings)
    tables["silver.stock"] = rows("silver.stock", *counts)
    newest, second = examples.origins(tables, mapped)
    assert second.known.day == sold_out
    for origin, is_there in ((newest, True), (second, False)):
        known = examples._as_of(origin.known.day, tables)
        shelf = shelf_rows(origin.known, known, mapped).set_index("product_id")
        assert shelf["is_offered"][PRODUCTS[0]] == is_there
    found = examples.lists(second, tables, mapped, 1.0).collect()
    assert found
    night.release()


def test_a_share_may_be_small(spark):
    users = spark.range(200_000).select(F.col("id").cast("string").alias("user_id"))
    for share in (1.0, 0.1, 0.0005):
        n = users.where(examples._is_of(share, DAY)).count()
        assert n == pytest.approx(200_000 * share, rel=0.3)


def test_what_never_varied_counts_for_nothing_once_it_varies():
    """Weights of an input that was constant in training stay as they were drawn."""
    stated = {
        "names": ["is_known", "views"],
        "mean": [0.5, 0.0],
        "variance": [0.25, CONSTANT_VARIANCE],
        "list_size": 1,
        "prior": {"again": {"constant": 0.0}, "new": {"constant": 0.0}},
        "method": "x",
    }
    model = of_pairs(wide_and_deep(stated))
    known = np.zeros((2, 1), np.float32)
    fed = {"known": known, "group": np.zeros((2, len(GROUPS)), np.float32)}
    seen = np.array([[0.0, 0.0], [0.0, 9.0]], np.float32)
    found = np.asarray(model(fed | {"features": seen}))[:, 0]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_labels_are_what_was_bought_in_the_week_after(tables, rows, night):
    before, _ = of_lists(tables, night)
    size = night.settings.recommendations.learning.list_size
    oldest = DAY - timedelta(days=14)
    bought = {}
    for user, product, age in purchases():
        if 7 <= age < 14:
            bought.setdefault(user, set()).add(product)
    for user, origin, record in before:
        if origin == oldest:
            target = record[-size:]
            assert set(target) <= {-1.0, 0.0, 1.0}
            assert 0 < target.count(1.0) <= min(len(bought[user]), size // 2)
    # A purchase of that week taken away is a label less, and no input moves.
    gone = ("u00", PRODUCTS[0])
    left = [p for p in purchases() if not (p[:2] == gone and 7 <= p[2] < 14)]
    changed, _ = of_lists(tables | daily(rows, left), night)
    mine = [
        next(record for user, origin, record in found if (user, origin) == ("u00", oldest))
        for found in (before, changed)
    ]
    assert mine[0][-size:].count(1.0) == mine[1][-size:].count(1.0) + 1
    night.release()


def test_a_record_gives_a_network_each_pair_as_it_is():
    names, size = names_of(("user_linear",)), 4
    draw = np.random.default_rng(3)
    x = draw.normal(size=(3, len(names))).astype(np.float32)
    bought = np.array([True, False, True])
    columns = columns_of_list(names, size)
    record = examples.record_of(x, bought, size)
    assert len(columns.stored) == record.size
    given, target = columns.arrays(record[None])
    alone = columns_of_pair(names).inputs_of(x)
    for part, values in alone.items():
        placed = given[part].reshape(size, -1)
        assert np.array_equal(placed[:3], values)
        assert not placed[3].any()
    assert target.tolist() == [[1.0, 0.0, 1.0, -1.0]]


def test_a_young_shop_keeps_the_prior_terms(tables, rows, night):
    young = tables | daily(rows, [p for p in purchases() if p[2] < 10])
    assert train(young, night).collect() == []
    assert any("too short" in warning for warning in night.warnings)


def test_networks_compete_and_lists_follow_the_champion(tables, rows, night, lake):
    found = {row["method"]: row for row in train(tables, night).collect()}
    night.release()
    assert list(found) == sorted(
        found, key=list(night.settings.recommendations.learning.networks).index
    )
    has_champion = any(row["is_champion"] for row in found.values())
    for row in found.values():
        model_of(bytes(row["model"]), row["sha256"], LAYER_MODULES)
        assert row["sha256"] == sha256_of(bytes(row["model"]))
        stated = json.loads(row["metrics"])
        assert 0 <= stated["ndcg"] <= 1
        assert stated["lambdarank"] > 0.5  # staples are easily seen
        assert stated["serves"] == ("network" if has_champion else "prior")
        recall = {(name, of): share for name, of, share in stated["candidate_recall"]}
        assert recall[ALL, "again"] == 1.0  # twenty products: all that were bought before
        assert recall["bought", "again"] == 1.0
    tables = gold_tables(tables, rows, night)
    by_prior = listed(tables, night)
    best = found["wide_and_deep"].asDict() | {"is_champion": True, "litert": None}
    best["metrics"] = json.dumps({"serves": "network"})
    names = tuple(best["inputs"])
    zeros = np.zeros((4, len(names)), np.float32)
    champion = with_export(best, columns_of_pair(names), zeros, night, tolerance=1e-5)
    tables["models.recommendations"] = rows("models.recommendations", champion)
    by_network = listed(tables, night)
    assert by_network != by_prior
    assert {row[:2] for row in by_network} == {row[:2] for row in by_prior}


class Told:
    """What the evaluation of models asks of its context; it keeps what is published."""

    def __init__(self, settings, models):
        self.settings, self.last, self.models, self.published = settings, DAY, models, {}

    def content(self, table, day):
        assert (table, day) == ("models.recommendations", DAY)
        return "digest" if self.models is not None else ""

    def is_published(self, day, subject, source):
        return (day, subject) in self.published

    def read(self, table, first, last):
        assert (table, first, last) == ("models.recommendations", DAY, DAY)
        return self.models

    def publish(self, day, subject, figures, source):
        assert source == ("digest",)
        self.published[day, subject] = figures


def test_the_figures_of_a_training_are_filed_under_the_night_held_out(rows, small):
    stated = {
        "prior": 0.25,
        "lambdarank": None,
        "candidate_recall": [["all", "again", 0.8], ["all", "new", 0.1]],
    }
    models = rows(
        "models.recommendations",
        *[
            {"method": method, "metrics": json.dumps(stated | {"ndcg": ndcg})}
            for method, ndcg in (("log_odds", 0.24), ("wide_and_deep", 0.26))
        ],
    )
    context = Told(small, models)
    of_models(context, DAY)
    (key, figures), *others = context.published.items()
    assert (key, others) == ((DAY - timedelta(days=7), "recommendation_models"), [])
    assert sorted(figures) == [
        ("all", "candidate_recall", "again", 0.8),
        ("all", "candidate_recall", "new", 0.1),
        ("lambdarank", "ndcg", "merged", None),
        ("log_odds", "ndcg", "merged", 0.24),
        ("prior", "ndcg", "merged", 0.25),
        ("wide_and_deep", "ndcg", "merged", 0.26),
    ]
    before = dict(context.published)
    of_models(context, DAY)
    assert context.published == before
    young = Told(small, None)
    of_models(young, DAY)
    assert young.published == {}


def gold_tables(tables, rows, night):
    made = {i.table: rows(i.table) for i in night.lake.contract("gold.recommendations").inputs}
    made |= tables
    made["features.user_products"] = user_products(made, night)
    made["features.users"] = users(made, night)
    made["features.products"] = products(made, night)
    return made


def listed(tables, night):
    context = BuildContext(DAY, night.settings, lake=night.lake)
    found = recommendations(tables, context)
    return sorted(map(tuple, found.select("user_id", "list", "rank", "product_id").collect()))
