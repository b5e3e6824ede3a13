"""A night by the real spark-submit: on a cluster with the zip, and killed in the middle.

The cluster is two executors of their own (`local-cluster`), started from another folder, with a
clean environment and a Python that finds Lakeshop in the zip alone.
"""

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conftest import HOME
from lakeshop.bundle import bundle
from lakeshop.tables import Content
from shops import TinyShop, action, line, product, tiny_shop

DAY = date(2026, 3, 10)
SUBMIT = Path(sys.executable).parent / "spark-submit"
SECONDS = 400


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TinyShop:
    similarity = {"min_support": 1, "blocks": 2, "linear_ridge": 1}
    shop = tiny_shop(spark, tmp_path_factory.mktemp("submitted"), similarity=similarity)
    lines = [
        line(n, f"{DAY} 10:{n}:00", order=f"o{n // 3}", product=f"p{n % 5}") for n in range(10, 40)
    ]
    shop.deliver("transactions", DAY, lines)
    shop.deliver("user_actions", DAY, [action(n, f"{DAY} 11:00:00") for n in range(5)])
    shop.deliver("products", DAY, [product(n) for n in range(5)])
    (shop.home / "conf" / "cluster.yaml").write_text("tables_at_once: 1\n")
    bundle(shop.home / "lakeshop.zip")
    return shop


def command(shop: TinyShop, lake: str, *options: str, env: str = "local") -> list[str]:
    # Machine code of the first tier: a night of a few rows is over before the second pays.
    java = "-Duser.timezone=UTC -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    small = {
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": java,
        "spark.executor.extraJavaOptions": java,
    }
    confs = [part for key, value in small.items() for part in ("--conf", f"{key}={value}")]
    properties = ("--properties-file", str(HOME / "conf" / "spark" / "local.conf"))
    job = (str(HOME / "jobs" / "nightly.py"), "--date", str(DAY), "--shop", "tiny")
    places = ("--conf", str(shop.home / "conf"), "--schemas", str(shop.home / "schemas"))
    told = (*job, *places, "--lake", lake, "--env", env)
    return [str(SUBMIT), *properties, *confs, *options, *told]


def environment(python: Path) -> Mapping[str, str]:
    kept = ("HOME", "JAVA_HOME", "TMPDIR", "LANG")
    paths = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYSPARK_PYTHON": str(python)}
    return paths | {name: os.environ[name] for name in kept if name in os.environ}


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
    """The lake that a night leaves on a cluster of two executors, one table after the other."""
    lake = shop.home / "lake_of_cluster"
    done = subprocess.run(
        command(
            shop,
            str(lake),
            *("--master", "local-cluster[2,1,2048]"),
            *("--py-files", str(shop.home / "lakeshop.zip")),
            *("--conf", "spark.executor.memory=2g"),
            # Its Python has the libraries, and our own code from the zip alone: as cluster.conf.
            *("--conf", "spark.python.daemon.module=pyspark.daemon"),
            env="cluster",
        ),
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=environment(python_without_lakeshop),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Tiny, 2026-03-10: done" in done.stdout
    return lake


def rows_by_table(shop: TinyShop, lake: str) -> Mapping[str, Mapping[date, Content]]:
    tables = shop.lake(lake)
    return {n: tables.content(n, DAY, DAY) for n in tables.contracts if not n.startswith("ops.")}


def test_a_night_killed_in_the_middle_and_run_again_equals_the_cluster(
    shop: TinyShop, on_cluster: Path
) -> None:
    lake = shop.home / "lake_of_laptop"
    start = command(shop, str(lake))
    env = environment(Path(sys.executable))
    with subprocess.Popen(
        start, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    ) as night:  # fmt: skip
        assert night.stdout is not None
        for text in night.stdout:
            if text.startswith("table=silver.transactions"):
                break
        os.killpg(night.pid, signal.SIGKILL)
    assert night.returncode == -signal.SIGKILL
    assert not shop.lake(lake.name).exists("gold.recommendations")
    again = subprocess.run(
        start, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert rows_by_table(shop, lake.name) == rows_by_table(shop, on_cluster.name)


def test_wrong_arguments_end_with_2_through_spark_submit(shop: TinyShop) -> None:
    lake = shop.home / "untouched"
    wrong = command(shop, str(lake))
    wrong[wrong.index(str(DAY))] = "2026-02-30"
    env = environment(Path(sys.executable))
    done = subprocess.run(
        wrong, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "should be a day as YYYY-MM-DD, received '2026-02-30'" in said
    assert not lake.exists()
