"""Python workers: the archives of their path are read once, and one that fails is made good."""

import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest

READS = """
import importlib, sys, zipfile
from lakeshop.engine.worker_daemon import keep_archives
if sys.argv[2] == "kept":
    keep_archives()
sys.path.insert(0, sys.argv[1])
import inside
with zipfile.ZipFile(sys.argv[1], "a") as archive:
    archive.writestr("later.py", "")
importlib.invalidate_caches()
print(importlib.util.find_spec("later") is not None, importlib.util.find_spec("inside") is not None)
"""


def found(tmp_path, how):
    archive = tmp_path / f"{how}.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("inside.py", "")
    command = [sys.executable, "-c", READS, str(archive), how]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_an_archive_is_read_once(tmp_path):
    """Without it Python would see what is added later, at the cost of reading all of them."""
    assert found(tmp_path, "kept") == ["False", "True"]
    assert found(tmp_path, "as ever") == ["True", "True"]


def test_workers_are_forked_from_it(spark):
    """And are ordinary workers else: they live on from task to task."""
    assert spark.conf.get("spark.python.daemon.module") == "lakeshop.engine.worker_daemon"

    def workers(batches):
        import pandas as pd

        from lakeshop.engine.worker_daemon import zipimporter

        for batch in batches:
            kept = zipimporter.invalidate_caches.__module__
            yield pd.DataFrame({"pid": [os.getpid()] * len(batch), "kept": kept})

    rows = spark.range(0, 6, 1, 6).mapInPandas(workers, "pid INT, kept STRING").collect()
    assert len({row["pid"] for row in rows}) <= 2
    assert {row["kept"] for row in rows} == {"__main__"}


FAULTS = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hung": lambda: time.sleep(600),
    "greedy": lambda: bytearray(2**60),
}
IMPATIENT = {"idleTimeoutSeconds": "3", "killOnIdleTimeout": "true"}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_task_of_one_that_fails_is_tried_again(spark, tmp_path, fault):
    first, fail = tmp_path / "first", FAULTS[fault]

    def failing_once(batches):
        try:
            first.touch(exist_ok=False)
        except FileExistsError:
            yield from batches
        else:
            fail()

    options = {f"spark.sql.execution.pyspark.udf.{name}": v for name, v in IMPATIENT.items()}
    for name, value in options.items():
        spark.conf.set(name, value)
    try:
        rows = spark.range(0, 6, 1, 2).mapInPandas(failing_once, "id BIGINT").collect()
    finally:
        for name in options:
            spark.conf.unset(name)
    assert first.exists()
    assert sorted(row["id"] for row in rows) == list(range(6))
