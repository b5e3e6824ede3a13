"""The lease of a lake, between real processes: refused, waited for, taken over, lost."""

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import date
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakeshop.config.settings import LockSettings
from lakeshop.errors import BusyError
from lakeshop.storage import lock as lease
from lakeshop.storage.lock import (
    Lease,
    Owner,
    Process,
    acquire_lock,
    these_processes,
    this_machine,
)

CHILD = Path(__file__).parent / "lock_child.py"
DAY, NEXT = "2026-03-05", "2026-03-06"
QUICK = 0.4  # seconds of a lease that is to expire: its owner does nothing meanwhile
LONG = 60.0  # of one that is not, however busy the machine is


class Child:
    """A process that does as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *command: object) -> None:
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> list[str]:
        return json.loads(self.process.stdout.readline())

    def does(self, *command: object) -> list[str]:
        self.ask(*command)
        return self.answer()

    def take(self, lake, first=DAY, last=None, *, seconds=LONG, wait=60.0, job="nightly"):
        return self.does("take", str(lake), job, first, last or first, seconds, wait)

    def sends(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            while state(self.process.pid) != "T":
                time.sleep(0.005)


def state(number: int) -> str:
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture(scope="module")
def lasting():
    """Two processes for all tests that end neither: each starts for a second."""
    with ExitStack() as ending:
        pair = Child(), Child()
        for child in pair:
            ending.callback(child.process.wait)
            ending.callback(child.process.stdin.close)
            ending.callback(child.process.stdout.close)
        yield pair


@pytest.fixture
def two(lasting):
    yield lasting
    for child in lasting:
        child.sends(signal.SIGCONT)
        child.does("leave")
        child.does("release")


@pytest.fixture
def mortal():
    child = Child()
    yield child
    child.process.kill()
    child.process.wait()
    child.process.stdin.close()
    child.process.stdout.close()


# -- refused, or waited for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "days", [(DAY, DAY), ("2026-03-01", NEXT), (DAY, "2026-04-01")], ids=" to ".join
)
def test_the_same_days_are_refused_while_the_owner_is_at_work(two, tmp_path, days):
    one, other = two
    assert one.take(tmp_path) == ["done"]
    (answer,) = other.take(tmp_path, *days)
    assert answer.startswith(
        f"One run at a time should work on {tmp_path}. It is held by nightly of {DAY}, process "
        f"{one.process.pid} on "
    )
    assert answer.endswith("which is at work; run again when that has ended.")
    assert one.does("commit") == ["done"]


def test_other_days_wait_until_the_owner_has_ended(two, tmp_path):
    one, other = two
    one.take(tmp_path)
    other.ask("take", str(tmp_path), "train", NEXT, NEXT, LONG, 60.0)
    time.sleep(0.3)
    assert one.does("commit") == ["done"]
    one.does("release")
    answer, waiting, free = other.answer()
    assert answer == "done"
    assert waiting.startswith(f"{tmp_path} is held by nightly of {DAY}, process")
    assert waiting.endswith(": waiting for its end")
    assert free == f"{tmp_path} is free after {float(free.split()[-2]):.0f} s"
    assert other.does("commit") == ["done"]


def test_waiting_is_bounded(two, tmp_path):
    one, other = two
    one.take(tmp_path)
    answer, *_ = other.take(tmp_path, NEXT, wait=0.5)
    assert f"{tmp_path} should be free after 0 seconds, lease.wait_seconds. It is held" in answer


def test_many_turns_of_two_processes_never_meet(lasting, tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    for day, child in zip((DAY, NEXT), lasting, strict=True):
        child.ask("count", str(tmp_path), str(count), 50, day)
    assert [child.answer()[0] for child in lasting] == ["done", "done"]
    assert count.read_text() == "100"
    assert not (tmp_path / ".lease").exists()


# -- dead owners are taken over from, lost ones publish nothing ------------------------------------


def test_a_dead_owner_is_taken_over_from_at_once(mortal, two, tmp_path):
    mortal.take(tmp_path)
    mortal.does("commit", "stay")
    mortal.sends(signal.SIGKILL)
    while state(mortal.process.pid) != "Z":  # its parent, this process, does not bury it yet
        time.sleep(0.005)
    answer, said = two[0].take(tmp_path)
    assert answer == "done"
    assert said.startswith(f"{tmp_path} is taken over from nightly of {DAY}, process")
    assert said.endswith("which has died")
    assert two[0].does("commit") == ["done"]


def test_a_paused_owner_is_taken_over_from_and_publishes_no_more(two, tmp_path):
    paused, other = two
    paused.take(tmp_path, seconds=QUICK)
    paused.sends(signal.SIGSTOP)
    answer, said = other.take(tmp_path)  # the same day: nobody publishes it any more
    assert answer == "done"
    assert "which has not renewed its lease for " in said
    paused.sends(signal.SIGCONT)
    (refused,) = paused.does("commit")
    assert refused.startswith(f"A run should hold {tmp_path} while it publishes. nightly of {DAY}")
    assert f"lost it to nightly of {DAY}, process {other.process.pid} on" in refused
    assert refused.endswith("It publishes nothing more; run it again.")
    paused.does("release")  # what is not ours any more stays
    assert other.does("commit") == ["done"]
    other.does("release")
    assert paused.does("commit")[0].count("lost it to a run that has ended") == 1


def test_a_commit_at_work_is_never_taken_over_from(two, tmp_path):
    paused, other = two
    paused.take(tmp_path, seconds=QUICK)
    paused.does("commit", "stay")
    paused.sends(signal.SIGSTOP)
    (answer,) = other.take(tmp_path)
    assert "which has not renewed its lease for " in answer
    renewed = (tmp_path / ".lease").stat().st_mtime_ns
    other.ask("take", str(tmp_path), "nightly", NEXT, NEXT, LONG, 60.0)
    time.sleep(2 * QUICK)
    paused.sends(signal.SIGCONT)
    while (tmp_path / ".lease").stat().st_mtime_ns == renewed:
        time.sleep(0.005)
    assert json.loads((tmp_path / ".lease").read_text())["processes"][0]["number"] == (
        paused.process.pid
    ), "it is the owner still"
    paused.does("leave")
    paused.does("release")
    assert other.answer()[0] == "done"


# -- who is alive ----------------------------------------------------------------------------------


@pytest.fixture
def ours():
    day = date.fromisoformat(DAY)
    return Owner("t", "here", this_machine(), these_processes(), "nightly", day, day, QUICK)


def left(lake, former):
    """A lease as a former owner left it."""
    (lake / ".lease").write_text(former.as_json())


def test_a_number_that_the_kernel_gave_again_is_no_owner(ours, tmp_path):
    former = dataclasses.replace(ours, token="f", processes=(Process(os.getpid(), "1"),))
    left(tmp_path, former)
    Lease(tmp_path, ours).take(wait_seconds=0)


def test_a_process_of_another_machine_may_live_until_it_is_silent(ours, tmp_path, caplog):
    gone = (Process(2**22 + 1, "1"),)  # larger than any
    former = dataclasses.replace(ours, token="f", host="there", machine="x", processes=gone)
    assert not former.is_gone()
    assert dataclasses.replace(former, machine=this_machine()).is_gone()
    left(tmp_path, former)
    began = time.monotonic()
    Lease(tmp_path, ours).take(wait_seconds=20)
    assert time.monotonic() - began >= QUICK
    assert "on there, which has not renewed its lease for" in caplog.text


def test_a_lease_that_expires_between_two_glances_at_the_clock_is_taken_over(
    ours, tmp_path, monkeypatch
):
    """The owner is silent; it would be refused as one of the same days if it were at work."""
    left(tmp_path, dataclasses.replace(ours, token="f", host="there", machine="x"))
    readings = (QUICK * 0.4 * number for number in count())
    clock = SimpleNamespace(monotonic=lambda: next(readings), sleep=lambda _seconds: None)
    monkeypatch.setattr(lease, "time", clock)
    Lease(tmp_path, ours).take(wait_seconds=20)
    assert Owner.from_json((tmp_path / ".lease").read_text()) == ours


def test_an_owner_of_another_machine_that_renews_is_at_work(ours, tmp_path):
    former = dataclasses.replace(ours, token="f", host="there", machine="x")
    left(tmp_path, former)
    renewing = "import os, sys, time\nwhile True: os.utime(sys.argv[1]); time.sleep(0.02)"
    file = str(tmp_path / ".lease")
    with subprocess.Popen([sys.executable, "-c", renewing, file]) as process:
        try:
            with pytest.raises(BusyError, match="on there, which is at work"):
                Lease(tmp_path, ours).take(wait_seconds=20)
        finally:
            process.kill()


def test_the_jvm_that_started_a_job_is_part_of_its_owner(ours, monkeypatch):
    assert [p.number for p in these_processes()] == [os.getpid()]
    monkeypatch.setattr(lease, "_name", lambda number: "java")
    assert [p.number for p in these_processes()] == [os.getpid(), os.getppid()]
    gone = Process(2**22 + 1, "1")
    half = dataclasses.replace(ours, processes=(gone, Process.of(os.getppid())))
    assert not half.is_gone(), "its JVM may still end a commit"


def test_without_proc_a_number_that_is_given_counts_as_alive(ours, monkeypatch, tmp_path):
    monkeypatch.setattr(lease, "PROC", tmp_path / "none")
    assert Process.of(os.getpid()).is_running()
    assert not Process.of(2**22 + 1).is_running()


# -- the file --------------------------------------------------------------------------------------


def test_an_owner_is_read_as_written(ours):
    assert Owner.from_json(ours.as_json()) == ours


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"processes": 1}'])
def test_a_lease_that_names_nobody_is_left_aside(ours, tmp_path, caplog, text):
    (tmp_path / ".lease").write_text(text)
    Lease(tmp_path, ours).take(wait_seconds=0)
    assert "is left aside, it names nobody" in caplog.text


def test_a_lease_that_cannot_be_renewed_is_told_and_tried_again(tmp_path, monkeypatch, caplog):
    tried = []

    def full(path):
        tried.append(path)
        msg = "No space left on device"
        raise OSError(msg)

    monkeypatch.setattr(lease.os, "utime", full)
    day = date.fromisoformat(DAY)
    with acquire_lock(
        str(tmp_path), "nightly", day, day, LockSettings(seconds=0.1, wait_seconds=0)
    ) as guard:
        while len(tried) < 2:
            time.sleep(0.01)
        with guard():
            pass
    assert "is not renewed: No space left on device" in caplog.text


def test_what_a_run_raises_frees_the_lake(tmp_path):
    day = date.fromisoformat(DAY)
    terms = LockSettings(seconds=LONG, wait_seconds=0)
    for _ in range(2):
        with pytest.raises(KeyError), acquire_lock(str(tmp_path), "nightly", day, day, terms):
            raise KeyError
    with (tmp_path / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_lakes_elsewhere_are_not_held(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    day = date.fromisoformat(DAY)
    terms = LockSettings(seconds=LONG, wait_seconds=0)
    one = acquire_lock("s3a://bucket/lake", "a", day, day, terms)
    with one as guard, guard(), acquire_lock("s3a://bucket/lake", "b", day, day, terms):
        assert list(tmp_path.iterdir()) == []
