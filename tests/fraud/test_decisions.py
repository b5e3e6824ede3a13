"""Decisions by budget and by cost, against a loop over customers and against NumPy."""

import random
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakeshop.config.settings import Settings
from lakeshop.fraud.decisions import with_decision
from lakeshop.fraud.settings import Fraud
from lakeshop.ml.alerts import among_riskiest, precision_at

LINE = (
    "transaction_id STRING, order_id STRING, user_id STRING, amount DECIMAL(12,2), "
    "score DOUBLE, probability DOUBLE"
)


def options(settings: Settings, **changes: object) -> Fraud:
    return settings.fraud.model_copy(update=changes)


def lines(spark: SparkSession, *rows: tuple[object, ...]) -> DataFrame:
    """Lines from (id, user, amount, score, probability); the order is `o` and the id."""
    made = [(i, f"o{i}", user, Decimal(str(amount)), s, p) for i, user, amount, s, p in rows]
    return spark.createDataFrame(made, LINE)


def decisions(decided: DataFrame) -> dict[str, tuple[object, ...]]:
    return {r["transaction_id"]: (r["customer_rank"], r["decision"]) for r in decided.collect()}


def test_budget_by_hand(spark, settings):
    found = decisions(
        with_decision(
            lines(
                spark,
                ("a1", "a", 10, 0.7, 0.7),
                ("a2", "a", 10, 0.2, 0.2),  # the same customer, less risky than the last alert
                ("b1", "b", 10, 0.5, 0.5),
                ("b2", "b", 10, 0.6, 0.6),
                ("c1", None, 10, 0.4, 0.4),  # a guest
                ("d1", "d", 10, 0.99, 0.99),
                ("e1", "e", -10, None, None),  # a refund
                ("e2", "e", 10, 0.0, 0.0),
            ),
            options(settings, alerts_per_day=3),
        )
    )
    assert found == {
        "d1": (1, "block"),
        "a1": (2, "review"),
        "a2": (2, "pass"),
        "b2": (3, "review"),
        "b1": (3, "pass"),
        "c1": (4, "pass"),
        "e1": (None, "pass"),
        "e2": (5, "pass"),
    }


def test_ties_go_by_customer_and_never_exceed_the_budget(spark, settings):
    rows = [(f"t{n}", f"u{n}", 1, 0.5, None) for n in range(9)]
    found = decisions(with_decision(lines(spark, *rows), options(settings, alerts_per_day=4)))
    assert {t for t, (_, decision) in found.items() if decision == "review"} == {
        "t0", "t1", "t2", "t3"
    }  # fmt: skip


def test_a_score_of_nothing_is_no_alert_where_the_budget_is_large(spark, settings):
    rows = [("t1", "u1", 1, 0.0, None), ("t2", "u2", 1, 3.0, None)]
    found = decisions(with_decision(lines(spark, *rows), options(settings, alerts_per_day=9)))
    assert found == {"t1": (2, "pass"), "t2": (1, "review")}


def test_by_cost_a_review_must_be_worth_it(spark, settings):
    rows = [
        ("t1", "u1", 100, 0.06, 0.06),  # expected loss 6
        ("t2", "u2", 10, 0.4, 0.4),  # 4
        ("t3", "u3", 1, 0.99, 0.99),
        ("t4", "u4", 900, 0.9, None),  # without probability nothing is expected
    ]
    by_cost = options(settings, policy="cost", review_cost=5.0, alerts_per_day=1)
    decided = with_decision(lines(spark, *rows), by_cost)
    assert {t: d for t, (_, d) in decisions(decided).items()} == {
        "t1": "review", "t2": "pass", "t3": "block", "t4": "pass"
    }  # fmt: skip
    losses = {r["transaction_id"]: r["expected_loss"] for r in decided.collect()}
    assert losses == {"t1": 6.0, "t2": 4.0, "t3": 0.99, "t4": None}


def test_customers_can_rank_by_expected_loss(spark, settings):
    rows = [("t1", "u1", 100, 0.1, 0.1), ("t2", "u2", 5, 0.9, 0.9)]
    by_loss = options(settings, rank_by="expected_loss", alerts_per_day=1)
    found = decisions(with_decision(lines(spark, *rows), by_loss))
    assert found == {"t1": (1, "review"), "t2": (2, "pass")}


@pytest.mark.parametrize("seed", range(3))
def test_budget_equals_a_loop(spark, settings, seed):
    chance = random.Random(seed)
    users, scores = ["a", "b", "c", "d", "e", None], [None, 0.0, 0.2, 0.4, 0.6]
    rows = [(f"t{n}", chance.choice(users), 2, chance.choice(scores), None) for n in range(25)]
    best: dict[str, float] = {}
    for i, user, _, score, _ in rows:
        if score is not None:
            best[user or f"o{i}"] = max(score, best.get(user or f"o{i}", 0.0))
    order = sorted(best, key=lambda customer: (-best[customer], customer))
    limit = min((best[c] for c in order[:3]), default=0)
    wanted = {
        i: (
            order.index(user or f"o{i}") + 1 if score is not None else None,
            "review" if score and score >= limit and (user or f"o{i}") in order[:3] else "pass",
        )
        for i, user, _, score, _ in rows
    }
    frame = lines(spark, *rows).repartition(3)
    assert decisions(with_decision(frame, options(settings, alerts_per_day=3))) == wanted


@pytest.mark.parametrize("k", [1, 4, 9])
def test_the_table_and_its_evaluation_agree_on_ties(spark, settings, k):
    """Customers of equal risk, with ids that sort by code points: digits, capitals, others."""
    users = ["b", "a", "B", "A", "10", "9", "\u00e9", "\uff5e", "\U0001f600", None]
    rows = [(f"t{n}", users[n % 10], 1, 0.5 if n % 7 else 0.25, None) for n in range(20)]
    decided = with_decision(lines(spark, *rows), options(settings, alerts_per_day=k)).collect()
    by_table = {r["transaction_id"]: r["customer_rank"] <= k for r in decided}
    customers = [user or f"o{i}" for i, user, *_ in rows]
    scores = [score for *_, score, _ in rows]
    is_among = among_riskiest(["d"] * len(rows), customers, scores, k)
    assert by_table == {row[0]: bool(found) for row, found in zip(rows, is_among, strict=True)}
    for row, found in zip(rows, is_among, strict=True):
        customer = row[1] or f"o{row[0]}"
        target = [float(name == customer) for name in customers]
        top = precision_at(["d"] * len(rows), customers, target, scores, k)
        assert top.precision == pytest.approx(found / k)
