"""A check that is not true has a reason; rows are accounted for; limits are inclusive."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from lakeshop.contracts.model import Check
from lakeshop.errors import QualityError
from lakeshop.silver.quality import (
    Balance,
    all_reasons,
    assert_share,
    reason_unless,
    reasons_of,
    unusual_share,
)

DAY = date(2026, 3, 10)


def test_reasons_for_true_false_and_unknown(spark):
    checks = [
        Check("is_positive", "n > 0", "quarantine", "n should be above 0"),
        Check("is_even", "n % 2 = 0", "quarantine", "n should be even"),
    ]
    frame = spark.createDataFrame([(1, 2), (2, 1), (3, -1), (4, None)], "id int, n int")
    found = frame.select("id", all_reasons(reasons_of(checks)).alias("reasons")).collect()
    positive, even = "is_positive: n should be above 0", "is_even: n should be even"
    assert {row["id"]: row["reasons"] for row in found} == {
        1: [],
        2: [even],
        3: [positive, even],
        4: [positive, even],  # what is not known is not true
    }


def test_a_row_that_is_fine_has_no_reason(spark):
    frame = spark.createDataFrame([(True,), (False,), (None,)], "holds boolean")
    found = frame.select("holds", reason_unless(F.col("holds"), "bad").alias("r")).collect()
    assert {row["holds"]: row["r"] for row in found} == {True: None, False: "bad", None: "bad"}


def test_no_checks_give_no_reasons(spark):
    reasons = spark.range(1).select(all_reasons([]).alias("r")).first()["r"]
    assert reasons == []


NOT_ACCEPTED = {"quarantined": 2, "duplicates": 1}
BALANCE = Balance("silver.x", DAY, DAY, rows_in=10, accepted=7, not_accepted=NOT_ACCEPTED)


def test_an_even_balance():
    BALANCE.assert_even()
    Balance("silver.x", DAY, DAY, 0, 0, {}).assert_even()


@pytest.mark.parametrize(
    "change",
    [
        {"accepted": 6},
        {"not_accepted": NOT_ACCEPTED | {"duplicates": 2}},
        {"not_accepted": NOT_ACCEPTED | {"conflicts": 1}},
    ],
)
def test_an_uneven_balance_names_its_numbers(change):
    with pytest.raises(QualityError) as caught:
        replace(BALANCE, **change).assert_even()
    assert caught.value.exit_code == 1
    text = str(caught.value)
    assert "silver.x for 2026-03-10 to 2026-03-10" in text
    assert "each of its 10 rows" in text


@pytest.mark.parametrize(
    ("bad", "total", "limit"), [(5, 100, 0.05), (0, 0, 0.0), (0, 9, 0.0), (9, 9, 1.0)]
)
def test_a_share_up_to_the_limit_passes(bad, total, limit):
    assert_share("bronze.x", "rows", bad, total, limit)


@pytest.mark.parametrize(
    ("bad", "total", "limit"), [(51, 1000, 0.05), (1, 10**6, 0.0), (1, 1, 0.99)]
)
def test_a_share_above_the_limit_stops(bad, total, limit):
    with pytest.raises(QualityError, match=rf"bad rows\. Received {bad} of {total}.*quarantine\.x"):
        assert_share("silver.x", "rows", bad, total, limit)


USUAL = {  # bad, total, bad before, rows before
    "as always": (10, 1000, 300, 28_000),
    "twice, by a little": (20, 1000, 280, 28_000),
    "many times, by chance": (2, 20, 9, 560),
    "the first one among many": (1, 1000, 0, 28_000),
    "no day before": (500, 1000, 0, 0),
    "nothing before but bad rows": (900, 1000, 28_000, 28_000),
    "no rows": (0, 0, 280, 28_000),
    "none bad": (0, 1000, 280, 28_000),
}
UNUSUAL = {
    "three times": (30, 1000, 280, 28_000),
    "some where none ever was": (10, 1000, 0, 28_000),
    "most of few": (5, 10, 3, 280),
    "all": (1000, 1000, 280, 28_000),
}


@pytest.mark.parametrize("counts", USUAL.values(), ids=USUAL)
def test_a_share_as_before_gives_no_warning(counts):
    assert unusual_share(*counts) is None


@pytest.mark.parametrize("counts", UNUSUAL.values(), ids=UNUSUAL)
def test_a_share_far_above_the_former_gives_a_warning_with_its_numbers(counts):
    bad, total, bad_before, total_before = counts
    warning = unusual_share(*counts)
    assert f"{bad} of {total} rows rejected" in warning
    assert f"{bad_before} of {total_before} " in warning


@given(st.integers(0, 500), st.integers(500, 1000), st.integers(0, 500), st.integers(500, 10_000))
def test_a_worse_day_gives_a_warning_beside_a_better_one(bad, total, bad_before, total_before):
    if unusual_share(bad, total, bad_before, total_before):
        assert unusual_share(bad + 1, total, bad_before, total_before)
