"""Memory of a process and all its descendants, as Linux counts it.

The proportional set size counts a page that n processes share as 1/n in each, so that a sum over
the JVM and its Python workers counts each page once.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Self

PROC = Path("/proc")
PERIOD = 0.2
MOST_OF_A_CORE = 0.05  # reading the sizes of large processes takes time from those measured


def family(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents = {int(path.name): parent for path in PROC.glob("[0-9]*") if (parent := _parent(path))}
    found, new = {pid}, {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def mebibytes(pid: int) -> float:
    """Summed proportional set size of a process and all its descendants."""
    return sum(_kibibytes(PROC / str(member)) for member in family(pid)) / 1024


@dataclass
class ProcessSampler:
    """Samples a process in a thread, from entering the block until leaving it."""

    pid: int
    _left: Event = field(default_factory=Event, init=False)

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        self._thread.join()

    def _sample(self) -> None:
        """Take samples until the block is left."""
        raise NotImplementedError


@dataclass
class Sampler(ProcessSampler):
    """Samples the memory of a process and its descendants."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    def peak(self, begun: float, ended: float) -> float:
        """Largest sample between two times of `time.monotonic`, with the last one before."""
        before = [size for at, size in self.samples if at < begun][-1:]
        return max([*before, *(size for at, size in self.samples if begun <= at <= ended)])

    def _sample(self) -> None:
        pause = 0.0
        while not self._left.wait(pause):
            begun = time.thread_time()  # a wait for a core takes nothing from those measured
            self.samples.append((time.monotonic(), mebibytes(self.pid)))
            pause = max(PERIOD, (time.thread_time() - begun) / MOST_OF_A_CORE)


def stat(process: Path) -> tuple[str, list[str]] | None:
    """Name of a process, and the fields after it in its `stat`; None where it has ended."""
    try:
        # The name may hold blanks and brackets; what follows its last bracket does not.
        name, _, rest = (process / "stat").read_text().rpartition(")")
    except OSError:
        return None
    return name.partition("(")[2], rest.split()


def _parent(process: Path) -> int | None:
    found = stat(process)
    return None if found is None else int(found[1][1])


def _kibibytes(process: Path) -> int:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
