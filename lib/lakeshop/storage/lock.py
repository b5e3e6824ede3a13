"""The lease of a lake: one run at a time publishes, and one that lost the lake publishes no more.

Delta on a local path loses commits of two processes at once, so a run holds the lake. Whoever
comes meanwhile for the same days is refused, whoever comes for others waits.

A run is taken over from where it has died: on the same machine its process is gone, on another it
has not renewed its lease for as long as it promised to. The waiting run counts these seconds
itself, from its first look on: clocks of two machines need not agree. A run that was only paused
finds out before its next commit, and a commit at work is never taken over from.

`.lease` names the owner. To look at it and to replace it must be one step, else two runs that
both find a dead owner would both take over: a flock on `.lock` makes takers take turns, and the
kernel drops it with its process, which no lock file of our own would do. Takers need it alone;
owners share it with themselves while they renew or commit.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from platform import node
from threading import Event, Thread

from lakeshop.config.settings import LockSettings
from lakeshop.errors import BusyError
from lakeshop.storage.lock_owner import Owner, these_processes, this_machine
from lakeshop.storage.run_log import LOG

RENEWED_EVERY = 5.0  # seconds at most: so soon it is known that an owner is at work

Guard = Callable[[], AbstractContextManager[None]]


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
        host=node(),
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
        watch, begun, told = Watch(self.file), time.monotonic(), ""
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
            if other is not None and watch.is_decided and told != other.token:
                told = other.token
                LOG.info("%s is held by %s: waiting for its end", self.lake, other)
            time.sleep(self._every / 2)
        if told:
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
                return  # told by the next commit
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

        What is said of the owner is as of this moment: who may not be taken over from at one look
        has not expired before the next.
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
