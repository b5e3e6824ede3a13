"""The derived column of fraud labels."""

from datetime import date, datetime

from lakeshop.silver.entities import FRAUD_LABELS_DERIVED, CleaningContext, fraud_labels


def test_the_day_is_that_on_which_the_label_became_known(spark):
    rows = spark.createDataFrame(
        [("t1", datetime(2026, 3, 11, 3, 59)), ("t2", None)],
        "transaction_id STRING, occurred_at TIMESTAMP",
    )
    found = fraud_labels(rows, CleaningContext({}, "America/New_York"))
    assert set(found.columns) - set(rows.columns) == FRAUD_LABELS_DERIVED
    days = {row["transaction_id"]: row["event_date"] for row in found.collect()}
    assert days == {"t1": date(2026, 3, 10), "t2": None}
