"""Two real nights at once on one lake: of the same date, and of different dates."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from chaos.lakes import faults_at_the_end, held_by
from chaos.nights import DAY, Nights
from chaos.report import Report

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
NEXT = DAY + timedelta(days=1)
ROUNDS = 3


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(tmp_path_factory.mktemp("doubled"), is_reduced=True)


def entries_of_logs(lake: Path) -> int:
    """Commits of all tables but those of ops, which a slow night flushes more often."""
    entries = lake.glob("*/*/_delta_log/*[0-9].json")
    return sum(entry.relative_to(lake).parts[0] != "ops" for entry in entries)


def test_of_two_nights_of_one_date_one_publishes(nights: Nights, chaos_report: Report) -> None:
    faults = []
    commits = entries_of_logs(nights.home / "right") if nights.right else 0
    for number in range(ROUNDS):
        lake = f"same_{number}"
        nights.copied("before", lake)
        pair = [nights.start(lake)]
        time.sleep(number * 0.3 * nights.seconds / ROUNDS)  # together, and one somewhat later
        pair.append(nights.start(lake))
        ended = sorted((job.wait() for job in pair), key=lambda one: one.code)
        assert [one.code for one in ended] == [0, 1], [one.said[-2000:] for one in ended]
        assert "One run at a time should work on" in ended[1].said
        assert f"It is held by nightly of {DAY}, process" in ended[1].said
        faults += faults_at_the_end(held_by(nights.home / lake), nights.right)
        assert entries_of_logs(nights.home / lake) == commits, "as of one night"
    chaos_report("two nights of one date at once", tried=ROUNDS, lost=len(faults))
    assert faults == []


def test_of_two_nights_of_two_dates_the_second_waits(nights: Nights, chaos_report: Report) -> None:
    nights.copied("right", "one_by_one")
    nights.done("one_by_one", NEXT)
    right = held_by(nights.home / "one_by_one")
    nights.copied("before", "at_once")
    first = nights.start("at_once")
    while not (nights.home / "at_once" / ".lease").exists():
        time.sleep(0.05)
        assert first.process.poll() is None
    second = nights.start("at_once", NEXT)
    ended = [first.wait(), second.wait()]
    assert [one.code for one in ended] == [0, 0], [one.said[-2000:] for one in ended]
    assert "waiting for its end" in ended[1].said
    faults = faults_at_the_end(held_by(nights.home / "at_once"), right)
    commits = entries_of_logs(nights.home / "at_once")
    chaos_report("two nights of two dates at once", lost=len(faults))
    assert faults == []
    assert commits == entries_of_logs(nights.home / "one_by_one")
