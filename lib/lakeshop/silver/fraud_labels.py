"""silver.fraud_labels: versions of what is known of an order line, by when it became known."""

from pyspark.sql import DataFrame

from lakeshop.silver.events import Surroundings, with_event_date

DERIVED = {"event_date"}


def fraud_labels(labels: DataFrame, around: Surroundings) -> DataFrame:
    """Typed labels with the day on which they became known."""
    return labels.transform(with_event_date, around.zone)
