"""What tables of events have in common: the day of the event, in the shop's time zone."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Surroundings:
    """What a silver table is derived from beside its own rows.

    `tables` are the contract's other inputs, up to the last business date; `zone` is the
    shop's time zone.
    """

    tables: Mapping[str, DataFrame]
    zone: str


def with_event_date(events: DataFrame, zone: str) -> DataFrame:
    """Add `event_date`, the shop's day on which `occurred_at` (UTC) falls."""
    local = F.from_utc_timestamp("occurred_at", zone)
    return events.withColumn("event_date", F.to_date(local))
