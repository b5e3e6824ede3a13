"""A night that is killed at a chosen point; spark-submit runs it as it runs jobs/nightly.py.

The environment says where: LAKESHOP_KILL_AT=7:commit kills the whole process group, its JVM
included, at that point of the seventh write. The points are `before` and `after` the write, and
between them Delta's own phases, as Delta's tests tell them apart: `prepare`, where the data files
are written and nothing is committed; `commit`, just before the entry of the log; `postCommit`,
just after it. At `create` it is just before the entry of the log by which its table comes to be.

LAKESHOP_REDUCED=1 makes a small night: bronze, silver and one table of features.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any

from lakeshop.bronze.ingest import ingest
from lakeshop.engine.run import Run
from lakeshop.pipeline import build_tables, main, nightly
from lakeshop.silver.clean import clean
from lakeshop.storage.lake import Lake

PHASES = ("initial", "prepare", "commit", "backfill", "postCommit")
SMALL = "features.user_product_days"


def reduced(run: Run) -> None:
    """A night of few tables."""
    ingest(run)
    clean(run)
    build_tables(run, SMALL)


def kill_all() -> None:
    """The end, as when the machine's memory is full: nobody gets to tidy up."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
    time.sleep(60)  # the signal comes at any moment


def stop_in_phase(lake: Lake, phase: str) -> None:
    """Let this thread's next transaction come as far as the phase, and kill all there."""
    delta = lake.spark._jvm.org.apache.spark.sql.delta
    phases = delta.fuzzer.OptimisticTransactionPhases.forName("chaos")
    for other in ("analysis", *PHASES):
        if other != phase:
            getattr(phases, f"{other}Phase")().entryBarrier().unblock()
    observer = delta.fuzzer.PhaseLockingTransactionExecutionObserver(phases)
    observers = getattr(delta, "TransactionExecutionObserver$")
    getattr(observers, "MODULE$").setObserver(observer)
    reached = getattr(phases, f"{phase}Phase")().hasReached

    def watch() -> None:
        while not reached():
            time.sleep(0.002)
        kill_all()

    Thread(target=watch, daemon=True).start()


def killed_at(number: int, point: str) -> Callable[..., Callable[..., Any]]:
    """A wrapper of all that commits: of their calls the n-th comes no further than the point."""
    counting, count = Lock(), [0]

    def watched(write: Callable[..., Any], suffix: str = "") -> Callable[..., Any]:
        def counted(lake: Lake, table: str, *arguments: object, **others: object) -> object:
            with counting:
                count[0] += 1
                is_due = count[0] == number
            if is_due and point == "before":
                kill_all()
            if is_due and point == "create":
                stop_in_phase(lake, "commit")
            if is_due and point in PHASES:
                lake.ensure(f"{table}{suffix}")  # a transaction of its own
                stop_in_phase(lake, point)
            done = write(lake, table, *arguments, **others)
            if is_due:
                kill_all()
            return done

        return counted

    return watched


if __name__ == "__main__":
    if where := os.environ.get("LAKESHOP_KILL_AT"):
        number, _, point = where.partition(":")
        watched = killed_at(int(number), point)
        Lake._write = watched(Lake._write)  # type: ignore[method-assign]
        Lake.publish_latest = watched(Lake.publish_latest, "_latest")  # type: ignore[method-assign]
    work = reduced if os.environ.get("LAKESHOP_REDUCED") else nightly
    sys.exit(main("nightly", work))
