"""Too little of something: disk, memory, patience of a worker, executors.

A night loses workers and executors and ends as if nothing had been; on a full disk it fails
whole, says why, and goes on once there is room.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from chaos.lakes import faults_at_the_end, held_by
from chaos.nights import DAY, Nights
from chaos.process import HOME, NIGHT, OF_EXECUTORS, Ended, Job, submitted
from chaos.report import Report
from disks import leave, resize, small_disk

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
FAULTY = {"spark.python.daemon.module": "chaos.faulty_worker"}
CLUSTER = {"spark.master": "local-cluster[2,1,2048]", "spark.executor.memory": "1g"} | OF_EXECUTORS
IMPATIENT = {
    "spark.python.worker.idleTimeoutSeconds": "15s",
    "spark.python.worker.killOnIdleTimeout": "true",
}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    made = Nights(tmp_path_factory.mktemp("resources"), is_reduced=True)
    # Else the night would not begin on a disk so small.
    (made.home / "conf" / "careless.yaml").write_text("maintenance: {least_free_mib: 0}\n")
    return made


def night(
    nights: Nights,
    lake: Path,
    confs: Mapping[str, str] = {},
    variables: Mapping[str, str] = {},
    env: str = "careless",
) -> Ended:
    days = ("--date", str(DAY), "--lake", str(lake), "--env", env)
    command = submitted(NIGHT, nights.home, *days, confs=confs)
    paths = {"PYTHONPATH": f"{nights.home / 'lib'}:{HOME / 'tests'}", "LAKESHOP_REDUCED": "1"}
    return Job(command, paths | dict(variables), lake.with_suffix(".log")).wait()


@pytest.mark.parametrize(
    ("fault", "times", "confs"),
    [
        ("killed", 1000, {}),
        ("greedy", 1000, {"spark.executor.pyspark.memory": "16g"}),
        ("hung", 2, IMPATIENT),
        ("executor", 2, CLUSTER),
    ],
)
def test_a_night_whose_workers_fail_ends_as_any(
    nights: Nights,
    tmp_path: Path,
    chaos_report: Report,
    fault: str,
    times: int,
    confs: Mapping[str, str],
) -> None:
    nights.copied("before", fault)
    told = {"FAULT": fault, "FAULTS": str(times), "FAULT_NOTES": str(tmp_path)}
    variables = {f"LAKESHOP_{name}": value for name, value in told.items()}
    ended = night(nights, nights.home / fault, FAULTY | dict(confs), variables)
    assert ended.code == 0, ended.said[-3000:]
    tried = len(list(tmp_path.iterdir()))
    assert not (tmp_path / "unbounded").exists(), "the worker got all the memory it asked for"
    faults = faults_at_the_end(held_by(nights.home / fault), nights.right)
    chaos_report(f"Python worker of a task: {fault}", tried=tried, lost=len(faults))
    assert 2 <= tried <= times
    assert faults == []


@pytest.mark.parametrize("kib", [4, 80, 200])
def test_a_full_disk_fails_the_night_whole(nights: Nights, chaos_report: Report, kib: int) -> None:
    lake = nights.home / f"full{kib}"
    with small_disk(lake):
        assert nights.before.tables
        subprocess.run(["cp", "-a", f"{nights.home / 'before'}/.", lake], check=True)
        leave(lake, kib * 1024)
        careful = night(nights, lake, env="local")
        assert careful.code == 1
        assert "should have 1,024 MiB free before a run" in careful.said
        failed = night(nights, lake)
        assert failed.code == 1, failed.said[-3000:]
        assert "nightly failed: " in failed.said
        assert "No space left on device" in failed.said.rpartition("nightly failed: ")[2]
        faults = nights.faults(lake.name)
        resize(lake)
        again = night(nights, lake)
        assert again.code == 0, again.said[-3000:]
        faults += faults_at_the_end(held_by(lake), nights.right)
    chaos_report("night on a full disk", lost=len(faults), recovery_seconds=again.seconds)
    assert faults == []
