"""The lease of a lake: one run at a time publishes, and one that lost the lake publishes no more.

Delta on a local path loses commits of two processes at once, so a run holds the lake. Another run
of the same days is refused; one of other days waits.

A lease is taken over when its owner is dead: on the same machine its process is gone, on another
it has not renewed the lease for the seconds it promised. The waiting run counts these seconds
itself, from its first look on: clocks of two machines need not agree. A run that was only paused
finds out before its next commit. A commit at work is never taken over.

`.lease` names the owner. Looking at it and replacing it must be one step, else two runs that find
a dead owner would both take over. A flock on `.lock` makes takers take turns, and the kernel drops
it with its process. Takers hold it alone; owners share it while they renew or commit.

A number alone does not name a process, since the kernel gives it again. With it goes the moment of
its start, and the machine, as it was booted and as its processes are numbered.
"""

import fcntl
import json
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from threading import Event, Thread

from lakeshop.config.settings import LockSettings
from lakeshop.errors import BusyError
from lakeshop.storage.run_log import LOG

RENEWED_EVERY = 5.0  # seconds at most: so soon it is known that an owner is at work

Guard = Callable[[], AbstractContextManager[None]]
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


@contextmanager
def acquire_lock(
    lake: str, job: str, first: date, last: date, terms: LockSettings
) -> Iterator[Guard]:
    """Hold a lake while a run works on the days `first` to `last`.

    A lake with a scheme is not held: object stores and HDFS have their own commit protocol, and
    the scheduler is to start one run at a time.

    Yields:
        What every commit is made within: it refuses where the lake was lost.

    Raises:
        BusyError: another run holds it for one of the same days, or for longer than we wait.
    """
    if "://" in lake:
        yield nullcontext
        return
    owner = Owner(
        token=secrets.token_hex(8),
        host=platform.node(),
        machine=this_machine(),
        processes=these_processes(),
        job=job,
        first=first,
        last=last,
        seconds=terms.seconds,
    )
    place = Path(lake)
    place.mkdir(parents=True, exist_ok=True)
    lease = Lease(place, owner)
    lease.take(terms.wait_seconds)
    ended = Event()
    renewing = Thread(target=lease.keep_renewing, args=(ended,), name="lease", daemon=True)
    renewing.start()
    try:
        yield lease.commit
    finally:
        ended.set()
        renewing.join()
        lease.release()


@dataclass(frozen=True)
class Lease:
    """A lake, and the run that holds it or wants to."""

    lake: Path
    owner: Owner

    @property
    def file(self) -> Path:
        """Return the file that names the present owner; its time of change is the last renewal."""
        return self.lake / ".lease"

    @property
    def _every(self) -> float:
        return min(RENEWED_EVERY, self.owner.seconds / 4)

    def take(self, wait_seconds: float) -> None:
        """Become the owner, after the present one or instead of a dead one.

        Raises:
            BusyError: the present owner works on one of the same days, or for too long.
        """
        watch, begun, logged = Watch(self.file), time.monotonic(), ""
        while not self._taken(watch):
            other, waited = watch.owner, time.monotonic() - begun
            if other is not None and other.has_days_of(self.owner) and watch.is_decided:
                msg = (
                    f"One run at a time should work on {self.lake}. It is held by {other}, which "
                    f"{watch.state}; run again when that has ended."
                )
                raise BusyError(msg)
            if waited > wait_seconds:
                msg = (
                    f"{self.lake} should be free after {wait_seconds:.0f} seconds, "
                    f"lease.wait_seconds. It is held by {other or 'an unknown process'}, which "
                    f"{watch.state}; run again when that has ended."
                )
                raise BusyError(msg)
            if other is not None and watch.is_decided and logged != other.token:
                logged = other.token
                LOG.info("%s is held by %s: waiting for its end", self.lake, other)
            time.sleep(self._every / 2)
        if logged:
            LOG.info("%s is free after %.0f s", self.lake, time.monotonic() - begun)

    def _taken(self, watch: "Watch") -> bool:
        with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
            watch.look()
            if not alone:
                return False  # somebody is amid a commit
            if watch.owner is not None:
                gone = watch.owner.is_gone()
                if not gone and not watch.has_expired:
                    return False
                why = "has died" if gone else watch.state
                LOG.warning("%s is taken over from %s, which %s", self.lake, watch.owner, why)
            # Beside it and then in its place: nobody ever reads half a lease.
            draft = self.file.with_suffix(".new")
            draft.write_text(self.owner.as_json(), encoding="utf-8")
            draft.replace(self.file)
            return True

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Nobody takes the lake over while this lasts.

        Raises:
            BusyError: somebody has before.
        """
        with self._locked(fcntl.LOCK_SH):
            holder, _ = _read(self.file)
            if holder != self.owner:
                msg = (
                    f"A run should hold {self.lake} while it publishes. {self.owner}, was silent "
                    f"for too long and lost it to {holder or 'a run that has ended'}. It "
                    "publishes nothing more; run it again."
                )
                raise BusyError(msg)
            yield

    def keep_renewing(self, ended: Event) -> None:
        """Say again and again that the owner lives, until it has ended or lost the lake."""
        while not ended.wait(self._every):
            try:
                with self.commit():
                    os.utime(self.file)
            except BusyError:
                return  # the next commit explains it
            except OSError as error:
                LOG.warning("The lease of %s is not renewed: %s", self.lake, error)

    def release(self) -> None:
        """Leave the lake to the next one, where it is still ours."""
        with self._locked(fcntl.LOCK_EX):
            if _read(self.file)[0] == self.owner:
                self.file.unlink()

    @contextmanager
    def _locked(self, how: int) -> Iterator[bool]:
        with (self.lake / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, how)
            except BlockingIOError:
                yield False
            else:
                yield True


@dataclass
class Watch:
    """A waiting run's view of the present owner: whether it renews its lease, and since when."""

    file: Path
    owner: Owner | None = None
    is_at_work: bool = False
    _renewed: int = 0
    _seen: float = 0.0
    _looked: float = 0.0

    def look(self) -> None:
        """Read the lease again; what changed since the last look was done by a living owner.

        State is as of this moment: an owner that has not expired at one look stays so until the
        next.
        """
        owner, renewed = _read(self.file)
        self._looked = time.monotonic()
        if owner != self.owner:
            self.owner, self.is_at_work = owner, False
        elif renewed != self._renewed:
            self.is_at_work = True
        else:
            return
        self._renewed, self._seen = renewed, self._looked

    @property
    def has_expired(self) -> bool:
        """Return whether the owner broke its promise."""
        return self.owner is not None and self._looked - self._seen > self.owner.seconds

    @property
    def is_decided(self) -> bool:
        """Return whether the owner was seen at work, or was not for too long."""
        return self.is_at_work or self.has_expired

    @property
    def state(self) -> str:
        """Return the owner's work in words."""
        if not self.has_expired:
            return "is at work"
        return f"has not renewed its lease for {self._looked - self._seen:.0f} s"


def _read(file: Path) -> tuple[Owner | None, int]:
    """The owner, None where there is none, and when it last renewed its lease."""
    try:
        with file.open(encoding="utf-8") as opened:
            return Owner.from_json(opened.read()), os.fstat(opened.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None, 0
    except ValueError as error:  # lost with the machine's power: its owner went with it
        LOG.warning("%s is left aside, it names nobody. %s", file, error)
        return None, 0


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

    Empty where that is not known: without /proc, and of a process that is hidden from us.
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
