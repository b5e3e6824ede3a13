"""A night by the real spark-submit: on a cluster that loses a machine, killed, and twice at once.

The cluster is a standalone one of two workers, with a clean environment, folders of their own and
a Python that finds Lakeshop in the zip alone. The night is a small one, of bronze, silver and a
table of features; `make chaos` does the same with all tables.
"""

import subprocess
import sys
import sysconfig
from datetime import date
from pathlib import Path

import pytest

from chaos.cluster import SMALL, Cluster
from chaos.lakes import Held, faults_at_the_end, faults_of_killed, held_by
from chaos.nights import NO_SPARK
from chaos.process import HOME, NIGHT, Job, submitted
from lakeshop.packaging import bundle
from shops import TinyShop, action, line, product, tiny_shop

DAY = date(2026, 3, 10)
NIGHTLY = HOME / "jobs" / "nightly.py"
REDUCED = {"LAKESHOP_REDUCED": "1"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> TinyShop:
    similarity = {"min_support": 1, "blocks": 2, "linear_ridge": 1}
    shop = tiny_shop(NO_SPARK, tmp_path_factory.mktemp("submitted"), similarity=similarity)
    lines = [
        line(n, f"{DAY} 10:{n}:00", order=f"o{n // 3}", product=f"p{n % 5}") for n in range(10, 40)
    ]
    shop.deliver("transactions", DAY, lines)
    shop.deliver("user_actions", DAY, [action(n, f"{DAY} 11:00:00") for n in range(5)])
    shop.deliver("products", DAY, [product(n) for n in range(5)])
    (shop.home / "conf" / "cluster.yaml").write_text("tables_at_once: 1\n")
    bundle(shop.home / "lakeshop.zip")
    return shop


@pytest.fixture(scope="module")
def python_without_lakeshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that sees installed packages, but no editable install (-S reads no .pth)."""
    script = tmp_path_factory.mktemp("python") / "python"
    packages = sysconfig.get_paths()["purelib"]
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{packages}" exec {sys.executable} -S "$@"\n'
    )
    script.chmod(0o755)
    found = subprocess.run(
        [script, "-c", "import lakeshop"], capture_output=True, text=True, env={}, check=False
    )
    assert "No module named 'lakeshop'" in found.stderr
    return script


@pytest.fixture(scope="module")
def on_cluster(
    shop: TinyShop, python_without_lakeshop: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The lake that a night leaves on a cluster one of whose machines dies in the middle."""
    lake = shop.home / "lake_of_cluster"
    zipped = ("--py-files", str(shop.home / "lakeshop.zip"))
    pythons = {
        f"spark.pyspark.{role}python": str(python_without_lakeshop) for role in ("", "driver.")
    }
    with Cluster(tmp_path_factory.mktemp("machines") / "cluster") as cluster:
        command = submitted(
            *(NIGHT, shop.home, "--date", str(DAY), "--lake", str(lake), "--env", "cluster"),
            confs=SMALL | pythons,
            options=(*cluster.options, *zipped),
        )
        job = Job(command, {**cluster.variables, **REDUCED}, shop.home / "cluster.log")
        try:
            job.until_said("  bronze.")
            cluster.kill_machine("worker1")
            ended = job.wait()
        finally:
            job.kill()
        assert ended.code == 0, ended.said[-3000:]
        for worker in ("worker0", "worker1"):
            assert "Asked to launch executor" in cluster.said(worker)
    return lake


def test_a_night_killed_twice_and_run_twice_at_once_equals_the_cluster(
    shop: TinyShop, on_cluster: Path
) -> None:
    """Killed as a table of bronze is about to be committed, then as one of silver just was."""
    lake = shop.home / "lake_of_laptop"
    right, nothing = held_by(on_cluster), Held({}, {}, {}, ())
    command = submitted(NIGHT, shop.home, "--date", str(DAY), "--lake", str(lake))
    for number, at in enumerate(("2:commit", "6:postCommit")):
        variables = {"LAKESHOP_KILL_AT": at, **REDUCED}
        ended = Job(command, variables, shop.home / f"{number}.log").wait()
        assert ended.was_killed, ended.said[-3000:]
        held = held_by(lake)
        assert faults_of_killed(held, nothing, right) == []
    assert any(table.startswith("silver.") and days for table, days in held.tables.items())
    assert "features.user_product_days" not in held.tables
    pair = [Job(command, REDUCED, shop.home / f"again{number}.log") for number in range(2)]
    again, refused = sorted((job.wait() for job in pair), key=lambda ended: ended.code)
    assert [again.code, refused.code] == [0, 1], again.said[-3000:] + refused.said[-3000:]
    assert "which has died" in again.said
    assert f"It is held by nightly of {DAY}, process" in refused.said
    assert faults_at_the_end(held_by(lake), right) == []


def test_wrong_arguments_end_with_2_through_spark_submit(shop: TinyShop) -> None:
    lake = shop.home / "untouched"
    wrong = submitted(NIGHTLY, shop.home, "--date", "2026-02-30", "--lake", str(lake))
    done = Job(wrong, {}, shop.home / "wrong.log").wait()
    assert done.code == 2
    assert "should be a day as YYYY-MM-DD, 1970-01-01 or later, received '2026-02-30'" in done.said
    assert not lake.exists()
