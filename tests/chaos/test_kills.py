"""A night is killed at every write, before, amid and after Delta's commit, and started again.

It goes on from what the kill has left, is killed again at the next write, and so on. After each
kill every table's day is the old one or the new one, whole.
"""

import pytest

from chaos.lakes import faults_at_the_end, held_by
from chaos.nights import Nights
from chaos.report import Report

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
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
