"""Patterns of dates: what Spark would read wrongly is refused with the reason."""

import pytest

from lakeshop.config.date_pattern import meaningful


@pytest.mark.parametrize(
    "pattern",
    [
        "yyyy-MM-dd",
        "dd.MM.yyyy",
        "d/M/yy",
        "yyyyMMdd",
        "dd-MMM-yyyy",
        "yyyyDDD",
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "MM/dd/yyyy hh:mm a",
        "yyyy-MM-dd'T'HH:mm[:ss][.SSS]",
        "dd MMMM yyyy 'at' HH'h'mm",
        "yyyy-MM-dd kk:mm z",
    ],
)
def test_a_pattern_of_a_whole_date_is_taken(pattern):
    assert meaningful(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("dd.mm.yyyy", "without a month; mm are minutes, MM is the month"),
        ("yyyy-mm-dd HH:mm:ss", "without a month"),
        ("yyyy-MM-dd HH:MM:ss", "M twice; MM is the month, mm are minutes"),
        ("yyyy-MM-DD", "a month and a day of the year; dd is the day of the month"),
        ("YYYY-MM-dd", "Y is the year of the week"),
        ("MM-dd", "without a year"),
        ("dd.MM. HH:mm", "without a year"),
        ("yyyy-MM", "without a day"),
        ("yyyy", "without a month"),
        ("yyyy-MM-dd hh:mm:ss", "an hour of half a day without a"),
        ("yyyy-MM-dd HH:mm:SS", "fractions of a second without seconds"),
        ("yyyy-MM-dd mm:ss", "minutes without an hour"),
        ("EEE dd.MM.yyyy", "Spark reads no E"),
        ("iso", "Spark reads no i, o"),
        ("'yyyy-MM-dd'", "without a year"),
        ("", "without a year"),
    ],
)
def test_a_pattern_that_would_be_read_wrongly_is_refused(pattern, fault):
    with pytest.raises(ValueError, match="should be a pattern of a date such as") as refused:
        meaningful(pattern)
    assert fault in str(refused.value)
