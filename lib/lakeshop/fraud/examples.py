"""What fraud models learn from: order lines whose label is known, or old enough to need none.

Two clocks: when a line happened, and when it was known to be fraud. A line learns its label
weeks later, and a genuine line mostly none at all. So a line without a label is genuine only
once `maturity_days` have passed; a younger one is not genuine but not yet judged, and left
out, labelled or not: of young lines only the frauds would be known.
"""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.transforms import latest_versions
from lakeshop.fraud.settings import Fraud

TARGET = "is_fraud"
IS_VALIDATION = "is_validation"


def known_labels(labels: DataFrame, day: date) -> DataFrame:
    """transaction_id, is_fraud, pattern: the newest label of each line as known on a day.

    Args:
        labels: versions of silver.fraud_labels.
        day: those delivered later are not known.
    """
    known = latest_versions(labels.where(F.col(BUSINESS_DATE) <= F.lit(day)), ["transaction_id"])
    return known.select("transaction_id", "is_fraud", "pattern")


def with_label(lines: DataFrame, labels: DataFrame, day: date, options: Fraud) -> DataFrame:
    """Lines that are mature on a day, with `is_fraud` as known on it, 1.0 or 0.0.

    Args:
        lines: rows of features.transactions; refunds are left out.
        labels: versions of silver.fraud_labels.
        day: what was known on its night.
        options: `maturity_days`, and `label_delay_days` before which no label counts.
    """
    mature = lines.where(
        ~F.col("is_refund") & (F.col("event_date") <= F.lit(newest_mature_day(day, options)))
    )
    is_known = F.date_add("event_date", options.label_delay_days) <= F.lit(day)
    is_fraud = F.coalesce(F.col(TARGET) & is_known, F.lit(False))
    labelled = mature.join(known_labels(labels, day), on="transaction_id", how="left")
    return labelled.withColumn(TARGET, is_fraud.cast("double")).drop("pattern")


def examples(lines: DataFrame, labels: DataFrame, day: date, options: Fraud) -> DataFrame:
    """Labelled lines with `is_validation`: the newest `validation_days` of the mature ones.

    Before them come `train_days` of training lines, by event date.
    """
    last = newest_mature_day(day, options)
    first_validation = last - timedelta(days=options.validation_days - 1)
    first = first_validation - timedelta(days=options.train_days)
    return (
        with_label(lines, labels, day, options)
        .where(F.col("event_date") >= F.lit(first))
        .withColumn(IS_VALIDATION, F.col("event_date") >= F.lit(first_validation))
    )


def newest_mature_day(day: date, options: Fraud) -> date:
    """The last event date whose lines are all judged, by a label or by the lack of one."""
    return day - timedelta(days=options.maturity_days)
