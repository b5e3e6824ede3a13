"""Lakeshop's Python workers of Spark, failing on the first attempt of a task if told to.

Named by `spark.python.daemon.module`, so that what runs is the product's code and Spark's own.
LAKESHOP_FAULT is what happens, in the first LAKESHOP_FAULTS tasks; a file each in the folder
LAKESHOP_FAULT_NOTES tells the test that it did.
"""

import os
import runpy
import signal
import time
from pathlib import Path

import pyspark.worker
from pyspark import TaskContext

BEYOND = 64 * 2**30


def parent_of(process: int) -> int:
    stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    return int(stat.rpartition(")")[2].split()[1])


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hung() -> None:
    time.sleep(3600)


def greedy() -> None:
    """Ask for more memory than the worker may have: it is never touched."""
    bytearray(BEYOND)
    Path(os.environ["LAKESHOP_FAULT_NOTES"], "unbounded").touch()


def executor() -> None:
    """End the executor, and us with it: our daemon's parent."""
    os.kill(parent_of(os.getppid()), signal.SIGKILL)
    time.sleep(60)


FAULTS = {fault.__name__: fault for fault in (killed, hung, greedy, executor)}


def fail() -> None:
    """Fail, if it is a first attempt and not yet enough of them have failed."""
    context = TaskContext.get()
    if context is None or context.attemptNumber() > 0:
        return
    for number in range(int(os.environ["LAKESHOP_FAULTS"])):
        try:
            Path(os.environ["LAKESHOP_FAULT_NOTES"], str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        FAULTS[os.environ["LAKESHOP_FAULT"]]()
        return


def failing(usual):
    def read(*arguments):
        fail()
        return usual(*arguments)

    return read


if __name__ == "__main__":
    for name in ("read_udfs", "read_udtf", "read_command"):
        setattr(pyspark.worker, name, failing(getattr(pyspark.worker, name)))
    runpy.run_module("lakeshop.engine.worker_daemon", run_name="__main__")
