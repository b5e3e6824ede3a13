"""The harness on methods of a few lines: what it measures is there, what fails is told."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import memory
from benchmarks.agreement import disagreement
from benchmarks.child import Prepared, wanted_runs
from benchmarks.harness import Measured, Method, MethodFailed, measure
from benchmarks.plot import IN_MEMORY, points_of
from benchmarks.report import Goal, as_text, compared, judged, row_of, write
from benchmarks.similarity import BENCHMARKS, methods_of

MIB = 2**20
GROWING = "import sys; block = b'x' * int(sys.argv[1]); print(flush=True); input()"


def sleeping(seconds, mebibytes):
    """A method that keeps a block of memory, and so does its child, through all its runs."""
    command = [sys.executable, "-c", GROWING, str(mebibytes * MIB)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    block, runs = np.ones(mebibytes * MIB, np.int8), []

    def work():
        time.sleep(seconds)
        runs.append(block[-1])

    def answer():
        child.communicate(b"\n")
        return {"runs": np.array([len(runs)])}

    return Prepared(work, answer)


def failing():
    message = "no neighbours today"
    raise ArithmeticError(message)


def test_seconds_memory_and_answer_of_a_method(tmp_path):
    method = Method("m", "benchmarks.test_harness:sleeping", {"seconds": 0.3, "mebibytes": 80})
    found = measure(method, tmp_path)
    runs = wanted_runs(found.seconds[0])
    assert found.answer["runs"].tolist() == [len(found.seconds)] == [runs]
    assert min(found.seconds) >= 0.3
    # A block here and one in a child, beside two interpreters, one with NumPy.
    assert 2 * 80 < found.peak_mib < 2 * 80 + 400


def test_a_failure_carries_the_end_of_the_log(tmp_path):
    with pytest.raises(MethodFailed, match=r"(?s)exit code 1.*no neighbours today"):
        measure(Method("m", "benchmarks.test_harness:failing"), tmp_path)


def test_an_old_result_is_not_taken_for_a_new_one(tmp_path):
    (tmp_path / "times.json").write_text('{"seconds": [1.0], "begun": 0, "ended": 1}')
    with pytest.raises(MethodFailed):
        measure(Method("m", "benchmarks.test_harness:failing"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "task.json"]


def test_a_family_ends_with_its_members():
    started = [sys.executable, "-c", "print(flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(started, **pipes) as child:
        assert child.stdout.readline(), "before that it has hardly any memory"
        assert memory.family(child.pid) == {child.pid}
        assert memory.mebibytes(child.pid) > 1
        child.communicate(b"\n")
    assert memory.mebibytes(child.pid) == 0


def test_the_peak_is_that_of_the_time_of_work():
    sampler = memory.Sampler(0, samples=[(0, 9.0), (1, 5.0), (3, 7.0), (5, 8.0)])
    assert sampler.peak(2, 4) == 7
    assert sampler.peak(1.5, 2) == 5, "the last one before, where work is short"


@pytest.mark.parametrize(("seconds", "runs"), [(0.1, 7), (3, 3), (29.9, 3), (30, 1), (900, 1)])
def test_what_is_fast_is_run_more_often(seconds, runs):
    assert wanted_runs(seconds) == runs


def rows(**seconds):
    methods = [Method(name, "") for name in seconds]
    found = [Measured([2 * s, s, 3 * s], 100 * s, None) for s in seconds.values()]
    return [row_of("b", m, 5, f) for m, f in zip(methods, found, strict=True)]


def test_rows_are_compared_with_ours():
    ours, peer, alone = compared(rows(ours=2.0, peer=5.0, alone=1.0), {"peer": "ours"})
    assert (ours.ratio_to_ours, peer.ratio_to_ours, alone.ratio_to_ours) == (1, 2.5, 1)
    assert (peer.seconds_min, peer.seconds_median, peer.runs) == (5, 10, 3)
    (lonely,) = compared(rows(peer=5.0), {"peer": "ours"})
    assert lonely.ratio_to_ours is None
    assert as_text([peer, lonely]).splitlines()[1:] == [
        "peer                                  3     5.000    10.000       500     2.50",
        "peer                                  3     5.000    10.000       500        -",
    ]


def test_goals_are_judged_where_they_were_measured():
    goals = [
        Goal("ours", times_as_fast=2, than="peer"),
        Goal("ours", times_as_fast=3, than="peer"),
        Goal("ours", times_as_fast=3, than="absent"),
        Goal("ours", seconds=2.5, mib=150),
        Goal("absent", seconds=1),
    ]
    lines = judged(goals, rows(ours=2.0, peer=5.0))
    assert [line.split()[0] for line in lines] == ["met", "MISSED", "met", "MISSED"]


def answer(*rows):
    columns = zip(*rows, strict=True)
    return dict(zip(("item", "neighbour", "similarity"), map(np.array, columns), strict=True))


OURS = answer((1, 2, 0.9), (1, 3, 0.5), (4, 1, 0.3))


@pytest.mark.parametrize(
    "other",
    [
        answer((4, 1, 0.3), (1, 3, 0.5 + 1e-12), (1, 2, 0.9)),
        answer((1, 2, 0.9), (1, 7, 0.5), (4, 1, 0.3)),  # ties with the last one
    ],
)
def test_the_same_neighbours_agree(other):
    assert disagreement(OURS, other) is None


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (answer((1, 2, 0.9), (1, 3, 0.5)), "1 items instead of 2"),
        (answer((1, 2, 0.9), (4, 1, 0.3)), "1 neighbours instead of 2"),
        (answer((1, 2, 0.9), (1, 3, 0.5 + 1e-8), (4, 1, 0.3)), "differ by up to 2.0e-08"),
        (answer((1, 7, 0.9), (1, 3, 0.5), (4, 1, 0.3)), "neighbour . is"),
        (answer((1, 3, 0.9), (1, 2, 0.5), (4, 1, 0.3)), "neighbour . is"),
    ],
)
def test_other_neighbours_do_not(other, fault):
    assert re.search(fault, disagreement(OURS, other))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_peer_is_beside_a_method_of_ours(name, tmp_path):
    methods = methods_of(BENCHMARKS[name], tmp_path, 100)
    ours = {method.name for method in methods if method.beside is None}
    assert methods[0].name in ours
    assert {method.beside for method in methods if method.beside} <= ours
    assert all(name.startswith("lakeshop") for name in ours)
    named = {goal.method for goal in BENCHMARKS[name].goals}
    assert named <= ours


def test_the_plot_has_a_line_per_method_by_pairs(tmp_path):
    peer, ours = rows(**{IN_MEMORY[1]: 5.0, IN_MEMORY[0]: 2.0})
    write(tmp_path / "similarity_10m.json", [peer, ours], load=0.1, data={"pairs": 400})
    write(tmp_path / "similarity_2m.json", [ours], load=0.1, data={"pairs": 80})
    write(tmp_path / "similarity_2m_part.json", [peer], load=0.1, data={"pairs": 80})
    points = points_of(tmp_path)
    assert points == {IN_MEMORY[0]: [(80, 2.0), (400, 2.0)], IN_MEMORY[1]: [(400, 5.0)]}
    assert list(points) == list(IN_MEMORY[:2])
