"""Which row counts of several with the same key, by a plain Python oracle, night by night."""

import random
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from lakeshop.silver.conflicts import earlier_conflicts
from lakeshop.silver.corrections import corrected_outcomes, with_reversals
from lakeshop.silver.counting import ACCEPTED, CONFLICT, MERGED, QUARANTINED, REPEATED
from lakeshop.silver.duplicates import Rule, content_of, event_outcomes, version_outcomes

FIRST = date(2026, 3, 10)
LOOK_BACK, DAYS = 4, 4
ROWS = (
    "business_date DATE, id STRING, kind STRING, units DECIMAL(12,3), updated_at TIMESTAMP, "
    "event_date DATE, source_file STRING, source_line BIGINT, is_valid BOOLEAN"
)
HELD = ROWS.partition(", source_file")[0]
PLACES = [(file, line) for file in "fg" for line in (2, 10)]


def on(day):
    return FIRST + timedelta(days=day)


def drawn(seed, kinds="AB", hours=(None,)):
    """Rows of a range by day, key and place, and rows of days before it."""
    draw = random.Random(seed)

    def content():
        hour = draw.choice(hours)
        at = None if hour is None else datetime(2026, 3, 1, hour)
        return draw.choice(kinds), Decimal(draw.choice([1, 1, 2])), at, FIRST

    rows, held = [], []
    for number in range(250):
        held += [(on(d), f"i{number}", *content()) for d in (-7, -3, -2) if draw.random() < 0.25]
        rows += [
            (on(day), f"i{number}", *content(), *place, draw.random() < 0.9)
            for day in range(DAYS)
            for place in PLACES
            if draw.random() < 0.3
        ]
    return rows, held


def by_night(rows):
    """The valid rows of each day and key, in the order of file and line."""
    nights = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row[0], row[1], row[6:8])):
        if row[-1]:
            nights[row[0], row[1]].append(row)
    return nights


def content(row):
    return row[2:6]


def place(row):
    return (row[0], row[1], *row[6:8])


def known_within(state, day, key):
    """The content of a key that was accepted within the look-back."""
    on_day, found = state.get(key, (None, None))
    return found if on_day and (day - on_day).days <= LOOK_BACK else None


def newest(held):
    state = {}
    for day, key, *rest in sorted(held):
        state[key] = day, tuple(rest)
    return state


def events_by_night(rows, held, mode):
    state, outcomes = newest(held), {place(r): QUARANTINED for r in rows if not r[-1]}
    for (day, key), group in by_night(rows).items():
        known = known_within(state, day, key)
        if mode == "reject" and len({content(row) for row in group}) > 1:
            outcomes |= {place(row): CONFLICT for row in group}
            continue
        counts = group[-1] if mode == "last" else group[0]
        for row in group:
            if known is None and row is counts:
                outcomes[place(row)] = ACCEPTED
            else:
                same = content(row) == (known or content(counts))
                outcomes[place(row)] = REPEATED if same else CONFLICT
        if known is None:
            state[key] = day, content(counts)
    return outcomes


def sums_by_night(rows, held):
    """Outcomes of each day and key, counted; all rows are of one kind."""
    state, outcomes = newest(held), {}
    for (day, key), group in by_night(rows).items():
        known = known_within(state, day, key)
        merged = ("A", sum(row[3] for row in group), None, FIRST)
        if known is None:
            outcomes[day, key] = Counter({ACCEPTED: 1, MERGED: len(group) - 1})
            state[key] = day, merged
        else:
            outcomes[day, key] = Counter({REPEATED if merged == known else CONFLICT: len(group)})
    return {key: +found for key, found in outcomes.items()}


def found_events(spark, rows, held, mode, measures=()):
    rule = Rule(("id",), ("kind", "units", "updated_at", "event_date"), mode, LOOK_BACK, measures)
    before = spark.createDataFrame(held, HELD)
    marked = event_outcomes(spark.createDataFrame(rows, ROWS), before, rule).cache()
    repeated = marked.where("outcome = 'duplicate' AND kept_on < business_date")
    moved = earlier_conflicts(repeated, before, rule, lambda some: some)
    key = ["business_date", "id", "source_file", "source_line"]
    found = {tuple(r[:4]): r[4] for r in marked.select(*key, "outcome").collect()}
    found |= {tuple(r[:4]): r[4] for r in moved.select(*key, "outcome").collect()}
    accepted = marked.where("outcome = 'accepted'").select("id", "business_date", "units")
    return found, {(row[0], row[1]): row[2] for row in accepted.collect()}


@pytest.mark.parametrize("mode", [None, "first", "last", "reject"])
def test_events_of_a_range_end_as_night_by_night(spark, mode):
    rows, held = drawn(1)
    expected = events_by_night(rows, held, mode)
    assert set(expected.values()) == {ACCEPTED, REPEATED, CONFLICT, QUARANTINED}
    assert found_events(spark, rows, held, mode)[0] == expected


def test_sums_of_a_range_end_as_night_by_night(spark):
    rows, held = drawn(2, kinds="A")
    expected = sums_by_night(rows, held)
    found, sums = found_events(spark, rows, held, "sum", ("units",))
    counted = defaultdict(Counter)
    for (day, key, *_), outcome in found.items():
        if outcome != QUARANTINED:
            counted[day, key][outcome] += 1
    assert dict(counted) == expected
    nights = by_night(rows)
    assert all(units == sum(row[3] for row in nights[day, i]) for (i, day), units in sums.items())


def versions_by_night(rows, held, mode, rank):
    state, outcomes = newest(held), {place(r): QUARANTINED for r in rows if not r[-1]}
    for (day, key), group in by_night(rows).items():
        _, known = state.get(key, (None, None))
        hour = max((row[4] for row in group if row[4]), default=None)
        newest_rows = [row for row in group if row[4] == hour]
        choices = sorted({content(row) for row in newest_rows}, key=rank.get)
        if mode in ("first", "last"):
            choices = [content(newest_rows[0 if mode == "first" else -1])]
        elif mode == "reject" and len(choices) > 1:
            choices = []
        now = known if known in choices or not choices else choices[0]
        alike = [row for row in newest_rows if choices and content(row) == now]
        taken = alike[0 if mode in ("first", "reject") else -1] if alike else None
        for row in group:
            if row not in newest_rows:
                outcome = REPEATED
            elif row not in alike:
                outcome = CONFLICT
            else:
                outcome = ACCEPTED if row is taken and now != known else REPEATED
            outcomes[place(row)] = outcome
        state[key] = day, now
    return outcomes


@pytest.mark.parametrize("mode", [None, "first", "last", "reject"])
def test_versions_of_a_range_end_as_night_by_night(spark, mode):
    rows, held = drawn(3, kinds="ABC", hours=(None, 1))
    names = ("kind", "units", "updated_at", "event_date")
    contents = {content(row) for row in rows} | {tuple(row[2:]) for row in held}
    listed = spark.createDataFrame([(FIRST, "", *one) for one in contents], HELD)
    hashed = listed.select(*names, content_of(names)).collect()
    rank = {tuple(row[:4]): row[4] for row in hashed}
    rule = Rule(("id",), names, mode)
    marked = version_outcomes(
        spark.createDataFrame(rows, ROWS), spark.createDataFrame(held, HELD), rule
    )
    key = ["business_date", "id", "source_file", "source_line", "outcome"]
    found = {tuple(row[:4]): row[4] for row in marked.select(*key).collect()}
    expected = versions_by_night(rows, held, mode, rank)
    assert set(expected.values()) == {ACCEPTED, REPEATED, CONFLICT, QUARANTINED}
    assert found == expected


def lines_by_night(rows, held):
    """Outcomes, and the rows that silver gains: by night, as (day, id, kind, units, corrects)."""
    state, outcomes, gained = {}, {}, []
    for day, key, *rest in sorted(held):
        state[key] = day, tuple(rest), key
    outcomes = {place(r): QUARANTINED for r in rows if not r[-1]}
    for (day, key), group in by_night(rows).items():
        known, last = known_within({k: v[:2] for k, v in state.items()}, day, key), group[-1]
        new = f"{key}~corrected {day}" if known else key
        for row in group:
            if known == content(row):
                outcomes[place(row)] = REPEATED
            elif row is last:
                outcomes[place(row)] = ACCEPTED
            else:
                outcomes[place(row)] = REPEATED if content(row) == content(last) else CONFLICT
        if known == content(last):
            continue
        if known:
            gained.append((day, f"{key}~reversed {day}", known[0], -known[1], state[key][2]))
        gained.append((day, new, last[2], last[3], key if known else None))
        state[key] = day, content(last), new
    return outcomes, gained


def test_corrections_of_a_range_end_as_night_by_night(spark, contracts):
    rows, held = drawn(5, kinds="ABC")
    expected, gained = lines_by_night(rows, held)
    assert set(expected.values()) == {ACCEPTED, REPEATED, CONFLICT, QUARANTINED}
    contract = contracts["silver.transactions"]
    names = ("product_id", "quantity", "updated_at", "event_date")

    def as_lines(values, schema):
        named = {"id": "transaction_id", "kind": "product_id", "units": "quantity"}
        return spark.createDataFrame(values, schema).withColumnsRenamed(named)

    def whole(frame):
        """With all columns of the contract."""
        absent = [c for c in contract.columns if c.name not in frame.columns]
        return frame.withColumns({c.name: F.lit(None).cast(c.type) for c in absent})

    rule = Rule(("transaction_id",), names, "last", LOOK_BACK)
    # Lines that were corrected before are known by the shop's own id, and reversals not at all.
    before = as_lines(held, HELD).withColumn("corrects", F.col("transaction_id"))
    reversed_ = before.withColumn("is_reversal", F.lit(True)).withColumn("quantity", F.lit(9))
    before = whole(before).unionByName(whole(reversed_), allowMissingColumns=True)
    marked = corrected_outcomes(whole(as_lines(rows, ROWS)), before, rule, contract).cache()
    key = ["business_date", "source_file", "source_line", "outcome"]
    shop_id = F.coalesce("corrects", "transaction_id").alias("id")
    found = {(r[0], r[4], r[1], r[2]): r[3] for r in marked.select(*key, shop_id).collect()}
    assert found == expected
    made = with_reversals(marked.where("outcome = 'accepted'"), contract)
    columns = ["business_date", "transaction_id", "product_id", "quantity", "corrects"]
    assert Counter(map(tuple, made.select(*columns).collect())) == Counter(gained)
