"""Repeated events and unchanged versions, and that a range gives what its nights give."""

import random
from collections import defaultdict
from datetime import date, datetime, timedelta

import pytest
from pyspark.sql import functions as F

from lakeshop.silver.counting import ACCEPTED, CONFLICT, OUTCOME, REPEATED
from lakeshop.silver.duplicates import Rule, event_outcomes, version_outcomes

FIRST = date(2026, 3, 10)
EVENTS = "business_date DATE, id STRING, source_file STRING, source_line BIGINT, is_valid BOOLEAN"
VERSIONS = (
    "business_date DATE, id STRING, name STRING, price INT, updated_at TIMESTAMP, "
    "source_file STRING, source_line BIGINT, is_valid BOOLEAN"
)
CONTENT = ("name", "price", "updated_at")


def on(day):
    return FIRST + timedelta(days=day)


def at(hour):
    return None if hour is None else datetime(2026, 3, 1, hour)


def events_marked(spark, rows, accepted, look_back_days):
    """True for duplicates; rows of (day, id, file, line, is_valid)."""
    frame = spark.createDataFrame([(on(day), *rest) for day, *rest in rows], EVENTS)
    before = spark.createDataFrame(
        [(on(day), i) for day, i in accepted], "business_date DATE, id STRING"
    )
    marked = event_outcomes(frame, before, Rule(("id",), ("id",), look_back_days=look_back_days))
    added = {OUTCOME, "kept_on", "kept_event_date", "kept_file"}
    assert set(marked.columns) == {*frame.columns, *added}
    found = {
        ((row.business_date - FIRST).days, row.id, row.source_file, row.source_line): (
            row.outcome == REPEATED
        )
        for row in marked.collect()
    }
    assert len(found) == len(rows)
    return found


def versions_marked(spark, rows, known):
    """True for duplicates; (day, id, name, price, hour, file, line, is_valid)."""
    values = [(on(d), i, n, p, at(h), *rest) for d, i, n, p, h, *rest in rows]
    before = [(on(d), i, n, p, at(h)) for d, i, n, p, h in known]
    frame = spark.createDataFrame(values, VERSIONS)
    schema = VERSIONS.partition(", source_file")[0]
    rule = Rule(("id",), CONTENT, on_conflict="last")
    marked = version_outcomes(frame, spark.createDataFrame(before, schema), rule)
    found = {
        ((row.business_date - FIRST).days, row.id, row.source_file, row.source_line): (
            row.outcome in (REPEATED, CONFLICT)
        )
        for row in marked.collect()
    }
    assert len(found) == marked.count() == len(rows)
    assert set(marked.columns) == {*frame.columns, OUTCOME, "kept_on", "kept_event_date"}
    return found


# Each case has ids of its own, so that all are marked by one run of Spark.
# Look-back 3 days: what was accepted on day -3 counts on day 0 and no more on day 1.
EVENT_CASES = {
    "new": ([(0, "f", 1, True)], [], [False]),
    "first line wins": (
        [(0, "f", 10, True), (0, "f", 9, True), (0, "f", 2, True)],
        [],
        [True, True, False],
    ),
    "first file wins": ([(0, "g", 1, True), (0, "f", 2, True)], [], [True, False]),
    "first day wins": ([(1, "a", 1, True), (0, "z", 9, True)], [], [True, False]),
    "accepted yesterday": ([(0, "f", 1, True), (2, "f", 1, True)], [-1], [True, True]),
    "accepted at the edge": ([(0, "f", 1, True)], [-3], [True]),
    "accepted before the edge": ([(1, "f", 1, True)], [-3], [False]),
    "open again within the range": (
        [(0, "f", 1, True), (1, "f", 1, True), (2, "f", 1, True)],
        [-3],
        [True, False, True],
    ),
    "accepted twice, the newest counts": ([(1, "f", 1, True)], [-9, -2], [True]),
    "invalid first": (
        [(0, "f", 1, False), (0, "f", 2, True), (1, "f", 1, True)],
        [],
        [False, False, True],
    ),
    "invalid is never a duplicate": (
        [(0, "f", 1, True), (0, "f", 2, False), (1, "f", 1, False)],
        [-1],
        [True, False, False],
    ),
}


@pytest.fixture(scope="module")
def marked_cases(spark):
    rows = [(d, case, *rest) for case, (rows, _, _) in EVENT_CASES.items() for d, *rest in rows]
    accepted = [(d, case) for case, (_, days, _) in EVENT_CASES.items() for d in days]
    return events_marked(spark, rows, accepted, 3)


@pytest.mark.parametrize("case", EVENT_CASES)
def test_repeated_event(marked_cases, case):
    rows, _, expected = EVENT_CASES[case]
    assert [marked_cases[day, case, file, line] for day, file, line, _ in rows] == expected


def test_rows_without_a_key_are_kept(spark):
    """A row without its key is invalid, and may occur many times."""
    rows = [(0, None, "f", 1, False), (0, None, "f", 2, False)]
    assert set(events_marked(spark, rows, [], 3).values()) == {False}


def test_key_of_two_columns(spark):
    columns = f"{EVENTS}, part STRING"
    rows = [(on(0), "a", "f", n, True, part) for n, part in enumerate(["x", "y", "x"])]
    accepted = spark.createDataFrame(
        [(on(-1), "a", "y")], "business_date DATE, id STRING, part STRING"
    )
    rule = Rule(("id", "part"), ("id",), look_back_days=3)
    marked = event_outcomes(spark.createDataFrame(rows, columns), accepted, rule)
    found = {row.source_line: row.outcome for row in marked.collect()}
    assert found == {0: ACCEPTED, 1: REPEATED, 2: REPEATED}


def events_night_by_night(rows, accepted, look_back_days):
    """Duplicates by one night after the other, in plain Python."""
    newest = {}
    for day, i in accepted:
        newest[i] = max(day, newest.get(i, day))
    marked = {}
    for row in sorted(rows, key=lambda row: (row[0], row[2], row[3])):
        day, i, file, line, is_valid = row
        is_known = i in newest and newest[i] >= day - look_back_days
        marked[day, i, file, line] = is_valid and is_known
        if is_valid and not is_known:
            newest[i] = day
    return marked


def random_events(seed):
    """500 ids, each with some history and some deliveries over a range of 4 days."""
    draw = random.Random(seed)
    rows, accepted = [], []
    for number in range(500):
        i = f"i{number}"
        accepted += [(day, i) for day in range(-6, 0) if draw.random() < 0.12]
        rows += [
            (day, i, file, line, draw.random() < 0.75)
            for day in range(4)
            for file in "fg"
            for line in (2, 10)
            if draw.random() < 0.25
        ]
    return rows, accepted


def test_range_of_events_equals_its_nights(spark):
    rows, accepted = random_events(1)
    expected = events_night_by_night(rows, accepted, 4)
    assert {True, False} == set(expected.values())
    assert events_marked(spark, rows, accepted, 4) == expected


def test_marks_do_not_depend_on_partitioning(spark):
    rows, accepted = random_events(2)
    rows = rows[:600]
    frame = spark.createDataFrame([(on(day), *rest) for day, *rest in rows], EVENTS)
    before = spark.createDataFrame(
        [(on(day), i) for day, i in accepted], "business_date DATE, id STRING"
    )

    def marked(frame):
        found = event_outcomes(frame, before, Rule(("id",), ("id",), look_back_days=4))
        return sorted(map(tuple, found.collect()), key=repr)

    assert marked(frame.coalesce(1)) == marked(frame.orderBy(F.rand(7)).repartition(5))


# id's rows: (day, name, price, hour of update, file, line, is_valid); known: (day, name, ...)
VERSION_CASES = {
    "new": ([(0, "A", 1, 1, "f", 1, True)], [], [False]),
    "delivered again": (
        [(0, "A", 1, 1, "f", 1, True), (1, "A", 1, 1, "f", 1, True), (3, "A", 1, 1, "f", 1, True)],
        [],
        [False, True, True],
    ),
    "A, B, A": (
        [(0, "A", 1, 1, "f", 1, True), (1, "B", 1, 1, "f", 1, True), (2, "A", 1, 1, "f", 1, True)],
        [],
        [False, False, False],
    ),
    "newest update of a day wins": (
        [(0, "A", 1, 5, "g", 9, True), (0, "B", 1, 7, "f", 1, True), (0, "C", 1, 6, "h", 1, True)],
        [],
        [True, False, True],
    ),
    "an update time beats none": (
        [(0, "A", 1, None, "g", 9, True), (0, "B", 1, 1, "f", 1, True)],
        [],
        [True, False],
    ),
    "last file and line of a day win": (
        [
            (0, "A", 1, 1, "f", 11, True),
            (0, "B", 1, 1, "g", 9, True),
            (0, "C", 1, 1, "g", 10, True),
        ],
        [],
        [True, True, False],
    ),
    "price NULL again": (
        [(0, "A", None, None, "f", 1, True), (1, "A", None, None, "f", 1, True)],
        [],
        [False, True],
    ),
    "price gone": (
        [(0, "A", 1, 1, "f", 1, True), (1, "A", None, 1, "f", 1, True)],
        [],
        [False, False],
    ),
    "price comes": (
        [(0, "A", None, 1, "f", 1, True), (1, "A", 1, 1, "f", 1, True)],
        [],
        [False, False],
    ),
    "known, unchanged": ([(0, "A", 1, 1, "f", 1, True)], [(-5, "A", 1, 1)], [True]),
    "known, changed": ([(0, "B", 1, 1, "f", 1, True)], [(-5, "A", 1, 1)], [False]),
    "only the newest known counts": (
        [(0, "A", 1, 1, "f", 1, True)],
        [(-5, "A", 1, 1), (-4, "B", 1, 1)],
        [False],
    ),
    "known with NULL": ([(0, "A", None, None, "f", 1, True)], [(-1, "A", None, None)], [True]),
    "all content NULL": (
        [(0, None, None, None, "f", 1, True), (1, None, None, None, "f", 1, True)],
        [],
        [False, True],
    ),
    "an overtaken version makes no change": (
        [(0, "A", 1, 1, "f", 1, True), (1, "B", 1, 1, "f", 1, True), (1, "A", 1, 1, "f", 2, True)],
        [],
        [False, True, True],
    ),
    "invalid neither counts nor hides": (
        [
            (0, "A", 1, 1, "f", 1, True),
            (1, "B", 1, 9, "f", 1, False),
            (1, "A", 1, 1, "f", 2, True),
            (2, "B", 1, 9, "f", 1, True),
        ],
        [],
        [False, False, True, False],
    ),
}


@pytest.fixture(scope="module")
def marked_versions(spark):
    cases = VERSION_CASES.items()
    rows = [(d, case, *rest) for case, (rows, _, _) in cases for d, *rest in rows]
    known = [(d, case, *rest) for case, (_, known, _) in cases for d, *rest in known]
    return versions_marked(spark, rows, known)


@pytest.mark.parametrize("case", VERSION_CASES)
def test_version(marked_versions, case):
    rows, _, expected = VERSION_CASES[case]
    assert [marked_versions[day, case, file, line] for day, *_, file, line, _ in rows] == expected


def versions_night_by_night(rows, known):
    """Duplicates by one night after the other, in plain Python."""
    state = {}
    for _, i, *content in sorted(known, key=lambda version: version[0]):
        state[i] = content
    marked, nights = {}, defaultdict(list)
    for row in rows:
        nights[row[0], row[1]].append(row)
    for (day, i), delivered in sorted(nights.items()):
        valid = [row for row in delivered if row[-1]]
        best = max(valid, key=lambda row: (row[4] or -1, row[5], row[6]), default=None)
        for row in delivered:
            is_change = row is best and state.get(i) != list(row[2:5])
            marked[day, i, row[5], row[6]] = row[-1] and not is_change
        if best is not None:
            state[i] = list(best[2:5])
    return marked


def test_range_of_versions_equals_its_nights(spark):
    draw = random.Random(3)
    rows, known = [], []
    for number in range(400):
        i = f"i{number}"

        def content():
            return draw.choice("AB"), draw.choice([None, 1]), draw.choice([None, 1, 2])

        known += [(day, i, *content()) for day in (-9, -2) if draw.random() < 0.4]
        rows += [
            (day, i, *content(), file, line, draw.random() < 0.8)
            for day in range(5)
            for file in "fg"
            for line in (2, 10)
            if draw.random() < 0.3
        ]
    expected = versions_night_by_night(rows, known)
    assert {True, False} == set(expected.values())
    assert versions_marked(spark, rows, known) == expected


def test_versions_without_content_and_update_time(spark):
    """A table of keys alone: an entry is new once."""
    rows = spark.createDataFrame(
        [(on(day), "a", "f", 1, True) for day in range(3)],
        EVENTS,
    )
    known = spark.createDataFrame([], "business_date DATE, id STRING")
    marked = version_outcomes(rows, known, Rule(("id",), ()))
    assert sorted((r.business_date, r.outcome) for r in marked.collect()) == [
        (on(0), ACCEPTED),
        (on(1), REPEATED),
        (on(2), REPEATED),
    ]
