"""Cost of a command: seconds, CPU of the JVM and of Python apart, memory of all its processes."""

import contextlib
import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.memory import PROC, ProcessSampler, Sampler, family, stat

TICKS = os.sysconf("SC_CLK_TCK")
PERIOD = 0.2  # seconds between two looks at the CPU of the processes
SET_CHILD_SUBREAPER = 36  # of prctl(2)
PATIENCE = 10.0  # seconds for processes that outlive the command
# As a script runs it, with a name of the module: a function's own names are three times as fast.
LOOP = compile("i = 0\nwhile i < 10_000_000: i += 1", "<loop>", "exec")


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        code: its exit code.
        seconds: wall time.
        cpu: seconds of all processes, user and system.
        jvm_cpu: of those, the JVM's.
        peak_mib: the largest proportional set size of all processes at once.
        unit: process seconds of the reference loop, the mean of before and after: a shared
            machine changes its pace within minutes.
        until: by second since the epoch, the CPU seconds so far.
    """

    code: int
    seconds: float
    cpu: float
    jvm_cpu: float
    peak_mib: float
    unit: float
    until: Sequence[tuple[float, float]] = field(repr=False)

    @property
    def units(self) -> float:
        """Return CPU seconds of all processes by those of the reference loop."""
        return self.cpu / self.unit

    @property
    def jvm_units(self) -> float:
        """Return the JVM's share of them."""
        return self.jvm_cpu / self.unit

    def units_at(self, epoch: float) -> float:
        """Return the units that were used until a moment."""
        return max((cpu for at, cpu in self.until if at <= epoch), default=0.0) / self.unit


def unit() -> float:
    """Return the process seconds of the reference loop, the least of three."""
    return min(_loop() for _ in range(3))


def _loop() -> float:
    begun = time.process_time()
    exec(LOOP, {})
    return time.process_time() - begun


def cost_of(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Cost:
    """Run a command and return what it took; its output goes to `log`."""
    loop = unit()
    before, begun = _children(), time.monotonic()
    with log.open("w") as output, _adopting_orphans():
        child = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=output)
        try:
            with Sampler(child.pid) as memory, CpuSampler(child.pid) as cpu:
                code = child.wait()
        finally:
            child.kill()
            child.wait()
        _wait_for(cpu.seen - {child.pid})
    ended = time.monotonic()
    peak, total = memory.peak(begun, ended), _children() - before
    loop = (loop + unit()) / 2
    return Cost(code, ended - begun, total, cpu.jvm_seconds, peak, loop, cpu.until)


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Be the parent of those whose own ends: Spark's daemon waits for none of its last workers."""
    prctl = ctypes.CDLL(None).prctl
    prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _wait_for(pids: Collection[int]) -> None:
    """Wait for those that are children now: the CPU of others was counted by their parents."""
    left, until = set(pids), time.monotonic() + PATIENCE
    while left and time.monotonic() < until:
        for pid in tuple(left):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                left.discard(pid)
        time.sleep(PERIOD / 10)


def _children() -> float:
    """CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass
class CpuSampler(ProcessSampler):
    """Samples the CPU seconds of a process and its descendants."""

    until: list[tuple[float, float]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    _jvms: dict[int, float] = field(default_factory=dict)

    @property
    def jvm_seconds(self) -> float:
        """Return the CPU seconds of all JVMs, as of their last samples."""
        return sum(self._jvms.values())

    def _sample(self) -> None:
        while not self._left.wait(PERIOD):
            total = 0.0
            for pid in family(self.pid):
                self.seen.add(pid)
                name, own, of_ended = _used(pid)
                total += own + of_ended
                if name == "java":
                    self._jvms[pid] = own
            self.until.append((time.time(), total))


def _used(pid: int) -> tuple[str, float, float]:
    """Name, CPU seconds of its own and of its children that have ended; of no process nothing."""
    found = stat(PROC / f"{pid}")
    if found is None:
        return "", 0.0, 0.0
    name, fields = found
    user, system, of_children, system_of_children = map(int, fields[11:15])
    return name, (user + system) / TICKS, (of_children + system_of_children) / TICKS
