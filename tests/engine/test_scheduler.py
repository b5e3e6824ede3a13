"""Independent tables side by side, in the order of what they need."""

import threading
import time

import pytest
from pyspark.sql import SparkSession

from lakeshop.engine.scheduler import in_parallel

pytestmark = pytest.mark.usefixtures("spark")
SECONDS = 30


def test_each_piece_begins_after_those_it_needs() -> None:
    done: list[str] = []
    work = {name: (lambda name=name: done.append(name)) for name in "dcba"}
    in_parallel(work, {"d": {"b", "c"}, "c": {"a"}, "b": {"a", "no piece"}}, 3)
    assert done[0] == "a"
    assert done[-1] == "d"
    assert sorted(done) == ["a", "b", "c", "d"]


def test_of_those_that_could_begin_the_first_does() -> None:
    done: list[str] = []
    work = {name: (lambda name=name: done.append(name)) for name in "xbya"}
    in_parallel(work, {"x": {"a"}}, 1)
    assert done == ["b", "y", "a", "x"]


def test_two_are_at_work_at_once_and_no_third() -> None:
    both = threading.Barrier(2, timeout=SECONDS)
    at_work: list[int] = []
    lock = threading.Lock()
    running = 0

    def meet() -> None:
        nonlocal running
        with lock:
            running += 1
            at_work.append(running)
        both.wait()
        with lock:
            running -= 1

    in_parallel(dict.fromkeys("abcd", meet), {}, 2)
    assert max(at_work) == 2


def test_an_error_is_raised_after_those_at_work_and_nothing_more_begins() -> None:
    done: list[str] = []
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        msg = "broken"
        raise ValueError(msg)

    def slow() -> None:
        failed.wait(SECONDS)
        time.sleep(0.2)
        done.append("slow")

    work = {"slow": slow, "fail": fail, "late": lambda: done.append("late")}
    with pytest.raises(ValueError, match="broken"):
        in_parallel(work, {"late": {"fail"}}, 2)
    assert done == ["slow"]


def test_needs_in_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        in_parallel({"a": print, "b": print}, {"a": {"b"}, "b": {"a"}}, 2)


def test_a_piece_has_a_pool_of_its_own(spark: SparkSession) -> None:
    found: dict[str, str | None] = {}

    def ask(name: str) -> None:
        spark.range(1).count()
        found[name] = spark.sparkContext.getLocalProperty("spark.scheduler.pool")

    in_parallel({name: (lambda name=name: ask(name)) for name in ("one", "two")}, {}, 2)
    assert found == {"one": "one", "two": "two"}
