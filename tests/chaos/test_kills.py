"""A night is killed at every write, before, amid and after Delta's commit, and started again.

It goes on from what the kill has left, is killed again at the next write, and so on. After each
kill every table's day is the old one or the new one, whole. So it is where half of a night dies,
its JVM or its Python: the other half ends too, and holds the lake no more.
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
LEAST, MOST = 6, 30  # writes: ten or more of the whole night, fewer once some are remembered


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(tmp_path_factory.mktemp("kills"), is_reduced=True)


@pytest.mark.parametrize("point", ["prepare", "commit", "postCommit", "after"])
def test_killed_at_every_write(nights: Nights, chaos_report: Report, point: str) -> None:
    lake = f"killed_{point}"
    nights.copied("before", lake)
    kills, faults, lease = 0, [], nights.home / lake / ".lease"
    # How often a night writes depends on how long it takes: `ops` is written every two minutes,
    # and what it remembers then the next one skips.
    while kills < MOST:
        ended = nights.start(lake, at=f"{kills + 1}:{point}").wait()
        if not ended.was_killed:
            break
        kills += 1
        assert lease.exists(), "the killed night holds the lake"
        faults += [f"killed at {kills}: {fault}" for fault in nights.faults(lake)]
    assert ended.code == 0, ended.said[-3000:]
    assert "which has died" in ended.said
    faults += faults_at_the_end(held_by(nights.home / lake), nights.right)
    chaos_report(
        f"night killed at each write: {point}",
        tried=kills,
        lost=len(faults),
        recovery_seconds=ended.seconds,
    )
    assert kills >= LEAST
    assert faults == []
    assert not lease.exists()


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
