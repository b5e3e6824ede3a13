"""Models of a training day, and the lines that they are trained on."""

import json
from datetime import timedelta

import numpy as np
import pytest
from pyspark.sql import DataFrame

from fraud.labelled_lines import DAY, ago, labels, lines, options_of
from frauds import TRAINING_DAY, fraud_shop
from lakeshop.fraud.promotion import Slice, figures, promoted, scores
from lakeshop.fraud.training import INPUTS, examples, newest_mature_day, with_label
from lakeshop.training.registry import LAYER_MODULES, champion, model_of, sha256_of


def models(shop, day=TRAINING_DAY):
    return {row["method"]: row for row in shop.lake.read("models.fraud", day, day).collect()}


def test_candidates_are_trained_and_the_best_becomes_champion(fraud_nights):
    found = models(fraud_nights)
    assert set(found) == {"tabm", "baseline_mlp"}
    precision = {m: json.loads(row["metrics"])["average_precision"] for m, row in found.items()}
    best = max(precision, key=lambda method: precision[method])
    assert {m for m, row in found.items() if row["is_champion"]} == {best}
    assert precision[best] > 0.5
    for row in found.values():
        assert row["sha256"] == sha256_of(bytes(row["model"]))
        assert (row["code"], list(row["inputs"])) == ("code", list(INPUTS))
        assert any(version.startswith("features.transactions@") for version in row["data"])
        assert row["trained_to"] == TRAINING_DAY - timedelta(days=12)
        assert json.loads(row["parameters"])["plan"]["shards"] == 2


def test_a_model_file_leads_from_raw_inputs_to_a_probability(fraud_nights):
    row = champion(fraud_nights.lake.read("models.fraud"), "fraud")
    model = model_of(bytes(row["model"]), row["sha256"], LAYER_MODULES)
    raw = np.zeros((3, len(INPUTS)), np.float32)
    raw[1], raw[2] = np.nan, np.inf
    found = scores(model, raw)
    assert ((found >= 0) & (found <= 1)).all()


def test_training_again_gives_the_same_bytes_and_trains_nothing(fraud_nights, caplog):
    before = {m: row["sha256"] for m, row in models(fraud_nights).items()}
    rounds = fraud_nights.lake.read("ops.rounds").count()
    run = fraud_nights.run(TRAINING_DAY)
    run.code = lambda _table: "newer code"  # so that the day is not skipped as published
    from lakeshop.pipeline import build_tables

    build_tables(run, "models.fraud")
    assert {m: row["sha256"] for m, row in models(fraud_nights).items()} == before
    assert fraud_nights.lake.read("ops.rounds").count() == rounds


def test_a_night_between_training_days_trains_nothing(fraud_nights):
    version = fraud_nights.lake.version("models.fraud")
    fraud_nights.train(TRAINING_DAY + timedelta(days=6))
    assert fraud_nights.lake.version("models.fraud") == version


@pytest.fixture(scope="module")
def unlabelled(spark, tmp_path_factory):
    """A shop without labels whose model of the training day is trained."""
    shop = fraud_shop(spark, tmp_path_factory.mktemp("unlabelled") / "lake", labelled=False)
    shop.train()
    return shop


def test_without_labels_an_autoencoder_is_trained(unlabelled):
    (row,) = models(unlabelled).values()
    assert (row["method"], row["is_champion"]) == ("autoencoder", True)
    assert json.loads(row["metrics"])["is_taught"] is False
    runs = unlabelled.lake.read("ops.runs").where("table_name = 'models.fraud'").collect()
    assert any("without labels" in text for r in runs for text in r["warnings"])
    quantiles = row["score_quantiles"]
    assert quantiles == sorted(quantiles)
    assert quantiles[100] == pytest.approx(0.5, abs=0.02)


def test_too_few_days_train_no_model_and_warn(spark, tmp_path):
    shop = fraud_shop(spark, tmp_path / "lake", train_days=40, maturity_days=70)
    shop.train()
    assert models(shop) == {}
    run = shop.lake.read("ops.runs").where("table_name = 'models.fraud'").first()
    assert "no fraud model" in run["warnings"][0]


def candidate(method, precision):
    return {"method": method, "metrics": {"average_precision": precision}, "is_champion": False}


HELD_OUT = Slice(("a",), np.zeros((4, 1)), np.array([0.0, 1.0, 0.0, 1.0]))


def test_the_first_candidates_best_is_promoted():
    rows = promoted([candidate("a", 0.2), candidate("b", 0.4)], None, HELD_OUT, is_taught=True)
    assert [row["is_champion"] for row in rows] == [False, True]


@pytest.mark.parametrize(("precision", "is_new"), [(0.49, False), (0.5, True), (0.6, True)])
def test_a_candidate_must_not_be_worse_than_the_present_one(monkeypatch, precision, is_new):
    monkeypatch.setattr("lakeshop.fraud.promotion.scores_of_row", lambda *_: np.zeros(4))
    present = {"metrics": json.dumps({"is_taught": True})}
    assert figures(HELD_OUT, np.zeros(4))["average_precision"] == 0.5
    (row,) = promoted([candidate("a", precision)], present, HELD_OUT, is_taught=True)
    assert row["is_champion"] is is_new
    assert json.loads(row["metrics"])["present"]["average_precision"] == 0.5


@pytest.mark.parametrize("was_supervised", [True, False])
def test_an_unsupervised_model_never_replaces_a_supervised_one(monkeypatch, was_supervised):
    monkeypatch.setattr("lakeshop.fraud.promotion.scores_of_row", lambda *_: np.zeros(4))
    present = {"metrics": json.dumps({"is_taught": was_supervised})}
    (row,) = promoted([candidate("a", None)], present, HELD_OUT, is_taught=False)
    assert row["is_champion"] is not was_supervised


def test_a_present_model_of_other_inputs_is_replaced():
    present = {"inputs": ["gone"], "metrics": json.dumps({"is_taught": True})}
    (row,) = promoted([candidate("a", 0.1)], present, HELD_OUT, is_taught=True)
    assert row["is_champion"]


@pytest.fixture
def options(settings):
    return options_of(settings.fraud)


def by_line(frame: DataFrame, *columns: str) -> dict[str, tuple[object, ...]]:
    return {r["transaction_id"]: tuple(r[c] for c in columns) for r in frame.collect()}


def test_a_young_line_is_not_genuine_and_an_old_one_without_label_is(spark, options):
    found = with_label(
        lines(spark, ("old", 10), ("young", 9), ("old fraud", 12), ("young fraud", 2)),
        labels(spark, ("old fraud", 3, True), ("young fraud", 1, True)),
        DAY,
        options,
    )
    assert by_line(found, "is_fraud") == {"old": (0.0,), "old fraud": (1.0,)}


def test_a_label_counts_from_the_day_it_was_known(spark, options):
    known = labels(spark, ("a", 5, True), ("b", 4, True), ("b", 1, False), ("c", 6, False))
    of_lines = lines(spark, ("a", 40), ("b", 40), ("c", 40))
    on = {
        days: by_line(with_label(of_lines, known, ago(days), options), "is_fraud")
        for days in (6, 5, 4, 1)
    }
    assert on[6] == {"a": (0.0,), "b": (0.0,), "c": (0.0,)}
    assert on[5] == {"a": (1.0,), "b": (0.0,), "c": (0.0,)}
    assert on[4] == {"a": (1.0,), "b": (1.0,), "c": (0.0,)}
    assert on[1] == {"a": (1.0,), "b": (0.0,), "c": (0.0,)}  # revised


def test_labels_delivered_with_the_lines_wait_for_their_delay(spark, options):
    """A public data set tells at once what a shop would learn a week later."""
    late = options.model_copy(update={"label_delay_days": 15})
    known = labels(spark, ("a", 12, True), ("b", 20, True))
    found = with_label(lines(spark, ("a", 12), ("b", 20)), known, DAY, late)
    assert by_line(found, "is_fraud") == {"a": (0.0,), "b": (1.0,)}


def test_refunds_are_no_examples(spark, options):
    refunds = lines(spark, ("r", 20), refund=True)
    assert with_label(refunds, labels(spark), DAY, options).isEmpty()


def test_the_newest_mature_days_are_for_validation(spark, options):
    of_lines = lines(spark, *[(f"t{days}", days) for days in range(0, 60)])
    found = by_line(examples(of_lines, labels(spark), DAY, options), "is_validation")
    assert newest_mature_day(DAY, options) == ago(10)
    assert {i for i, (v,) in found.items() if v} == {f"t{days}" for days in range(10, 15)}
    assert {i for i, (v,) in found.items() if not v} == {f"t{days}" for days in range(15, 35)}
