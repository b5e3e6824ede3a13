"""A night on a standalone cluster of two workers: equal to the laptop's, table by table.

`make cluster` runs it. The workers' Python is what `lakeshop.packaging` packed, and its code
what `lakeshop.packaging` did.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import pytest

from chaos.cluster import SMALL, Cluster
from chaos.lakes import Days, held_by
from chaos.nights import DAY, Nights
from chaos.process import HOME, Ended, Job, submitted
from chaos.report import Report
from shops import TAUGHT

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
DAYS = DAY - timedelta(days=1), DAY + timedelta(days=1)  # a Monday: models are trained


class Packed:
    """The shop, the code as a zip, and the libraries, as a night on a cluster is given them."""

    def __init__(self, home: Path) -> None:
        self.nights = Nights(home, is_reduced=False, overlay=TAUGHT)
        (home / "conf" / "cluster.yaml").write_text("")
        self.zip = home / "lakeshop.zip"
        self.environment = home / "environment.tar.gz"
        code = {"PYTHONPATH": str(home / "lib")}
        for target in (self.zip, self.environment):
            started = time.monotonic()
            command = [sys.executable, "-m", "lakeshop.packaging", str(target)]
            subprocess.run(command, env=code, check=True)
            size = target.stat().st_size / 2**20
            sys.stdout.write(f"{target.name}: {size:.0f} MiB, {time.monotonic() - started:.0f} s\n")

    def start(self, cluster: Cluster, lake: str, *options: str) -> Job:
        """A night as docs/clusters.md submits it."""
        home, archive = self.nights.home, f"{self.environment}#environment"
        days = ("--from", str(DAYS[0]), "--to", str(DAYS[1]), "--env", "cluster")
        command = submitted(
            *(HOME / "jobs" / "nightly.py", home, *days, "--lake", str(home / lake)),
            confs=SMALL,
            options=(*cluster.options, *options, "--archives", archive),
        )
        code = {"PYTHONPATH": str(home / "lib")}  # the driver's, where it is not sent
        return Job(command, {**cluster.variables, **code}, home / f"{lake}.log")

    def done(self, cluster: Cluster, job: Job) -> Ended:
        ended = job.wait()
        cluster.clear()
        return ended

    @cached_property
    def right(self) -> Mapping[str, Days]:
        """What the night leaves on a laptop."""
        self.nights.done("laptop", *DAYS)
        return held_by(self.nights.home / "laptop").without_ops

    def differences(self, lake: str) -> list[str]:
        """Tables that do not hold what they hold on a laptop."""
        found = held_by(self.nights.home / lake).without_ops
        return [t for t in {*self.right, *found} if found.get(t) != self.right.get(t)]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packed]:
    made = Packed(tmp_path_factory.mktemp("cluster"))
    yield made
    made.environment.unlink()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("machines") / "cluster") as started:
        yield started


def test_a_night_on_a_cluster_equals_the_laptops(
    packed: Packed, cluster: Cluster, chaos_report: Report
) -> None:
    py_files = ("--py-files", str(packed.zip))
    ended = packed.done(cluster, packed.start(cluster, "whole", *py_files))
    assert ended.code == 0, ended.said[-3000:]
    assert "Tiny, 2026-03-07 to 2026-03-09: nightly done" in ended.said
    assert f"  {'gold.fraud_scores':<28}2026-03-09 " in ended.said
    assert "no fraud model" not in ended.said
    assert cluster.said("worker0").count("Asked to launch executor") == 1
    assert cluster.said("worker1").count("Asked to launch executor") == 1
    wrong = packed.differences("whole")
    chaos_report("night on a standalone cluster", lost=len(wrong))
    assert wrong == []
    logs = "".join(cluster.said(name) for name in ("master", "worker0", "worker1")) + ended.said
    assert cluster.secret not in logs


def test_without_the_zip_nothing_is_published(packed: Packed, cluster: Cluster) -> None:
    ended = packed.done(cluster, packed.start(cluster, "without"))
    assert ended.code == 1, ended.said[-3000:]
    assert "No module named" in ended.said
    held = held_by(packed.nights.home / "without")
    assert not any(held.without_ops.values())


def test_a_machine_that_dies_in_the_middle_is_made_good(
    packed: Packed, cluster: Cluster, chaos_report: Report
) -> None:
    job = packed.start(cluster, "killed", "--py-files", str(packed.zip))
    try:
        job.until_said("  silver.transactions ")
        cluster.kill_machine("worker1")
        ended = packed.done(cluster, job)
    finally:
        job.kill()
    assert ended.code == 0, ended.said[-3000:]
    wrong = packed.differences("killed")
    chaos_report("worker of a standalone cluster killed in mid-night", lost=len(wrong))
    assert wrong == []
