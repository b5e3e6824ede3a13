"""Publications and their inputs: the memory of the nights, kept in `ops.publications`.

Inputs are remembered as digests of the days' content, not as Delta versions, which change
every night. So a day is known to be current (nothing it was computed from has changed) or
stale, whatever the order in which days were delivered and run.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import accumulate

from lakeshop.contracts.model import BUSINESS_DATE, Contract, Input
from lakeshop.storage.content import EMPTY, Content
from lakeshop.storage.lake import Lake

PUBLICATIONS = "ops.publications"


@dataclass(frozen=True)
class Publication:
    """One business date of one table, as it was last published."""

    table: str
    day: date
    run_id: str
    input_digest: str
    content: Content
    version: int
    inputs: tuple[str, ...] = ()
    is_removed: bool = False  # its rows, by retention; what was made from them stays current
    failure: str = ""  # why the day could not be made

    def with_input_digest(self, digest: str) -> "Publication":
        """Return the same with the digest of its inputs."""
        return replace(self, input_digest=digest)

    def reads(self) -> set[str]:
        """The tables it was made from; `inputs` are these with their versions."""
        return {declared.partition("@")[0] for declared in self.inputs}


def _tombstone(table: str, day: date) -> Publication:
    """Return the mark of a missing day; older than version 0, with which a table begins anew."""
    return Publication(table, day, run_id="", input_digest="", content=EMPTY, version=-1)


def digest_of(*parts: object) -> str:
    """A short name for the given parts, in their order."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:24]


def window(contract: Contract, declared: Input, day: date) -> tuple[date, date]:
    """The first and the last day of an input that a table's day is computed from."""
    last = day - timedelta(days=1) if declared.table == contract.name else day
    if declared.look_back_days is None:
        return date.min, last
    return day - timedelta(days=declared.look_back_days), last


@dataclass
class Ledger:
    """Publications by table and day; `flush` writes what is new."""

    lake: Lake
    _by_table: dict[str, dict[date, Publication]] = field(default_factory=lambda: defaultdict(dict))
    _sums: dict[str, tuple[list[date], list[int]]] = field(default_factory=dict)
    _new: list[Publication] = field(default_factory=list)
    _waiting: dict[str, list[Publication]] = field(
        default_factory=dict
    )  # for `atomic_batch` to end
    _gone: dict[str, list[date]] = field(default_factory=dict)  # days of tables moved away
    _failed: dict[str, dict[date, str]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def load(cls, lake: Lake) -> "Ledger":
        """The newest publication of each day of each table."""
        ledger = cls(lake)
        # The newest of a day comes last and stays. By time first: versions begin anew where a
        # table was moved away and loaded again.
        found = lake.read(PUBLICATIONS).collect()
        for row in sorted(found, key=lambda row: (row["published_at"], row["table_version"])):
            days, failed = ledger._by_table[row["table_name"]], ledger._failed[row["table_name"]]
            if row["failure"]:
                failed[row[BUSINESS_DATE]] = row["failure"]
                continue
            failed.pop(row[BUSINESS_DATE], None)
            if not row["run_id"]:  # a tombstone
                days.pop(row[BUSINESS_DATE], None)
                continue
            days[row[BUSINESS_DATE]] = Publication(
                table=row["table_name"],
                day=row[BUSINESS_DATE],
                run_id=row["run_id"],
                input_digest=row["input_digest"],
                content=Content(row["rows"], row["content_digest"]),
                version=row["table_version"],
                inputs=tuple(row["inputs"]),
                is_removed=bool(row["is_removed"]),
            )
        for table in [t for t, days in ledger._by_table.items() if days and not lake.exists(t)]:
            # Moved away: nothing of it is published any more.
            ledger._gone[table] = sorted(ledger._by_table.pop(table))
        return ledger

    def publication(self, table: str, day: date) -> Publication | None:
        """The newest publication of a day, None where there is none."""
        return self._by_table[table].get(day)

    def days(self, table: str) -> list[date]:
        """The days published so far, in order."""
        return sorted(self._by_table[table])

    def newest_version(self, table: str) -> int:
        """The newest version of a table that was published; 0, an empty table's, before."""
        return max((p.version for p in self._by_table[table].values()), default=0)

    def failed_days(self, table: str, first: date | None, last: date | None) -> list[date]:
        """Return the days that could not be made, the oldest first."""
        since, until = first or date.min, last or date.max
        return sorted(d for d in list(self._failed[table]) if since <= d <= until)

    def record_failed(self, table: str, days: Iterable[date], failure: str, *, run_id: str) -> None:
        """Remember days that could not be made; what they held before is remembered beside."""
        self.record(
            Publication(table, day, run_id, "", EMPTY, version=-1, failure=failure) for day in days
        )

    def rows(self, table: str, first: date, last: date) -> int:
        """Rows that a table holds for a range of days."""
        return sum(self.rows_by_day(table, first, last).values())

    def rows_by_day(self, table: str, first: date, last: date) -> dict[date, int]:
        """Rows of each published day of a range."""
        published = self._by_table[table]
        return {d: p.content.rows for d, p in published.items() if first <= d <= last}

    def record(self, publications: Iterable[Publication]) -> None:
        """Remember publications, in memory until `flush`."""
        for publication in publications:
            if publication.failure:
                self._failed[publication.table][publication.day] = publication.failure
            else:
                self._by_table[publication.table][publication.day] = publication
                self._failed[publication.table].pop(publication.day, None)
            self._sums.pop(publication.table, None)
            self._waiting.get(publication.table, self._new).append(publication)

    @contextmanager
    def atomic_batch(self, table: str) -> Iterator[None]:
        """Keep what is recorded of a table from `flush` until all of it is published.

        Where that fails, nothing of it is flushed.
        """
        self._waiting[table] = []
        yield
        self._new.extend(self._waiting.pop(table))

    def record_removed(self, table: str, before: date) -> None:
        """Remember that retention removes the rows of all days before that one."""
        old = [p for day, p in self._by_table[table].items() if day < before and p.content.rows]
        self.record([replace(p, is_removed=True) for p in old if not p.is_removed])

    def is_missing(self, table: str) -> bool:
        """Return whether a table was moved away with days that are yet to be forgotten."""
        return table in self._gone

    def forget(self, table: str, published_at: datetime, run_id: str) -> None:
        """Write that none of the days of a table moved away is there, before it is made anew.

        Else they would count as published again from its first new day on. Not earlier: a table
        that is moved back has its days back.
        """
        gone = [_tombstone(table, day) for day in self._gone[table]]
        self._append(gone, published_at, run_id)
        del self._gone[table]

    def flush(self, published_at: datetime, after: Callable[[], None] = lambda: None) -> None:
        """Append what was recorded since the last flush to `ops.publications`.

        Args:
            published_at: noted with it.
            after: what is written first, of all that is recorded by then: a night that is killed
                between the two does these days again, and so writes both.
        """
        new, self._new = self._new, []  # other threads go on recording
        after()
        if new:
            self._append(new, published_at, new[-1].run_id)

    def _append(self, new: Sequence[Publication], published_at: datetime, run_id: str) -> None:
        rows = [
            {
                "business_date": p.day,
                "table_name": p.table,
                "run_id": p.run_id,
                "input_digest": p.input_digest,
                "content_digest": p.content.digest,
                "rows": p.content.rows,
                "table_version": p.version,
                "inputs": list(p.inputs),
                "is_removed": p.is_removed,
                "failure": p.failure or None,
                "published_at": published_at,
            }
            for p in new
        ]
        contract = self.lake.contract(PUBLICATIONS)
        frame = self.lake.spark.createDataFrame(rows, contract.struct)
        self.lake.append(PUBLICATIONS, frame, run_id=run_id)

    def is_stale(self, contract: Contract, day: date) -> bool:
        """Return whether the inputs of a published day have changed since.

        A day made from other tables than the contract now declares is not stale but older, as
        one made by older code is: it stays until it is asked for.
        """
        published = self.publication(contract.name, day)
        return (
            published is not None
            and published.reads() == {i.table for i in contract.inputs if not i.is_off}
            and published.input_digest != self.input_digest(contract, day)
        )

    def input_digest(self, contract: Contract, day: date, *, with_self: bool = True) -> str:
        """Names the content of all days that a table's day is computed from.

        A table that reads its own earlier days depends on them too (`with_self`).
        """
        parts: list[object] = []
        for declared in contract.inputs:
            if declared.is_off or (declared.table == contract.name and not with_self):
                continue
            first, last = self.reach(contract, declared, day)
            parts += [declared.table, self._window_sum(declared.table, first, last)]
        return digest_of(*parts)

    def reach(self, contract: Contract, declared: Input, day: date) -> tuple[date, date]:
        """Return the first and the last day of an input that a table's day is made from."""
        first, last = window(contract, declared, day)
        if declared.newest_day:
            newest = self.newest_made(declared.table, last)
            if newest is not None and newest >= first:
                return newest, newest
        return first, last

    def newest_made(self, table: str, last: date) -> date | None:
        """Return the newest day up to `last` that was published and has not failed since."""
        bad = set(self.failed_days(table, None, last))
        return max((d for d in self.days(table) if d <= last and d not in bad), default=None)

    def removed_inputs(self, contract: Contract, day: date) -> list[str]:
        """The tables of which retention has removed rows that a day would be made from."""
        removed = []
        for declared in contract.inputs:
            first, last = self.reach(contract, declared, day)
            published = self._by_table[declared.table].items()
            if any(p.is_removed and p.content.rows and first <= d <= last for d, p in published):
                removed.append(declared.table)
        return removed

    def range_digest(self, table: str, first: date | None, last: date) -> str:
        """Name the content of a range of days of a table."""
        return digest_of(table, self._window_sum(table, first or date.min, last))

    def _window_sum(self, table: str, first: date, last: date) -> int:
        """Sum of the digests of the non-empty days of a window; days without rows add nothing."""
        if table not in self._sums:
            failed = self._failed[table]
            filled = [
                p for p in self._by_table[table].values() if p.content.rows and p.day not in failed
            ]
            filled.sort(key=lambda p: p.day)
            numbers = [int(digest_of(p.day, p.content.digest), 16) for p in filled]
            self._sums[table] = ([p.day for p in filled], [0, *accumulate(numbers)])
        days, sums = self._sums[table]
        return sums[bisect_right(days, last)] - sums[bisect_left(days, first)]
