"""Drivers and executors that are killed: the training comes to the same end, to the bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from broken_off import PLAN
from toy_trainings import committed, hash_of, labelled, ship_networks, trained

from conftest import HOME
from lakeshop.storage.lake import Lake

SCRIPT = Path(__file__).with_name("broken_off.py")
PATIENCE = 240.0


@pytest.fixture(autouse=True)
def networks(spark):
    ship_networks(spark)


@pytest.fixture
def rows(tmp_path):
    """A file, as each process reads it."""
    path = tmp_path / "rows.json"
    labelled(300).to_json(path, orient="records", lines=True)
    return path


def process(lake, rows, master, when):
    paths = os.pathsep.join([str(HOME / "lib"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(SCRIPT), str(lake), str(rows), master, when]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": paths, "PYSPARK_PYTHON": sys.executable},
    )


def test_a_driver_killed_before_and_after_a_commit_goes_on(spark, contracts, tmp_path, rows):
    """On one core, then on two, and to the end here: no round is lost or done twice."""
    whole_lake = Lake(spark, str(tmp_path / "whole"), contracts)
    whole = trained(whole_lake, spark.read.json(str(rows)), PLAN)
    expected = committed(whole_lake, whole.training_id)
    assert list(expected) == [1, 2, 3, 4, 5]

    path = tmp_path / "broken"
    first = process(path, rows, "local[1,4]", "reduced=2")
    assert first.returncode == -signal.SIGKILL, first.stderr
    lake = Lake(spark, str(path), contracts)
    assert list(committed(lake, whole.training_id)) == [1]
    second = process(path, rows, "local[2,4]", "committed=3")
    assert second.returncode == -signal.SIGKILL, second.stderr
    lake = Lake(spark, str(path), contracts)
    assert list(committed(lake, whole.training_id)) == [1, 2, 3]
    done = trained(lake, spark.read.json(str(rows)), PLAN)
    assert committed(lake, whole.training_id) == expected
    assert hash_of(done.weights) == hash_of(whole.weights)


@pytest.mark.slow
def test_an_executor_that_is_lost_is_made_good(spark, contracts, tmp_path, rows):
    """Its chunks are made anew from the rows, on the executor that is left or a new one."""
    whole = trained(
        Lake(spark, str(tmp_path / "whole"), contracts), spark.read.json(str(rows)), PLAN
    )
    found = process(tmp_path / "lost", rows, "local-cluster[2,1,1024]", "executor=2")
    assert found.returncode == 0, found.stderr
    assert "executors [" in found.stderr
    assert found.stdout.split() == [f"hash={hash_of(whole.weights)}"]
