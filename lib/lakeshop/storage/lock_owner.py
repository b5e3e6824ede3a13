"""The holder of a lake: a process, named so that another can tell whether it lives.

A number alone does not name a process, the kernel gives it again: with it goes the moment of its
start, and the machine, as it was booted and as its processes are numbered.
"""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process of this machine, or of another."""

    number: int
    started: str

    @classmethod
    def of(cls, number: int) -> "Process":
        """The process that bears the number now."""
        return cls(number, _started(number) or "")

    def is_running(self) -> bool:
        """Return whether it still runs, if it runs here; a zombie does not."""
        started = _started(self.number)
        return started is not None and (not started or started == self.started)


@dataclass(frozen=True)
class Owner:
    """A run that holds a lake, or that wants to."""

    token: str
    host: str
    machine: str
    processes: tuple[Process, ...]
    job: str
    first: date
    last: date
    seconds: float

    def __str__(self) -> str:
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"{self.job} of {days}, process {self.processes[0].number} on {self.host}"

    def has_days_of(self, other: "Owner") -> bool:
        """Return whether both work on one of the same days."""
        return self.first <= other.last and other.first <= self.last

    def is_gone(self) -> bool:
        """Return whether it is known to have ended; of another machine nobody knows."""
        return self.machine == this_machine() and not any(p.is_running() for p in self.processes)

    def as_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "Owner":
        """An owner as `as_json` wrote it.

        Raises:
            ValueError: the text is no owner.
        """
        try:
            values = json.loads(text)
            values["processes"] = tuple(Process(**process) for process in values["processes"])
            values |= {name: date.fromisoformat(values[name]) for name in ("first", "last")}
            return cls(**values)
        except (LookupError, TypeError) as error:
            msg = f"An owner should have all its parts. Received {error}."
            raise ValueError(msg) from None


def this_machine() -> str:
    """Names this machine since it was booted, and how its processes are numbered."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return platform.node()


def these_processes() -> tuple[Process, ...]:
    """This process, and the JVM that started it: a commit may outlive a killed Python there."""
    parent = os.getppid()
    ours = [os.getpid(), parent] if _name(parent) == "java" else [os.getpid()]
    return tuple(map(Process.of, ours))


def _name(number: int) -> str:
    try:
        return (PROC / f"{number}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _started(number: int) -> str | None:
    """When a process was started, in ticks since the boot; None where there is no such process.

    Empty where that is not told: without /proc, and of a process that is hidden from us.
    """
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it is another user's
    try:
        text = (PROC / f"{number}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else rest[18]
