"""The figures of a night whose right answer is known, and their comparison with baselines."""

from datetime import date, timedelta

import pytest

from conftest import all_purchases
from lakeshop.engine.context import BuildContext
from lakeshop.engine.metrics import FIGURE
from lakeshop.features.user_products import habits
from lakeshop.ml.ranking import paired_interval
from lakeshop.recommendations.evaluation import means, ndcg_lift
from lakeshop.recommendations.methods import (
    Scored,
    by_frequency,
    by_neighbours,
    by_popularity,
    lists_of,
    ours,
    relevant,
    user_scores,
)

NIGHT = date(2026, 3, 10)


@pytest.fixture
def scored(rows, settings):
    """u1 bought a and b before, then a and c; u2 bought a before, then b; u3 stays away."""
    before = [("u1", "a", 5), ("u1", "b", 3), ("u2", "a", 2), ("u3", "c", 1)]
    after = [("u1", "a"), ("u1", "c"), ("u2", "b"), ("u2", "unseen"), ("newcomer", "a")]
    lists = [
        ("u1", "again", "a", 0.9),
        ("u1", "again", "b", 0.2),
        ("u1", "new", "c", 0.5),
        ("u2", "again", "a", 0.6),
    ]
    days = rows(
        "features.user_product_days",
        *[
            {"user_id": u, "product_id": p, "event_date": NIGHT - timedelta(days=age)}
            for u, p, age in before
        ],
    )
    return Scored(
        recommendations=rows(
            "gold.recommendations",
            *[
                {
                    "user_id": u,
                    "list": kind,
                    "product_id": p,
                    "score": s,
                    "rank": 1 if p != "b" else 2,
                }
                for u, kind, p, s in lists
            ],
        ),
        users=rows("features.users", *[{"user_id": u} for u in ("u1", "u2", "u3")]),
        products=rows(
            "features.products",
            *[
                {"product_id": p, "buyers": n, "purchase_days": n, "purchase_days_3": n}
                for p, n in (("a", 2), ("b", 1), ("c", 1))
            ],
        ),
        neighbours=rows(
            "similarity.neighbours",
            *[
                {"measure": f"user_{m}", "product_id": p, "neighbour_id": q, "similarity": s}
                for m, p, q, s in (
                    *[("linear", "a", "b", 0.3), ("linear", "a", "c", 0.1)],
                    *[("linear", "b", "a", 0.3), ("linear", "c", "a", 0.1)],
                    *[("cosine", "a", "b", 0.1), ("cosine", "a", "c", 0.3)],
                    ("cosine", "a", "unmodelled", 0.9),
                )
            ],
        ),
        habits=habits(all_purchases(days), NIGHT, settings.features),
        after=rows(
            "features.user_product_days",
            *[
                {"user_id": u, "product_id": p, "event_date": NIGHT + timedelta(days=1)}
                for u, p in after
            ],
        ),
    )


def test_relevant_leaves_out_strangers_and_products_never_sold(scored):
    truth = {(r["list"], r["user_id"]): sorted(r["relevant"]) for r in relevant(scored).collect()}
    assert truth == {
        ("merged", "u1"): ["a", "c"],
        ("again", "u1"): ["a"],
        ("new", "u1"): ["c"],
        ("merged", "u2"): ["b"],
        ("new", "u2"): ["b"],
    }


def test_ours_merges_by_score(scored):
    merged = {
        (r["user_id"], r["rank"]): r["product_id"]
        for r in ours(scored.recommendations, 10).where("list = 'merged'").collect()
    }
    assert merged == {("u1", 1): "a", ("u1", 2): "c", ("u1", 3): "b", ("u2", 1): "a"}


def test_baselines(scored):
    frequent = by_frequency(scored.habits, 10).where("list = 'merged' and user_id = 'u1'").collect()
    assert [r["product_id"] for r in sorted(frequent, key=lambda r: r["rank"])] == ["b", "a"]
    popular = by_popularity(scored, "purchase_days", "popularity", 2).collect()
    ranked = {(r["list"], r["user_id"], r["rank"]): r["product_id"] for r in popular}
    assert [ranked["merged", "u3", n] for n in (1, 2)] == ["a", "b"]
    assert {u: ranked["new", u, 1] for u in ("u1", "u2", "u3")} == {"u1": "c", "u2": "b", "u3": "a"}


@pytest.mark.parametrize(
    ("measure", "method", "of_u2"),
    [("user_cosine", "item_knn", ["c", "b"]), ("user_linear", "user_linear", ["b", "c"])],
)
def test_each_measure_of_users_is_a_baseline_of_its_own(scored, settings, measure, method, of_u2):
    """u2 bought a alone: what a speaks for, by that measure, among the products all know."""
    found = by_neighbours(scored, BuildContext(NIGHT, settings), measure).collect()
    assert {r["method"] for r in found} == {method}
    ranked = sorted((r["rank"], r["product_id"]) for r in found if r["user_id"] == "u2")
    assert [product for _, product in ranked] == of_u2


def test_figures_by_hand(scored, settings):
    night = BuildContext(NIGHT, settings)
    scores = user_scores(
        lists_of(scored, night), relevant(scored), scored.products, k=10, n_users=3
    )
    found = {(r["method"], r["segment"], r["metric"]): r["value"] for r in means(scores).collect()}
    # Merged: u1 is shown a, c first, both right: nDCG 1, recall 1; u2 is shown a, wrong: 0.
    assert found["lakeshop", "merged", "ndcg"] == pytest.approx(0.5)
    assert found["lakeshop", "merged", "recall"] == pytest.approx(0.5)
    assert found["lakeshop", "merged", "precision"] == pytest.approx((2 / 10 + 0) / 2)
    assert found["lakeshop", "merged", "hit_rate"] == pytest.approx(0.5)
    assert found["lakeshop", "merged", "users"] == 2
    # New: u1 gets c, right; u2 has no list of ours and counts as 0.
    assert found["lakeshop", "new", "ndcg"] == pytest.approx(0.5)
    # Popularity shows u1 c and u2 b as the first product they do not have: both right.
    assert found["popularity", "new", "ndcg"] == pytest.approx(1.0)


def test_gains_are_the_paired_interval_over_users(spark, contracts):
    rows = [
        (method, "merged", f"u{n}", float(value), night)
        for night in (1, 2)
        for n in range(4)
        for method, value in (("lakeshop", (n + night) / 8), ("popularity", n * night / 16))
    ]
    scores = spark.createDataFrame(
        rows, "method STRING, list STRING, user_id STRING, ndcg DOUBLE, night INT"
    )
    figure = contracts["ops.metrics"].task_schema(*FIGURE)
    found = {r["metric"]: r["value"] for r in ndcg_lift(scores, figure).collect()}
    differences = [(n + night) / 8 - n * night / 16 for night in (1, 2) for n in range(4)]
    expected = paired_interval(differences, [n for _ in (1, 2) for n in range(4)])
    assert found == {
        "ndcg_gain_of_ours": pytest.approx(expected.mean),
        "ndcg_gain_low": pytest.approx(expected.low),
        "ndcg_gain_high": pytest.approx(expected.high),
    }
