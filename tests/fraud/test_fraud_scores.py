"""Scores of a night: without a model, by one that knows labels, and with rows nobody can read."""

from datetime import timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from frauds import TRAINING_DAY
from lakeshop.engine.context import BuildContext
from lakeshop.errors import ModelError
from lakeshop.fraud.fraud_scores import fraud_scores
from lakeshop.fraud.training import INPUTS
from lakeshop.training.registry import champion

NIGHT = TRAINING_DAY + timedelta(days=2)


def scored(shop, lines=None, models=None, **changes):
    """Rows of gold.fraud_scores by line, of the lines of NIGHT where none are given."""
    lake = shop.lake
    of_night = lake.read("features.transactions", NIGHT, NIGHT) if lines is None else lines
    tables = {
        "features.transactions": of_night,
        "models.fraud": lake.read("models.fraud", None, NIGHT) if models is None else models,
    }
    fraud = shop.settings.fraud.model_copy(update=changes)
    night = BuildContext(NIGHT, shop.settings.model_copy(update={"fraud": fraud}))
    found = {row["transaction_id"]: row for row in fraud_scores(tables, night).collect()}
    night.release()
    return found


@pytest.fixture(scope="module")
def without_model(fraud_nights):
    return scored(fraud_nights, models=fraud_nights.lake.empty_frame("models.fraud"))


@pytest.fixture(scope="module")
def by_model(fraud_nights):
    return scored(fraud_nights)


def test_before_there_is_a_model_amounts_are_compared_with_the_customers_own(without_model):
    assert {row["method"] for row in without_model.values()} == {"amount_deviation"}
    for row in without_model.values():
        assert row["probability"] is None
        assert row["model_date"] is None
        if row["is_refund"] or row["amount_z"] is None:
            assert row["score"] is None
        else:
            assert row["score"] == pytest.approx(max(row["amount_z"], 0), abs=1e-6)
    alerts = [row for row in without_model.values() if row["decision"] != "pass"]
    assert alerts
    assert all(row["score"] > 6 for row in alerts)
    assert all("standard deviations above" in row["reasons"][0] for row in alerts)


def test_a_customer_with_few_lines_is_no_outlier(fraud_nights):
    of_night = fraud_nights.lake.read("features.transactions", NIGHT, NIGHT)
    few = of_night.withColumn("user_count", F.lit(19.0))
    found = scored(fraud_nights, few, models=fraud_nights.lake.empty_frame("models.fraud"))
    assert {row["score"] for row in found.values()} == {None}
    assert {row["decision"] for row in found.values()} == {"pass"}


def test_the_champion_scores_every_line_but_refunds(fraud_nights, by_model):
    model = champion(fraud_nights.lake.read("models.fraud"), "fraud")
    assert {row["method"] for row in by_model.values()} == {model["method"]}
    assert {row["model_sha256"] for row in by_model.values()} == {model["sha256"]}
    for row in by_model.values():
        assert (row["score"] is None) == row["is_refund"]
        assert row["probability"] == row["score"]
        assert row["score"] is None or 0 <= row["score"] <= 1
    truth = [fraud_nights.truth[i] for i, row in by_model.items() if row["score"] is not None]
    score = [row["score"] for row in by_model.values() if row["score"] is not None]
    frauds = np.array(score)[np.array(truth)]
    assert frauds.mean() > 5 * np.mean(score)


def test_alerts_have_reasons_and_others_none(by_model):
    for row in by_model.values():
        assert bool(row["reasons"]) == (row["decision"] != "pass")
        assert len(row["reasons"]) <= 3
    alerts = [row for row in by_model.values() if row["decision"] != "pass"]
    assert any("amount" in row["reasons"][0] or "store" in row["reasons"][0] for row in alerts)


def test_scores_do_not_depend_on_partitions(fraud_nights, by_model):
    lines = fraud_nights.lake.read("features.transactions", NIGHT, NIGHT).repartition(7)
    again = scored(fraud_nights, lines)
    columns = ("score", "customer_rank", "decision", "reasons")
    assert {i: [row[c] for c in columns] for i, row in again.items()} == {
        i: [row[c] for c in columns] for i, row in by_model.items()
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None, 1e300])
def test_a_row_that_cannot_be_read_never_fails_the_night(fraud_nights, by_model, value):
    lines = fraud_nights.lake.read("features.transactions", NIGHT, NIGHT)
    odd = min(by_model)
    spoilt = [
        F.when(F.col("transaction_id") == odd, F.lit(value)).otherwise(F.col(c)) for c in INPUTS
    ]
    found = scored(fraud_nights, lines.withColumns(dict(zip(INPUTS, spoilt, strict=True))))
    others = {i: row["score"] for i, row in found.items() if i != odd}
    assert others == {i: row["score"] for i, row in by_model.items() if i != odd}
    assert found[odd]["score"] is None or 0 <= found[odd]["score"] <= 1


def test_an_altered_model_is_refused(fraud_nights):
    models = fraud_nights.lake.read("models.fraud", None, NIGHT)
    altered = models.withColumn("model", F.concat("model", F.lit(b"x")))
    with pytest.raises(ModelError, match=r"SHA-256 under which it was registered.*altered"):
        scored(fraud_nights, models=altered)


def test_a_model_of_a_later_day_is_not_seen(fraud_nights):
    eve = TRAINING_DAY - timedelta(days=1)
    assert champion(fraud_nights.lake.read("models.fraud", None, eve), "fraud") is None
