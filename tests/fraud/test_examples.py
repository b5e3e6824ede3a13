"""Which lines teach what, by both clocks."""

from datetime import date, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakeshop.fraud.examples import examples, newest_mature_day, with_label
from lakeshop.fraud.prequential import folds, thinned, weeks_before

DAY = date(2026, 3, 30)
LINE = "transaction_id STRING, business_date DATE, event_date DATE, is_refund BOOLEAN, n DOUBLE"
LABEL = "transaction_id STRING, business_date DATE, is_fraud BOOLEAN, pattern STRING"


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def lines(spark: SparkSession, *rows: tuple[str, int], refund: bool = False) -> DataFrame:
    """Lines from (id, days before DAY), delivered on the day they happened."""
    made = [(i, ago(days), ago(days), refund, float(days)) for i, days in rows]
    return spark.createDataFrame(made, LINE)


def labels(spark: SparkSession, *rows: tuple[str, int, bool]) -> DataFrame:
    """Labels from (id, days before DAY, verdict)."""
    made = [(i, ago(days), verdict, None) for i, days, verdict in rows]
    return spark.createDataFrame(made, LABEL)


@pytest.fixture
def options(settings):
    changes = {"maturity_days": 10, "train_days": 20, "validation_days": 5, "label_delay_days": 0}
    return settings.fraud.model_copy(update=changes)


def told(frame: DataFrame, *columns: str) -> dict[str, tuple[object, ...]]:
    return {r["transaction_id"]: tuple(r[c] for c in columns) for r in frame.collect()}


def test_a_young_line_is_not_genuine_and_an_old_one_without_label_is(spark, options):
    found = with_label(
        lines(spark, ("old", 10), ("young", 9), ("old fraud", 12), ("young fraud", 2)),
        labels(spark, ("old fraud", 3, True), ("young fraud", 1, True)),
        DAY,
        options,
    )
    assert told(found, "is_fraud") == {"old": (0.0,), "old fraud": (1.0,)}


def test_a_label_counts_from_the_day_it_was_known(spark, options):
    known = labels(spark, ("a", 5, True), ("b", 4, True), ("b", 1, False), ("c", 6, False))
    of_lines = lines(spark, ("a", 40), ("b", 40), ("c", 40))
    on = {
        days: told(with_label(of_lines, known, ago(days), options), "is_fraud")
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
    assert told(found, "is_fraud") == {"a": (0.0,), "b": (1.0,)}


def test_refunds_teach_nothing(spark, options):
    refunds = lines(spark, ("r", 20), refund=True)
    assert with_label(refunds, labels(spark), DAY, options).isEmpty()


def test_the_newest_mature_days_are_for_validation(spark, options):
    of_lines = lines(spark, *[(f"t{days}", days) for days in range(0, 60)])
    found = told(examples(of_lines, labels(spark), DAY, options), "is_validation")
    assert newest_mature_day(DAY, options) == ago(10)
    assert {i for i, (v,) in found.items() if v} == {f"t{days}" for days in range(10, 15)}
    assert {i for i, (v,) in found.items() if not v} == {f"t{days}" for days in range(15, 35)}


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
    late = spark.createDataFrame([("late", ago(1), ago(35), False, 0.0)], LINE)
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
