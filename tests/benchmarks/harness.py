"""A method in a process of its own: its seconds, its memory, its answer.

Seconds are measured in that process, after imports, loading and warming up; memory is the
largest sum over it and its descendants while it works.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.child import Answer
from benchmarks.memory import Sampler

HOME = Path(__file__).resolve().parents[2]
BENCH = HOME / "build" / "bench"
PATIENCE = 4 * 3600.0  # seconds for one method
LAST_LINES = 12


class MethodFailed(Exception):
    """A method ended without a result, or with another one than it should have."""


@dataclass(frozen=True)
class Method:
    """One way to do the work.

    `work` is "module:function"; `beside` names the method of ours that its time is divided by.
    """

    name: str
    work: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    beside: str | None = None

    @property
    def folder(self) -> str:
        """Its name as that of a folder."""
        return re.sub(r"\W+", "_", self.name)


@dataclass(frozen=True, eq=False)
class Measured:
    """Seconds of each run, the largest MiB meanwhile, and what it found."""

    seconds: list[float]
    peak_mib: float
    answer: Answer | None


def measure(method: Method, folder: Path) -> Measured:
    """Run a method in a process.

    Args:
        method: what to run.
        folder: for its task, its log and what it leaves; made anew.

    Raises:
        MethodFailed: it ended with an error or took too long.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    left = [folder / "times.json", folder / "answer.npz"]
    task = folder / "task.json"
    task.write_text(json.dumps({"work": method.work, "arguments": dict(method.arguments)}))
    with (folder / "log.txt").open("w") as log:
        command = [sys.executable, "-m", "benchmarks.child", str(task)]
        child = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            with Sampler(child.pid) as sampler:
                code = child.wait(PATIENCE)
        finally:
            child.kill()
            child.wait()
    if code != 0 or not left[0].exists():
        text = (folder / "log.txt").read_text(errors="replace").splitlines()[-LAST_LINES:]
        message = (
            f"{method.name} should end with a result. Received exit code {code}; all it said is "
            f"in {folder / 'log.txt'}, last:\n"
        )
        raise MethodFailed(message + "\n".join(text))
    times = json.loads(left[0].read_text())
    answer = dict(np.load(left[1])) if left[1].exists() else None
    return Measured(times["seconds"], sampler.peak(times["begun"], times["ended"]), answer)


def _environment() -> dict[str, str]:
    """Python's modules and Spark's worker as here; libraries do not add threads of their own."""
    paths = [str(HOME / "tests"), str(HOME / "lib"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYSPARK_PYTHON": sys.executable,
        "OPENBLAS_NUM_THREADS": "1",
        "TZ": "UTC",
    }
