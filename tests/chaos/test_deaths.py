"""The first night is killed as tables come to be; a night loses its JVM or its Python alone.

Where half of a night dies the other half ends too, and holds the lake no more. Upkeep removes what
killed nights have left.
"""

import os
from signal import SIGKILL, SIGTERM, Signals

import pytest

from chaos.lakes import Held, faults_at_the_end, faults_of_killed, held_by, unreferenced
from chaos.nights import Nights
from chaos.process import until
from chaos.report import Report
from lakeshop.storage.lock import Process
from shops import FIRST

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
NOTHING_HELD = Held({}, {}, {}, ())
LEAST, MOST = 6, 30  # tables


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(tmp_path_factory.mktemp("deaths"), is_reduced=True)


def test_killed_as_each_table_comes_to_be(nights: Nights, chaos_report: Report) -> None:
    """The very first night of a lake; once no table is to be made it dies at a write."""
    lake, kills, faults = nights.home / "made", 0, []
    right = nights.before
    while kills < MOST:
        ended = nights.start(lake.name, FIRST, at=f"{kills + 1}:create").wait()
        if not ended.was_killed:
            break
        kills += 1
        faults += faults_of_killed(held_by(lake), NOTHING_HELD, right)
    assert ended.code == 0, ended.said[-3000:]
    faults += faults_at_the_end(held_by(lake), right)
    chaos_report(
        "first night killed as tables are made",
        tried=kills,
        lost=len(faults),
        recovery_seconds=ended.seconds,
    )
    assert kills >= LEAST
    assert faults == []


@pytest.mark.parametrize(
    ("half", "how"),
    [("JVM", SIGKILL), ("JVM", SIGTERM), ("Python", SIGKILL)],
    ids=["no memory", "stopped", "no Python"],
)
def test_of_a_night_that_loses_one_half_the_other_ends(
    nights: Nights, chaos_report: Report, half: str, how: Signals
) -> None:
    lake = f"{half}_{how.name}"
    nights.copied("before", lake)
    job = nights.start(lake)
    try:
        job.until_said("  bronze.")
        halves = {"JVM": Process.of(job.process.pid), "Python": Process.of(job.python())}
        os.kill(halves[half].number, how)
        until(lambda: not any(one.is_running() for one in halves.values()), "The end of both")
    finally:
        job.kill()
        job.process.wait()
    faults = nights.faults(lake)
    ended = nights.done(lake)
    faults += faults_at_the_end(held_by(nights.home / lake), nights.right)
    chaos_report(
        f"night whose {half} gets {how.name}", lost=len(faults), recovery_seconds=ended.seconds
    )
    assert faults == []


def test_upkeep_removes_what_killed_nights_left(nights: Nights, chaos_report: Report) -> None:
    nights.copied("before", "cleared")
    place = nights.home / "cleared"
    for number in (2, 5):
        assert nights.start("cleared", at=f"{number}:commit").wait().was_killed
    nights.done("cleared")
    left = unreferenced(place)
    assert sum(left.values()) >= 2
    nights.maintained("cleared")
    faults = faults_at_the_end(held_by(place), nights.right)
    faults += [f"{table} has {n} files of no use" for table, n in unreferenced(place).items()]
    chaos_report("upkeep after killed nights", lost=len(faults))
    assert faults == []
