"""Shared steps against plain Python."""

import math
from datetime import date, timedelta

from pyspark.sql import functions as F

from conftest import collected
from lakeshop.engine.transforms import (
    FIXED_POINT_SCALE,
    age_in_days,
    decayed,
    latest_versions,
    top_per,
)

DAY = date(2026, 3, 10)
BEFORE = DAY - timedelta(days=1)


def test_latest_version_of_each_key(spark):
    rows = [
        (BEFORE, "a", "x", 1),
        (DAY, "a", "x", 2),
        (DAY, "a", "y", 3),
        (BEFORE, "b", "x", None),
        (BEFORE, "a", None, 4),
        (DAY, "a", None, None),
    ]
    versions = spark.createDataFrame(rows, "business_date date, k string, l string, v int")
    found = collected(latest_versions(versions, ["k", "l"]), "k", "l", "v")
    expected = [("a", "x", 2), ("a", "y", 3), ("b", "x", None), ("a", None, None)]
    assert found == sorted(expected, key=repr)
    assert latest_versions(versions, ["k", "l"]).columns == versions.columns


def test_a_newest_version_of_nulls_hides_what_was_known(spark):
    rows = [(BEFORE, "a", 1), (DAY, "a", None)]
    versions = spark.createDataFrame(rows, "business_date date, k string, v int")
    assert collected(latest_versions(versions, ["k"]), "v") == [(None,)]


def test_age_in_days(spark):
    days = [(BEFORE,), (DAY,), (DAY - timedelta(days=400),), (None,), (DAY + timedelta(days=1),)]
    frame = spark.createDataFrame(days, "event_date date")
    found = [r[0] for r in frame.select(age_in_days(DAY)).collect()]
    assert found == [1, 0, 400, None, -1]


def test_decay_is_a_power_of_two_in_fixed_point(spark):
    ages = [0, 1, 7, 28, 111, 112, 113, 400, 2240, 2352, 2353, 10_000]
    frame = spark.createDataFrame([(a,) for a in ages] + [(None,)], "age int")
    found = {
        r["age"]: r["w"]
        for r in frame.select("age", decayed(F.col("age"), 112).alias("w")).collect()
    }
    assert found.pop(None) is None
    assert found == {a: math.floor(2 ** (-a / 112) * FIXED_POINT_SCALE + 0.5) for a in ages}
    # 112 days are one half-life; 21 of them halve 2**20 to a half, which rounds up.
    assert found[0] == 2**20
    assert found[112] == 2**19
    assert found[2352] == 1
    assert found[2353] == 0


def test_top_per_group_breaks_ties_by_the_next_order(spark):
    rows = [
        ("g", 5, "b"),
        ("g", 5, "a"),
        ("g", 7, "c"),
        ("h", 1, "d"),
        (None, 2, "e"),
        ("g", None, "f"),
    ]
    frame = spark.createDataFrame(rows, "g string, n int, id string")
    order = [F.col("n").desc_nulls_last(), F.col("id")]
    found = collected(top_per(frame, ["g"], order, 2), "g", "id", "rank")
    expected = [("g", "c", 1), ("g", "a", 2), ("h", "d", 1), (None, "e", 1)]
    assert found == sorted(expected, key=repr)


def test_top_per_counts_from_one_without_gaps(spark):
    frame = spark.range(5).withColumn("g", F.lit(1))
    found = collected(top_per(frame, ["g"], [F.col("id").desc()], 10), "id", "rank")
    assert found == [(4 - n, n + 1) for n in range(4, -1, -1)]
