"""Folds of the prequential evaluation, by both clocks."""

from datetime import datetime

import pytest

from fraud.labelled_lines import DAY, LINE, ago, labels, lines, options_of
from lakeshop.fraud.prequential import folds, thinned, weeks_before


@pytest.fixture
def options(settings):
    return options_of(settings.fraud)


def test_folds_learn_what_was_known_before_their_week(spark, options):
    two = options.model_copy(update={"report_weeks": 2, "report_lines": 1000})
    first, second = weeks_before(DAY, two)
    assert (first.first, first.last, second.last) == (ago(23), ago(17), ago(10))
    of_lines = lines(spark, *[(f"t{days}", days) for days in range(0, 80)])
    # t40 becomes known between the eves of the two weeks.
    found = folds(of_lines, labels(spark, ("t40", 20, True), ("t18", 1, True)), DAY, two)
    rows = [r.asDict() for r in found.collect()]
    for week in (first, second):
        mine = [r for r in rows if r["fold"] == week.first]
        tested = {r["transaction_id"]: r["is_fraud"] for r in mine if not r["is_train"]}
        learned = {r["transaction_id"]: r["is_fraud"] for r in mine if r["is_train"]}
        age = (DAY - week.first).days
        assert set(tested) == {f"t{days}" for days in range(age - 6, age + 1)}
        newest = age + 1 + two.maturity_days
        assert set(learned) == {f"t{d}" for d in range(newest, newest + two.train_days + 1)}
        assert learned.get("t40") == (1.0 if week is second else 0.0)
        assert tested.get("t18", 1.0) == 1.0


def test_a_line_delivered_late_is_unknown_on_the_eve(spark, options):
    one = options.model_copy(update={"report_weeks": 1, "report_lines": 1000})
    late = spark.createDataFrame([("late", ago(1), ago(35), False, 0.0, None)], LINE)
    on_time = lines(spark, ("t30", 30), ("t12", 12))
    found = folds(late.unionByName(on_time), labels(spark), DAY, one).collect()
    assert {r["transaction_id"] for r in found if r["is_train"]} == {"t30"}


def test_too_many_genuine_lines_are_thinned_and_weigh_more(spark):
    rows = [(f"t{n}", float(n % 10 == 0), datetime(2026, 3, 1)) for n in range(1000)]
    frame = spark.createDataFrame(rows, "transaction_id STRING, is_fraud DOUBLE, at TIMESTAMP")
    kept = thinned(frame, 200).collect()
    frauds = [r for r in kept if r["is_fraud"] == 1]
    genuine = [r for r in kept if r["is_fraud"] == 0]
    assert (len(frauds), {r["weight"] for r in frauds}) == (100, {1.0})
    assert {r["weight"] for r in genuine} == {5.0}  # 900 of at most 200
    assert 130 <= len(genuine) <= 230
    again = thinned(frame.repartition(5), 200).collect()
    assert {r["transaction_id"] for r in again} == {r["transaction_id"] for r in kept}
    assert all(r["weight"] == 1.0 for r in thinned(frame, 900).collect())
