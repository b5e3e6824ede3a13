"""The process of one method: prepare, work a few times, keep the answer.

`python -m benchmarks.child TASK` reads a JSON file with `work` ("module:function") and
`arguments`; the function loads, warms up and returns a `Prepared`. Beside the task it leaves
`times.json` and, where there is an answer, `answer.npz`.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CORES = 2
SHORT, MEDIUM = 3.0, 30.0  # seconds
RUNS_OF_SHORT, RUNS_OF_MEDIUM = 7, 3

Answer = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Prepared:
    """A method that has loaded and warmed up: what is timed, and afterwards what it found."""

    work: Callable[[], object]
    answer: Callable[[], Answer] | None = None


def wanted_runs(first: float) -> int:
    """How often to work, by the seconds of the first time."""
    if first < SHORT:
        return RUNS_OF_SHORT
    return RUNS_OF_MEDIUM if first < MEDIUM else 1


def keep_to_cores() -> None:
    """This process and all it starts, on two cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def timed(work: Callable[[], object]) -> list[float]:
    """Seconds of each run."""
    seconds: list[float] = []
    while not seconds or len(seconds) < wanted_runs(seconds[0]):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return seconds


def main(task_file: Path) -> None:
    """Carry out one task."""
    keep_to_cores()
    task = json.loads(task_file.read_text())
    module, _, function = task["work"].partition(":")
    prepared: Prepared = getattr(importlib.import_module(module), function)(**task["arguments"])
    begun = time.monotonic()
    seconds = timed(prepared.work)
    times = {"seconds": seconds, "begun": begun, "ended": time.monotonic()}
    if prepared.answer is not None:
        np.savez(task_file.parent / "answer.npz", **prepared.answer())
    (task_file.parent / "times.json").write_text(json.dumps(times))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
