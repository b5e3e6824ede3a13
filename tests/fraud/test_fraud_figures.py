"""The figures of fraud: weeks by models of their time, drift, and nights as they were published."""

from datetime import timedelta

import pytest

from frauds import TRAINING_DAY
from lakeshop.fraud.methods import installed
from lakeshop.pipeline import build_tables


@pytest.fixture(scope="module")
def evaluated(fraud_nights):
    """A shop with two published nights, twelve days apart, and the figures of the second."""
    shop = fraud_nights
    for day in (TRAINING_DAY, TRAINING_DAY + timedelta(days=12)):
        run = shop.run(day)
        build_tables(run, "gold.fraud_scores")
        run.flush()
        shop.evaluate(day)
    return shop


@pytest.fixture(scope="module")
def figures(evaluated):
    rows = evaluated.lake.read("ops.metrics", TRAINING_DAY, TRAINING_DAY).collect()
    return {(r["subject"], r["method"], r["metric"], r["segment"]): r["value"] for r in rows}


def test_every_method_is_evaluated_on_the_same_lines(figures):
    methods = {m for (s, m, _, _) in figures if s == "fraud"}
    assert methods == {"tabm", "baseline_mlp", *installed()}
    for name in ("lines", "frauds"):
        assert len({figures["fraud", m, name, "all"] for m in methods}) == 1
    for method in methods:
        assert 0 < figures["fraud", method, "average_precision", "all"] <= 1
        reachable = figures["fraud", method, "precision@5_reachable", "all"]
        assert figures["fraud", method, "precision@5", "all"] <= reachable
    assert figures["fraud", "tabm", "average_precision", "all"] > 0.5


def test_weeks_patterns_and_groups_have_figures(figures):
    segments = {segment for (s, _, _, segment) in figures if s == "fraud"}
    assert len({x for x in segments if x.startswith("week ")}) == 2
    assert {"pattern amount", "pattern terminal"} <= segments
    assert {"age 18-34", "age 35+", "region north", "region south"} <= segments
    evenness = figures["fraud", "tabm", "false_positive_evenness", "age"]
    rates = [figures["fraud", "tabm", "false_positive_rate", f"age {a}"] for a in ("18-34", "35+")]
    assert evenness == pytest.approx(min(rates) / max(rates))


def test_inputs_that_stay_the_same_do_not_drift(figures):
    moved = {seg: v for (s, _, m, seg), v in figures.items() if (s, m) == ("fraud_drift", "psi")}
    assert 0 <= moved["hour"] < 0.1  # a constant; a night is a tenth of what it is compared with
    assert 0 < moved["line_amount"] < 1
    assert "score" in moved


def test_a_night_is_evaluated_as_it_was_published(evaluated, figures):
    found = {
        m: v for (s, _, m, seg), v in figures.items() if (s, seg) == ("fraud_published", "all")
    }
    night = evaluated.lake.read("gold.fraud_scores", TRAINING_DAY, TRAINING_DAY).collect()
    scored = [row for row in night if row["score"] is not None]
    assert found["lines"] == len(scored)
    assert found["frauds"] == sum(evaluated.truth[row["transaction_id"]] for row in scored)


def test_evaluating_again_writes_nothing(evaluated):
    version = evaluated.lake.version("ops.metrics")
    evaluated.evaluate(TRAINING_DAY + timedelta(days=12))
    assert evaluated.lake.version("ops.metrics") == version


def test_subjects_of_a_day_do_not_remove_each_other(figures):
    assert {s for (s, _, _, _) in figures} == {"fraud", "fraud_drift", "fraud_published"}
