"""Patterns of dates and times, as Spark reads them: refused where they could only be read wrongly.

Spark fills what a pattern does not name: without a month each date lies in January, without a
year in 1970. Letters are those of Spark's "Datetime Patterns for Formatting and Parsing".
"""

import re
from collections import Counter

QUOTED = re.compile(r"'[^']*'")
LETTERS = re.compile(r"([A-Za-z])\1*")
YEAR, MONTH, DAY, DAY_OF_YEAR = "y", "ML", "d", "D"
HOUR_OF_DAY, HOUR_OF_HALF, HALF = "Hk", "hK", "a"
READ = frozenset("GyMLdDahHkKmsSVzOXxZ")  # what Spark reads; it writes a few more


def meaningful(pattern: str) -> str:
    """Return the pattern, if a date or a time of a date can be read by it as it is meant.

    Raises:
        ValueError: it lacks a part of the date, or a letter means something else.
    """
    groups = [match[0] for match in LETTERS.finditer(QUOTED.sub("", pattern))]
    fault = _fault(Counter(group[0] for group in groups))
    if fault:
        msg = f"should be a pattern of a date such as dd.MM.yyyy, received {pattern!r}: {fault}"
        raise ValueError(msg)
    return pattern


def _fault(letters: Counter[str]) -> str | None:
    """Return what is wrong with a pattern that has so many groups of each letter."""

    def has(any_of: str) -> bool:
        return any(letters[letter] for letter in any_of)

    unknown = sorted(letter for letter in letters if letter not in READ)
    twice = sorted(letter for letter, groups in letters.items() if groups > 1)
    has_hour = has(HOUR_OF_DAY) or has(HOUR_OF_HALF)
    faults = {
        "Y is the year of the week, which Spark does not read; yyyy is the year": letters["Y"],
        f"Spark reads no {', '.join(unknown)}": unknown,
        "without a year, yyyy": not has(YEAR),
        "without a month; mm are minutes, MM is the month": not (has(MONTH) or has(DAY_OF_YEAR)),
        "a month and a day of the year; dd is the day of the month": (
            has(MONTH) and has(DAY_OF_YEAR)
        ),
        "without a day, dd": not (has(DAY) or has(DAY_OF_YEAR)),
        f"{', '.join(twice)} twice; MM is the month, mm are minutes, ss are seconds": twice,
        "minutes without an hour; MM is the month, HH the hour": letters["m"] and not has_hour,
        "an hour of half a day without a, which says the half; HH is the hour of the day": (
            has(HOUR_OF_HALF) and not has(HALF)
        ),
        "fractions of a second without seconds; ss are seconds": letters["S"] and not letters["s"],
    }
    return next((fault for fault, holds in faults.items() if holds), None)
