"""Neighbours through Spark against dense NumPy, whatever the blocks and partitions."""

import sys
from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conftest import HOME, collected
from lakeshop.engine.context import BuildContext
from lakeshop.pipeline import all_contracts
from lakeshop.similarity.histories import WEIGHT_SCALE, as_histories
from lakeshop.similarity.kernel import (
    MEASURES,
    expected_support,
    statistics_of,
    top_neighbours,
)
from lakeshop.similarity.linear import joint_counts, linear_weights
from lakeshop.similarity.neighbours import (
    PAIR,
    head,
    linear_neighbours_of,
    neighbours,
    neighbours_of,
    packed_histories,
)

DAY = date(2026, 3, 10)
SCHEMA = "history STRING, product_id STRING, weight BIGINT, age INT"
COLUMNS = ["product_id", "neighbour_id", "rank", "similarity", "support"]


@pytest.fixture(scope="module")
def options(settings):
    changes = {"neighbours": 4, "shrinkage": 1.5, "min_support": 2, "blocks": 3}
    return settings.similarity.model_copy(update=changes)


@cache
def pair():
    """Types of the columns, as the contract has them."""
    return all_contracts(HOME / "schemas")["similarity.neighbours"].task_schema(*PAIR)


def packed(spark, entries, options, n_partitions=2):
    """Histories of entries that came in so many partitions."""
    rows = [(*entry, 0) for entry in entries]
    interactions = spark.createDataFrame(rows, SCHEMA).withColumn("bought", F.lit(1))
    interactions = interactions.repartition(n_partitions)
    return packed_histories(interactions, options, DataFrame.persist)


def cosines(spark, entries, options, n_partitions=2):
    return neighbours_of(
        packed(spark, entries, options, n_partitions), "user", ("cosine",), options, pair()
    )


def random_entries(seed):
    """40 histories of 1 to 12 of 25 products; ids whose order as text is not that as numbers."""
    draw = np.random.default_rng(seed)
    popularity = np.arange(25, 0, -1) / 325
    # Few weights, so that similarities tie.
    return [
        (f"h{history}", f"p{item}", int(draw.choice([256, 512, 1024])))
        for history in range(40)
        for item in draw.choice(25, draw.integers(1, 13), replace=False, p=popularity)
    ]


def dense_oracle(entries, options):
    """Rows in order, from dense matrices; ties go to the product in most histories, then by id."""
    histories = sorted({history for history, _, _ in entries})
    spread = {p: sum(q == p for _, q, _ in entries) for _, p, _ in entries}
    products = sorted(spread, key=lambda p: (-spread[p], p))
    X = np.zeros((len(histories), len(products)), dtype=np.int64)
    for history, product, weight in entries:
        X[histories.index(history), products.index(product)] = weight
    dots, support = X.T @ X, (X > 0).astype(np.int64).T @ (X > 0)
    lengths = np.sqrt(np.outer(np.diag(dots), np.diag(dots)).astype(float))
    similarity = dots / (lengths + options.shrinkage * WEIGHT_SCALE**2)
    rows = []
    for i, product in enumerate(products):
        mates = [
            j
            for j in range(len(products))
            if j != i and dots[i, j] > 0 and support[i, j] >= options.min_support
        ]
        mates.sort(key=lambda j: (-similarity[i, j], j))
        rows += [
            (product, products[j], rank, similarity[i, j], int(support[i, j]))
            for rank, j in enumerate(mates[: options.neighbours], 1)
        ]
    return sorted(rows, key=repr)


def without_similarity(rows):
    return sorted((*row[:3], row[4]) for row in rows)


ENTRIES = random_entries(8)


@pytest.fixture(scope="module")
def found_in(spark, options):
    """Neighbours in ENTRIES, for so many blocks, partitions of the input, and packed parts."""

    def found_in(blocks, n_partitions, n_parts):
        cut = options.model_copy(update={"blocks": blocks})
        with pytest.MonkeyPatch.context() as patch:
            at_once = -(-len(ENTRIES) // n_parts)
            patch.setattr(sys.modules[neighbours_of.__module__], "EVENTS_AT_ONCE", at_once)
            histories = packed(spark, ENTRIES, cut, n_partitions)
        assert histories.rows.rdd.getNumPartitions() == max(blocks, -(-len(ENTRIES) // at_once))
        return collected(neighbours_of(histories, "user", ("cosine",), cut, pair()), *COLUMNS)

    return found_in


@pytest.fixture(scope="module")
def whole(found_in):
    return found_in(1, 7, 1)


def test_equals_dense_oracle(whole, options):
    found, expected = whole, dense_oracle(ENTRIES, options)
    assert len(expected) > 50
    ranked = [row[3] for row in expected]
    assert len(set(ranked)) < len(ranked)
    assert without_similarity(found) == without_similarity(expected)
    by_pair = {row[:2]: row[3] for row in expected}
    assert {row[:2]: row[3] for row in found} == pytest.approx(by_pair, rel=1e-12)


def test_same_rows_to_the_last_bit_for_any_blocks_and_partitions(whole, found_in):
    for blocks, n_partitions, n_parts in ((3, 1, 2), (7, 2, 7), (2, 7, 64), (64, 64, 1)):
        assert found_in(blocks, n_partitions, n_parts) == whole


def test_all_measures_equal_the_kernel_on_the_whole(spark, options):
    histories = sorted({history for history, _, _ in ENTRIES})
    spread = {p: sum(q == p for _, q, _ in ENTRIES) for _, p, _ in ENTRIES}
    products = sorted(spread, key=lambda p: (-spread[p], p))
    sets = [[(p, w) for h, p, w in ENTRIES if h == history] for history in histories]
    whole = as_histories(
        np.cumsum([0, *map(len, sets)]),
        [products.index(p) for one in sets for p, _ in one],
        [w for one in sets for _, w in one],
        n_items=len(products),
    )
    statistics = statistics_of(whole, len(products))
    kernel = top_neighbours(
        whole,
        statistics,
        np.arange(len(products)),
        measures=list(MEASURES),
        k=options.neighbours,
        shrinkage=options.shrinkage,
        asymmetry=options.asymmetry,
        min_support=options.min_support,
    )
    by_chance = expected_support(statistics, kernel.item, kernel.neighbour).tolist()
    expected = [
        (f"basket_{list(MEASURES)[m]}", products[i], products[j], *rest)
        for m, i, j, *rest in zip(
            *[
                getattr(kernel, name).tolist()
                for name in ("measure", "item", "neighbour", "rank", "similarity", "support")
            ],
            by_chance,
            strict=True,
        )
    ]
    histories = packed(spark, ENTRIES, options)
    found = neighbours_of(histories, "basket", tuple(MEASURES), options, pair())
    assert collected(found, *PAIR) == sorted(expected, key=repr)


def test_a_neighbour_list_may_be_longer_than_the_catalogue(spark, options):
    long = options.model_copy(update={"neighbours": 10_000, "min_support": 1})
    found = collected(cosines(spark, ENTRIES, long), *COLUMNS)
    assert found == dense_oracle(ENTRIES, long)


def test_worked_pair(spark, options):
    """Weights 1 and 1/2 in one history, 1/2 and 1/2 in another; r lies with q once only."""
    entries = [
        *[("h1", "p", 1024), ("h1", "q", 512)],
        *[("h2", "p", 512), ("h2", "q", 512), ("h2", "r", 1024)],
    ]
    # dot = 1/2 + 1/4; norms 5/4 and 1/2, so 0.75 / (sqrt(0.625) + 1.5).
    similarity = pytest.approx(0.75 / (0.625**0.5 + 1.5), rel=1e-12)
    found = collected(cosines(spark, entries, options), *COLUMNS)
    assert found == [("p", "q", 1, similarity, 2), ("q", "p", 1, similarity, 2)]


ONE_USER = [("h1", "p", 1024), ("h1", "q", 512), ("h1", "r", 1024)]
LONELY = {
    "no history": [],
    "no ids": [(None, "p", 1024), ("h1", None, 1024), ("h2", None, 5), (None, "q", 5)],
    "one product": [("h1", "p", 1024), ("h2", "p", 512), ("h3", "p", 1)],
    # One user alone, products that share no history, a pair of which one weighs nothing.
    "no pair often enough": [
        *ONE_USER,
        *[("h2", "s", 1024), ("h3", "t", 512), ("h4", "u", 1024)],
        *[("h5", "v", 1024), ("h5", "w", 0), ("h6", "v", 1), ("h6", "w", 0)],
    ],
}


@pytest.mark.parametrize("case", LONELY)
def test_no_neighbours(spark, options, case):
    """Two histories at least must hold a pair; else the frame is empty and has its columns."""
    found = cosines(spark, LONELY[case], options)
    assert found.columns == list(PAIR)
    assert collected(found) == []


def test_one_user_is_enough_where_so_configured(spark, options):
    lenient = options.model_copy(update={"min_support": 1, "shrinkage": 0})
    found = collected(cosines(spark, ONE_USER, lenient), *COLUMNS)
    # Without shrinkage one history makes every cosine 1; ties go by id.
    assert found == [
        (product, mate, rank, pytest.approx(1.0), 1)
        for product in "pqr"
        for rank, mate in enumerate(sorted(set("pqr") - {product}), 1)
    ]


def test_linear_neighbours_equal_the_dense_model_however_it_is_partitioned(spark, options):
    linear = {"linear_ridge": 2.0, "linear_neighbours": 30, "linear_least": 0.0}
    products = [f"p{n}" for n in (3, 0, 7, 12, 1, 24)]  # of 25, in no order
    found = [
        collected(
            linear_neighbours_of(
                packed(spark, ENTRIES, options.model_copy(update={"blocks": n}), n),
                products,
                options.model_copy(update=linear),
                pair(),
            ),
            *COLUMNS,
        )
        for n in (1, 7)
    ]
    assert found[0] == found[1]
    sets: dict[str, list[int]] = {}
    for history, product, _ in ENTRIES:
        if product in products:
            sets.setdefault(history, []).append(products.index(product))
    items = np.concatenate(list(sets.values()))
    offsets = np.cumsum([0, *map(len, sets.values())])
    counts = joint_counts(
        as_histories(offsets, items, np.ones(items.size, np.int64), n_items=6),
        np.arange(6, dtype=np.int32),
    )
    weights = linear_weights(counts, 2.0)
    assert len(found[0]) == 30
    for product, mate, _, weight, support in found[0]:
        j, i = products.index(product), products.index(mate)
        assert weight == pytest.approx(float(weights[j, i]), abs=1e-6)
        assert support == counts[j, i]


def test_head_is_bought_most_lately_then_ever_then_first_by_id(spark):
    day = date(2026, 3, 10)
    bought = [("a", 1, 9), ("b", 2, 2), ("c", 1, 9), ("d", 1, 3), ("e", 0, 99)]
    ages = [(p, n) for p, lately, ever in bought for n in [83] * lately + [84] * (ever - lately)]
    rows = [(product, day - timedelta(days=age)) for product, age in ages]
    purchases = spark.createDataFrame(rows, "product_id STRING, event_date DATE")
    assert head(purchases, day, 4) == ["b", "a", "c", "d"]


def test_weights_may_be_any_number_cosines_at_most_1(rows, contracts):
    found = {
        ("user_linear", 1.0097): True,
        ("user_linear", -1.2): True,
        ("user_linear", float("inf")): False,
        ("user_linear", float("nan")): False,
        ("user_lift", 40.0): True,
        ("user_lift", float("inf")): False,
        ("user_cosine", 1.0): True,
        ("user_cosine", 1.0097): False,
        ("basket_jaccard", -0.1): False,
    }
    names = "measure", "similarity"
    frame = rows("similarity.neighbours", *[dict(zip(names, of, strict=True)) for of in found])
    [rule] = [
        check.holds
        for check in contracts["similarity.neighbours"].checks
        if check.name == "similarity_is_plausible"
    ]
    assert [row[0] for row in frame.select(F.expr(rule)).collect()] == list(found.values())


def night_of(settings, contracts, options, *, is_named):
    """A night of a shop whose actions name products, or do not."""
    actions = settings.shop.entities["user_actions"]
    columns = dict(actions.columns)
    if is_named:
        columns["product_id"] = columns["user_id"]
    named = {"user_actions": actions.model_copy(update={"columns": columns})}
    shop = settings.shop.model_copy(update={"entities": named})
    changed = settings.model_copy(update={"shop": shop, "similarity": options})
    return BuildContext(DAY, changed, contract=contracts["similarity.neighbours"])


@pytest.mark.parametrize(
    ("measures", "is_named"),
    [(("cosine",), True), ((), True), (("cosine",), False)],
    ids=["views", "views that are not wanted", "actions that name no product"],
)
def test_visits_count_where_views_are_delivered(rows, settings, contracts, measures, is_named):
    changes = {"visit_measures": measures, "min_support": 2, "blocks": 2, "linear_ridge": 1.0}
    options = settings.similarity.model_copy(update=changes)
    night = night_of(settings, contracts, options, is_named=is_named)
    days = [
        {"user_id": user, "product_id": p, "event_date": DAY, "lines": n, "views": 1 - n}
        for user in ("u", "v")
        for p, n in (("a", 1), ("b", 1), ("c", 0), ("d", 0))
    ]
    tables = {
        "features.user_product_days": rows("features.user_product_days", *days),
        "silver.transactions": rows("silver.transactions"),
        "silver.products": rows("silver.products"),
    }
    found = neighbours(tables, night).collect()
    night.release()
    pairs = {(row["measure"], row["product_id"]) for row in found}
    of_users = {(m, p) for m in ("user_cosine", "user_linear") for p in ("a", "b")}
    of_visits = {("visit_cosine", p) for p in ("c", "d")}
    assert pairs == (of_users | of_visits if measures and is_named else of_users)
