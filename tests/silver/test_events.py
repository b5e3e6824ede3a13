"""The shop's day of an event, round midnight and where the clocks change."""

from datetime import date, datetime

import pytest

from lakeshop.silver.entities import with_event_date

NEW_YORK = {  # UTC -> the day in New York
    # Winter, five hours behind.
    "2026-01-15 04:59:59": "2026-01-14",
    "2026-01-15 05:00:00": "2026-01-15",
    # Summer, four hours behind.
    "2026-07-15 03:59:59": "2026-07-14",
    "2026-07-15 04:00:00": "2026-07-15",
    # 8 March 2026 has 23 hours: it starts at 05:00 UTC and ends at 04:00 UTC.
    "2026-03-08 04:59:59": "2026-03-07",
    "2026-03-08 05:00:00": "2026-03-08",
    "2026-03-09 03:59:59": "2026-03-08",
    "2026-03-09 04:00:00": "2026-03-09",
    # 1 November 2026 has 25 hours: it starts at 04:00 UTC and ends at 05:00 UTC.
    "2026-11-01 03:59:59": "2026-10-31",
    "2026-11-01 04:00:00": "2026-11-01",
    "2026-11-02 04:59:59": "2026-11-01",
    "2026-11-02 05:00:00": "2026-11-02",
}
EAST_OF_UTC = {  # zone, UTC -> the day there
    ("Europe/Berlin", "2026-03-28 22:59:59"): "2026-03-28",
    ("Europe/Berlin", "2026-03-28 23:00:00"): "2026-03-29",
    ("Europe/Berlin", "2026-03-29 22:00:00"): "2026-03-30",
    ("Asia/Kolkata", "2026-12-31 18:29:59"): "2026-12-31",
    ("Asia/Kolkata", "2026-12-31 18:30:00"): "2027-01-01",
    ("UTC", "2026-12-31 23:59:59"): "2026-12-31",
}
CASES = {("America/New_York", utc): day for utc, day in NEW_YORK.items()} | EAST_OF_UTC


@pytest.fixture(scope="module")
def days(spark):
    """The event date by zone and time, and of no time."""
    parts = []
    for zone in sorted({zone for zone, _ in CASES}):
        times = [(zone, datetime.fromisoformat(utc)) for z, utc in CASES if z == zone]
        events = spark.createDataFrame([*times, (zone, None)], "zone STRING, occurred_at TIMESTAMP")
        parts.append(with_event_date(events, zone))
    events = parts[0]
    for part in parts[1:]:
        events = events.unionByName(part)
    return {(row.zone, row.occurred_at): row.event_date for row in events.collect()}


@pytest.mark.parametrize(("zone", "utc"), CASES)
def test_event_date_is_the_shops_day(days, zone, utc):
    assert days[zone, datetime.fromisoformat(utc)] == date.fromisoformat(CASES[zone, utc])


def test_no_time_no_day(days):
    assert days["UTC", None] is None
