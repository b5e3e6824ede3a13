"""The derived column of fraud labels."""

from datetime import date, datetime

from lakeshop.silver.events import Surroundings
from lakeshop.silver.fraud_labels import DERIVED, fraud_labels


def test_the_day_is_that_on_which_the_label_became_known(spark):
    rows = spark.createDataFrame(
        [("t1", datetime(2026, 3, 11, 3, 59)), ("t2", None)],
        "transaction_id STRING, occurred_at TIMESTAMP",
    )
    found = fraud_labels(rows, Surroundings({}, "America/New_York"))
    assert set(found.columns) - set(rows.columns) == DERIVED
    days = {row["transaction_id"]: row["event_date"] for row in found.collect()}
    assert days == {"t1": date(2026, 3, 10), "t2": None}
