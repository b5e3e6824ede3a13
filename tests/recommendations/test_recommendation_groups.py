"""Figures of groups of users against plain loops, and the groups that a report names."""

import logging
from collections import Counter, defaultdict
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import all_purchases
from lakeshop.engine.metrics import FIGURE
from lakeshop.features.user_products import habits
from lakeshop.ml.groups import LEAST_GROUP
from lakeshop.ml.ranking import gini
from lakeshop.recommendations import evaluation
from lakeshop.recommendations.evaluation import exposures
from lakeshop.recommendations.groups import group_figures, user_groups, with_groups
from lakeshop.recommendations.methods import ours
from lakeshop.recommendations.report import report

NIGHT = date(2026, 3, 10)
GROUPS = "user_id STRING, groups ARRAY<STRING>"


def test_groups_are_what_the_shop_knows_and_thirds_of_activity(rows):
    visits = [0, 0, 0, 1, 1, 2, 5, 5, 5, 20]
    users = rows(
        "features.users",
        *[{"user_id": f"u{n}", "visit_days_long": days} for n, days in enumerate(visits)],
    )
    versions = rows(
        "silver.users",
        {"user_id": "u0", "age_band": "25-34", "region": "north", "business_date": NIGHT},
        {"user_id": "u0", "age_band": "35-44", "business_date": NIGHT + timedelta(days=1)},
        {"user_id": "u9", "region": "south"},
        {"user_id": "stranger", "region": "south"},
    )
    low, middle = np.quantile(visits, [1 / 3, 2 / 3])
    third = ["low" if v <= low else "middle" if v <= middle else "high" for v in visits]
    assert third == ["low"] * 5 + ["middle"] * 4 + ["high"]  # equal users stay together
    expected = {f"u{n}": [f"activity {name}"] for n, name in enumerate(third)}
    expected["u0"].insert(0, "age 35-44")
    expected["u9"].insert(0, "region south")
    assert dict(user_groups(users, versions).collect()) == expected


def test_a_night_without_users_has_no_groups(rows):
    assert user_groups(rows("features.users"), rows("silver.users")).isEmpty()


def test_figures_of_groups_equal_a_plain_loop(spark):
    generator = np.random.default_rng(2)
    names = [("age young", "region north"), ("age old",), ("age old", "region south"), ()]
    of_user = {f"u{n}": names[n % 4] for n in range(40)} | {"u40": ("region tiny",)}
    scores = [
        (method, kind, user, float(generator.uniform()))
        for method in ("lakeshop", "popularity")
        for kind in ("merged", "new")
        for user in of_user
    ]
    found = group_figures(
        spark.createDataFrame(scores, "method STRING, list STRING, user_id STRING, ndcg DOUBLE"),
        spark.createDataFrame([(u, list(g)) for u, g in of_user.items()], GROUPS),
        least=5,
    )
    values = {(segment, metric): value for _, metric, segment, value in found}
    assert {method for method, *_ in found} == {"lakeshop"}
    assert {segment for segment, _ in values} == {
        f"{kind} {group}"
        for kind in ("merged", "new")
        for group in ("age young", "age old", "region north", "region south")
    }
    for segment in {segment for segment, _ in values}:
        kind, group = segment.split(" ", 1)
        ours = [(u, v) for method, k, u, v in scores if (method, k) == ("lakeshop", kind)]
        inside = [v for u, v in ours if group in of_user[u]]
        others = [v for u, v in ours if group not in of_user[u]]
        assert values[segment, "users"] == len(inside)
        assert values[segment, "ndcg"] == pytest.approx(np.mean(inside), abs=1e-6)
        gap = np.mean(inside) - np.mean(others)
        half = 1.96 * np.sqrt(
            np.var(inside, ddof=1) / len(inside) + np.var(others, ddof=1) / len(others)
        )
        assert values[segment, "ndcg_gap"] == pytest.approx(gap, abs=1e-5)
        assert values[segment, "ndcg_gap_low"] == pytest.approx(gap - half, abs=1e-4)
        assert values[segment, "ndcg_gap_high"] == pytest.approx(gap + half, abs=1e-4)


def test_a_group_of_all_users_has_no_gap(spark):
    scores = [("lakeshop", "merged", f"u{n}", n / 5) for n in range(5)]
    found = group_figures(
        spark.createDataFrame(scores, "method STRING, list STRING, user_id STRING, ndcg DOUBLE"),
        spark.createDataFrame([(f"u{n}", ["activity low"]) for n in range(5)], GROUPS),
        least=5,
    )
    values = {metric: value for _, metric, _, value in found}
    assert values.pop("ndcg") == pytest.approx(0.4, abs=1e-6)
    assert values == {
        "users": 5, "ndcg_gap": None, "ndcg_gap_low": None, "ndcg_gap_high": None
    }  # fmt: skip


def test_exposure_of_groups_equals_a_plain_loop(spark, contracts):
    generator = np.random.default_rng(3)
    of_user = {f"u{n}": [["age young"], ["age old", "region south"], []][n % 3] for n in range(12)}
    lists = [
        (method, kind, user, rank, f"p{product}")
        for method in ("lakeshop", "popularity")
        for kind in ("again", "new")
        for user in of_user
        for rank, product in enumerate(generator.choice(9, size=3, replace=False), start=1)
    ]
    types = "method STRING, list STRING, user_id STRING, rank INT, product_id STRING"
    groups = spark.createDataFrame(list(of_user.items()), GROUPS)
    shown = with_groups(spark.createDataFrame(lists, types), groups)
    figure = contracts["ops.metrics"].task_schema(*FIGURE)
    found = {tuple(row)[:3]: row["value"] for row in exposures(shown, 20, figure).collect()}

    times: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for method, kind, user, _, product in lists:
        own = [f"{kind} {group}" for group in of_user[user] if method == "lakeshop"]
        for segment in (kind, *own):
            times[method, segment][product] += 1
    assert len(times) == 2 * 2 + 2 * 3
    expected = {}
    for (method, segment), counts in times.items():
        expected[method, "coverage", segment] = len(counts) / 20
        expected[method, "gini", segment] = gini(list(counts.values()), 20)
    assert found == pytest.approx(expected)


@pytest.fixture
def night(rows, settings, contracts):
    """A night that shows the young what they then buy, and the old what they do not."""
    users = [f"{age}{n}" for age in ("young", "old") for n in range(LEAST_GROUP)]
    after = [(user, "a") for user in users]
    before = [(user, product) for user in users for product in ("a", "b")]
    days = {
        age: [
            {"user_id": u, "product_id": p, "event_date": NIGHT + timedelta(days=age)}
            for u, p in pairs
        ]
        for age, pairs in ((-3, before), (1, after))
    }
    purchases = all_purchases(rows("features.user_product_days", *days[-3]))
    tables = {
        "gold.recommendations": rows(
            "gold.recommendations",
            *[
                {"user_id": u, "list": "again", "product_id": "a" if "y" in u else "b"}
                for u in users
            ],
        ),
        "features.users": rows("features.users", *[{"user_id": u} for u in users]),
        "features.products": rows(
            "features.products", *[{"product_id": p, "buyers": 200} for p in "abcd"]
        ),
        "features.user_products": habits(purchases, NIGHT, settings.features),
        "features.user_product_days": rows("features.user_product_days", *days[1]),
        "silver.users": rows(
            "silver.users", *[{"user_id": u, "age_band": u.rstrip("0123456789")} for u in users]
        ),
        "similarity.neighbours": rows("similarity.neighbours"),
    }
    published = {}
    context = SimpleNamespace(
        settings=settings,
        figure=contracts["ops.metrics"].task_schema(*FIGURE),
        read=lambda table, *_: tables[table],
        read_newest=lambda table, _: tables[table],
        rows=lambda table, _: tables[table].count(),
        cache=lambda frame: frame.cache(),
        content=lambda table, _: table,
        contents=lambda table, *_: table,
        publish=lambda day, subject, figures, source: published.update(
            {(m, name, segment): value for m, name, segment, value in figures}
        ),
    )
    return context, published


def test_a_night_publishes_its_groups_and_tells_who_is_served_worse(night, monkeypatch, caplog):
    context, published = night
    # Baselines have no groups, and take their time.
    monkeypatch.setattr(evaluation, "lists_of", lambda scored, _: ours(scored.recommendations, 10))
    with caplog.at_level(logging.INFO, "lakeshop"):
        evaluation._night_scores(context, NIGHT)
    assert {method for method, *_ in published} == {"lakeshop"}
    found = {key[1:]: value for key, value in published.items()}
    assert {segment for _, segment in found} == {
        *("merged", "again"),
        *(f"{kind} {group}" for kind in ("merged", "again") for group in GROUP_NAMES),
    }
    assert found["ndcg", "again age young"] == 1
    assert found["ndcg", "again age old"] == 0
    assert found["ndcg_gap_high", "again age old"] == -1
    assert (found["coverage", "again"], found["coverage", "again age old"]) == (0.5, 0.25)
    # Two of four products, equally often: (1 + 3) * 100 / (3 * 200); in a group one alone.
    assert found["gini", "again"] == pytest.approx(2 / 3)
    assert found["gini", "again age old"] == 1
    assert found["ndcg_gap", "again activity low"] is None
    assert "served worse: again age old, 100 users: ndcg@10 0.0000, less that" in caplog.text
    assert "served worse: again age young" not in caplog.text
    assert "served worse: again activity low" not in caplog.text


GROUP_NAMES = ("age young", "age old", "activity low")


def test_a_group_within_chance_is_not_told_of(settings, caplog):
    figures = [
        ("lakeshop", "users", "new", 300.0),
        *[
            ("lakeshop", metric, f"new age {age}", value)
            for age, gap in (("18-34", (-0.02, -0.03, -0.01)), ("35+", (-0.02, -0.05, 0.01)))
            for metric, value in (
                *zip(("ndcg_gap", "ndcg_gap_low", "ndcg_gap_high"), gap, strict=True),
                *(("users", 120.0), ("ndcg", 0.25), ("coverage", 0.1), ("gini", 0.9)),
            )
        ],
    ]
    with caplog.at_level(logging.INFO, "lakeshop"):
        report("2026-03-10", figures, settings)
    assert (
        "served worse: new age 18-34, 120 users: ndcg@10 0.2500, less that of all others "
        "-0.0200 [-0.0300, -0.0100]; coverage 0.1000, gini 0.9000"
    ) in caplog.text
    assert "35+" not in caplog.text


def test_a_list_of_which_nobody_bought_anything_is_reported(settings, caplog):
    with caplog.at_level(logging.INFO, "lakeshop"):
        report("2026-03-10", [("lakeshop", "coverage", "new", 0.5)], settings)
    assert "new, 0 users" in caplog.text
