"""Costs of a night: events of Spark by table, CPU of a command, least and median of rounds."""

import json
import os
import sys

import pandas as pd
import pytest

from benchmarks.event_log import SQL_START, counted, first_table_at
from benchmarks.night import merged
from benchmarks.night_growth import FIRST, night_after, ratios
from benchmarks.process_cost import cost_of
from benchmarks.weekly_neighbours import given_up


def job(number, stages, pool, execution=None, at=1_000):
    properties = {"spark.scheduler.pool": pool} if pool else {}
    if execution is not None:
        properties["spark.sql.execution.id"] = execution
    return {
        "Event": "SparkListenerJobStart",
        "Job ID": number,
        "Stage IDs": stages,
        "Submission Time": at,
        "Properties": properties,
    }


def task(stage, nanoseconds, read=0, written=0):
    metrics = {
        "Executor CPU Time": nanoseconds,
        "Input Metrics": {"Bytes Read": read},
        "Output Metrics": {"Bytes Written": written},
        "Shuffle Write Metrics": {"Shuffle Bytes Written": 5},
    }
    return {"Event": "SparkListenerTaskEnd", "Stage ID": stage, "Task Metrics": metrics}


def test_events_are_counted_by_the_table_whose_pool_they_ran_in(tmp_path):
    events = [
        {"Event": "SparkListenerApplicationStart"},
        {"Event": SQL_START, "executionId": 1},
        {"Event": SQL_START, "executionId": 2},
        job(0, [0], None, at=1_000),
        job(1, [1, 2], "gold.a", "1", at=2_500),
        job(2, [3], "gold.b", "1", at=3_000),
        {"Event": "SparkListenerStageCompleted", "Stage Info": {"Stage ID": 1}},
        {"Event": "SparkListenerStageCompleted", "Stage Info": {"Stage ID": 3}},
        task(0, 1_000_000_000),
        task(1, 2_000_000_000, read=7),
        task(2, 500_000_000, written=9),
        task(3, 250_000_000),
    ]
    (tmp_path / "local-1").write_text("\n".join(map(json.dumps, events)))
    found = counted(tmp_path)
    assert found["total"].figures() == {
        "spark_jobs": 3,
        "sql_executions": 2,
        "stages": 2,
        "tasks": 4,
        "executor_seconds": 3.75,
        "bytes_read": 7,
        "bytes_written": 9,
        "shuffle_bytes": 20,
    }
    assert {table: counts.tasks for table, counts in found.items()} == {
        "total": 4,
        "other": 1,
        "gold.a": 2,
        "gold.b": 1,
    }
    assert found["gold.a"].executor_seconds == 2.5
    assert first_table_at(tmp_path) == 2.5


def test_the_cpu_of_children_counts(tmp_path):
    busy = "import time\nwhile time.process_time() < 0.6: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\n{busy}"
    log = tmp_path / "log"
    command = [sys.executable, "-c", parent]
    found = cost_of(command, cwd=tmp_path, env=dict(os.environ), log=log)
    assert found.code == 0, log.read_text()
    assert 1.1 < found.cpu < 4, "0.6 s of each of two, and their starts"
    assert found.jvm_cpu == 0
    assert found.peak_mib > 5
    assert found.units_at(found.until[-1][0]) <= found.units == found.cpu / found.unit
    assert found.units_at(0) == 0


def test_the_cpu_of_those_that_outlive_their_parent_counts(tmp_path):
    busy = "import time\nwhile time.process_time() < 1: pass"
    careless = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {busy!r}])"
    waiting = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1]])"
    command = [sys.executable, "-c", waiting, f"{careless}\nimport time\ntime.sleep(0.5)"]
    found = cost_of(command, cwd=tmp_path, env=dict(os.environ), log=tmp_path / "log")
    assert found.code == 0, (tmp_path / "log").read_text()
    assert found.cpu > 1, "the orphan's second"


def test_of_what_rounds_measured_the_least_and_the_median():
    rounds = [
        {("night", "total", "spark_jobs"): 280.0},
        {("night", "total", "units"): 12.0},
        {("night", "total", "units"): 10.0},
        {("night", "total", "units"): 17.0},
    ]
    assert merged(rounds) == {
        ("night", "total", "spark_jobs"): 280.0,
        ("night", "total", "units"): 10.0,
        ("night", "total", "units_median"): 12.0,
    }


def test_a_night_of_growth_is_a_tuesday_with_its_history_before_it():
    for days in range(100, 108):
        night = night_after(days)
        assert night.weekday() == 1
        assert 0 <= (night - FIRST).days - days < 7


def test_growth_is_told_by_the_units_of_the_shortest_history():
    figures = {
        ("history_100_days", "total", "units"): 200.0,
        ("history_400_days", "total", "units"): 250.0,
        ("history_400_days", "total", "seconds"): 9.0,
    }
    lines = ratios(figures)
    assert [line.split() for line in lines] == [
        ["history_100_days", "200", "units", "1.00", "times"],
        ["history_400_days", "250", "units", "1.25", "times"],
    ]


def test_what_weekly_neighbours_lose_is_paired_by_user():
    rows = [
        ("nightly", 1, "new", "a", 0.5),
        ("nightly", 1, "new", "b", 0.3),
        ("nightly", 2, "new", "a", 0.4),
        ("training", 1, "new", "a", 0.3),
        ("training", 1, "new", "b", 0.3),
        ("training", 2, "new", "a", 0.4),
    ]
    scores = pd.DataFrame(rows, columns=["schedule", "night", "list", "user_id", "ndcg"])
    found = {metric: value for (_, of, metric), value in given_up(scores).items() if of == "new"}
    assert found["user_nights"] == 3
    assert found["ndcg_nightly"] == pytest.approx(0.4)
    assert found["ndcg_weekly"] == pytest.approx(1 / 3)
    assert found["ndcg_lost"] == pytest.approx((0.1 + 0.0) / 2), "users count, not their nights"
    assert found["ndcg_lost_low"] < 0 < found["ndcg_lost_high"]
