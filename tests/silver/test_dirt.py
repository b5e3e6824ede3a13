"""Dirt of every kind, from none to most of a delivery: each row ends as the truth says."""

from collections import Counter
from datetime import date, timedelta

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import HOME
from lakeshop.errors import QualityError
from lakeshop.pipeline import read_settings
from lakeshop.silver.clean import CLEANINGS
from lakeshop.silver.cleaning import validate
from lakeshop.silver.counting import (
    ACCEPTED,
    OUTCOME,
    QUARANTINED,
    REPEATED,
    Counted,
    counted,
)
from lakeshop.silver.duplicates import VALID, Rule, event_outcomes
from lakeshop.silver.entities import CleaningContext
from lakeshop.silver.quality import Balance
from lakeshop.sources.files import RAW_ROW
from lakeshop_demo.simulator.dirt import KINDS, OUTCOMES, SHAPES, delivery

FIRST = date(2026, 3, 1)
SHARES = (0.0, 0.01, 0.6)
ROWS = 1000


def outcomes(spark, contracts, shop, rows):
    """The rows as clean judges them, each with its outcome; by the file and the outcome."""
    contract, entity = contracts["silver.transactions"], shop.entities["transactions"]
    products = spark.createDataFrame([(FIRST, "p0")], "business_date DATE, product_id STRING")
    around = CleaningContext({"silver.products": products}, shop.zone)
    raw = spark.createDataFrame(rows, RAW_ROW)
    found = validate(raw, entity, contract, CLEANINGS["transactions"], around)
    found = found.selectExpr("*", f"size(reasons) = 0 AS {VALID}")
    none = spark.createDataFrame([], contract.struct)
    found = event_outcomes(found, none, Rule.of(contract, entity)).persist()
    by_file = found.groupBy("source_file", OUTCOME).count().collect()
    return found, {(row[0], row[1]): row[2] for row in by_file}


def line(number, prefix="", day=FIRST, **changes):
    values = {
        "line": f'"{prefix}{number}"',
        "receipt": number,
        "sku": '"p0"',
        "pieces": 1,
        "paid": "2.50",
        "sold_at": f'"{day} 10:00:00"',
        **changes,
    }
    return "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}\n"


@pytest.fixture(scope="module")
def shop():
    return read_settings(HOME / "conf", env="local", shop="simulated").shop


def test_simulated_dirt_of_no_one_and_sixty_per_cent_ends_as_the_truth_has_it(
    spark, contracts, shop, settings
):
    rows, expected = [], Counter()
    draws = np.random.default_rng(1).random(ROWS)
    for share in SHARES:
        texts = pa.array([line(n, f"{share}-") for n in range(ROWS)], pa.string())
        days = np.zeros(ROWS, dtype=np.int64)
        dirty = delivery("transactions", texts, days, draws, share)
        for n, text in enumerate(dirty.lines.to_pylist()):
            kind = KINDS[dirty.kind[n]]
            day = FIRST + timedelta(days=int(dirty.day[n]))
            rows.append((day, f"{share}", n + 1, text.rstrip("\n"), None, None))
            expected[f"{share}", OUTCOMES[kind]] += 1
    _, found = outcomes(spark, contracts, shop, rows)
    assert found == dict(expected)
    kinds = {KINDS[kind] for kind in dirty.kind}
    assert kinds == {*SHAPES["transactions"].kinds, "as it is"}
    for share in SHARES:
        of_share = {outcome: n for (file, outcome), n in found.items() if file == f"{share}"}
        total = sum(of_share.values())
        if share:
            assert of_share[QUARANTINED] / total == pytest.approx(share / 3, rel=0.6)
        assert total == sum(file == f"{share}" for _, file, *_ in rows)


# Each kind of row: how it is delivered, and whether it may be accepted.
RANDOM_KINDS = {
    "good": ({}, True),
    "null": ({"paid": "null"}, False),
    "blank": ({"receipt": '"  "'}, False),
    "type": ({"pieces": '"two"'}, False),
    "paid refund": ({"pieces": "-1"}, False),
    "future": ({"sold_at": '"2999-01-01 00:00:00"'}, False),
}


ROW = st.tuples(
    st.sampled_from(list(RANDOM_KINDS)),
    st.integers(0, 5),
    st.sampled_from([False, False, False, True]),
)
DELIVERIES = st.lists(st.lists(ROW, min_size=1, max_size=14), min_size=40, max_size=60)


@hypothesis.settings(max_examples=3, deadline=None, derandomize=True)
@given(deliveries=DELIVERIES)
def test_any_mixture_of_rows_is_balanced_by_file_and_in_all(spark, contracts, shop, deliveries):
    """Many files in one frame, each against a plain loop over its rows."""
    rows, expected = [], Counter()
    for number, delivered in enumerate(deliveries):
        file, seen = f"f{number:03}", set()
        for place, (kind, key, broken) in enumerate(delivered):
            changes, may_be = RANDOM_KINDS[kind]
            text = line(key, f"{file}-", **changes).rstrip("\n")
            rows.append((FIRST, file, place + 1, text[:-1] if broken else text, None, None))
            is_good = may_be and not broken
            outcome = QUARANTINED if not is_good else REPEATED if key in seen else ACCEPTED
            seen |= {key} if is_good else set()
            expected[file, outcome] += 1
    found, by_file = outcomes(spark, contracts, shop, rows)
    assert by_file == dict(expected)
    counts = counted(contracts["silver.transactions"], shop.entities["transactions"], found)
    in_all = Counter()
    for (_, outcome), n in expected.items():
        in_all[outcome] += n
    assert (counts.rows, counts.files) == (len(rows), len(deliveries))
    assert counts.outcomes == {outcome: in_all[outcome] for outcome in counts.outcomes}
    logged = counts.counts(in_all[QUARANTINED], ())
    Balance("x", FIRST, FIRST, counts.rows, in_all[ACCEPTED], logged.not_accepted).assert_even()


# -- thresholds ------------------------------------------------------------------------------------


def shares(rows, quarantined, files=1, unreadable=0):
    outcomes = Counter({ACCEPTED: rows - quarantined, QUARANTINED: quarantined})
    return Counted(outcomes, files, unreadable, (), [])


@pytest.mark.parametrize(("rejected", "limit"), [(0, 0.05), (1, 0.05), (5, 0.05), (60, 0.6)])
def test_what_is_within_its_limit_goes_on(settings, rejected, limit):
    quality = settings.quality.model_copy(update={"max_rejected_rows": limit})
    shares(100, rejected).assert_shares("silver.transactions", quality)
    shares(0, 0, files=0).assert_shares("silver.transactions", quality)
    shares(4, 3).assert_shares("silver.transactions", quality)  # of a small delivery


@pytest.mark.parametrize(
    ("counts", "limits", "text"),
    [
        (shares(7, 4), {}, "Received 4 of 7"),
        (shares(1, 1), {}, "Received 1 of 1"),
        (shares(100, 60), {}, "at most 5.0% bad rows. Received 60 of 100"),
        (shares(100, 1), {"max_rejected_rows": 0.0}, "Received 1 of 100"),
        (shares(100, 60), {"max_rejected_rows": 0.59}, "Received 60 of 100"),
        (shares(100, 1, 2, 1), {}, "at most 20.0% bad files. Received 1 of 2"),
    ],
)
def test_what_is_above_its_limit_stops_the_run_with_1(settings, counts, limits, text):
    quality = settings.quality.model_copy(update=limits)
    with pytest.raises(QualityError) as caught:
        counts.assert_shares("silver.transactions", quality)
    assert text in str(caught.value)
    assert caught.value.exit_code == 1
