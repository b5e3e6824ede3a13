"""The way of made rows into the lake: one commit, a line of the log, the memory of their inputs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from threading import Lock

from pyspark.sql import DataFrame

from lakeshop.dates import days_between
from lakeshop.engine.inputs import input_versions
from lakeshop.storage.content import EMPTY, Content
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger, Publication
from lakeshop.storage.run_log import Counts, Entry, Journal


@dataclass(frozen=True)
class MadeDays:
    """All rows of a table's days.

    Attributes:
        table: the table.
        rows: the rows.
        first: first day.
        last: last day.
        started: when the work on them began, by `time.monotonic`.
        counts: of the rows received, where some were not accepted.
        contents: of the rows by day, where known. Where they are known to be empty, days that are
            empty already stay untouched.
        input_digests: by day, where the inputs are no tables of the lake.
        warnings: of the input, beside those of the counts.
    """

    table: str
    rows: DataFrame
    first: date
    last: date
    started: float
    counts: Counts | None = None
    contents: Mapping[date, Content] | None = None
    input_digests: Mapping[date, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def days(self) -> list[date]:
        """Each day."""
        return days_between(self.first, self.last)


@dataclass
class Publisher:
    """Publishes days of tables.

    Attributes:
        lake: where.
        ledger: the memory of what each day was made from.
        journal: the log of the run.
        run_id: names a table's day.
        code: the digest of the code that makes a table.
    """

    lake: Lake
    ledger: Ledger
    journal: Journal
    run_id: Callable[[str, date], str]
    code: Callable[[str], str]
    _flushed: float = field(default_factory=time.monotonic)
    _flushing: Lock = field(default_factory=Lock)

    def publish(self, made: MadeDays) -> int:
        """Replace the days of a table and its twin, log it, and remember what they were made from.

        To remember comes last: another table's thread may write the memory at any moment, and
        what it holds is not made again after a kill.

        Returns:
            The rows of these days.
        """
        table, contract = made.table, self.lake.contract(made.table)
        run_id = self.run_id(table, made.last)
        if self.ledger.is_missing(table):
            with self._flushing:
                self.ledger.forget(table, datetime.now(UTC), run_id)
        version, contents = self._replace(made, run_id)
        newest = max(self.ledger.days(table), default=made.last)
        if contract.has_latest_twin and made.last >= newest:
            self.lake.publish_latest(table, made.rows, made.last, run_id=run_id)
        versions = input_versions(self.lake, contract)
        held = sum(content.rows for content in contents.values())
        counts = made.counts or Counts(rows_in=held)
        entry = Entry(
            *(table, made.first, made.last, run_id, version, versions, held),
            replace(counts, warnings=(*counts.warnings, *made.warnings)),
            self.code(table),
        )
        self.note(entry, made.started)
        self.ledger.record(
            Publication(
                table=table,
                day=day,
                run_id=self.run_id(table, day),
                input_digest=made.input_digests.get(day) or self.ledger.input_digest(contract, day),
                content=contents.get(day, EMPTY),
                version=version,
                inputs=versions,
            )
            for day in made.days
        )
        return held

    def note(self, entry: Entry, started: float) -> None:
        """Log what was done to a table, and have it written to `ops.runs`."""
        self.journal.record(entry, time.monotonic() - started, datetime.now(UTC))

    def flush(self, *, at_most_every: float = 0.0) -> None:
        """Write what was published so far to `ops.publications` and `ops.runs`.

        A killed run does again what it has not flushed: tables flush every `at_most_every` seconds.
        """
        with self._flushing:
            if time.monotonic() - self._flushed < at_most_every:
                return
            self._flushed = time.monotonic()
            self.ledger.flush(datetime.now(UTC), after=lambda: self.journal.flush(self.lake))

    def _replace(self, made: MadeDays, run_id: str) -> tuple[int, Mapping[date, Content]]:
        """Version and contents of the days after they are replaced."""
        table, first, last = made.table, made.first, made.last
        self.lake.ensure(table)
        is_absent = self._is_absent(table, first, last)
        if made.contents == {} and (is_absent or self.lake.is_empty(table, first, last)):
            return self.lake.version(table), made.contents
        days = table, made.rows, first, last
        n_rows = made.counts.rows_in if made.counts else 0
        is_new = is_absent and self.lake.is_held
        if made.contents is None:
            return self.lake.replace_and_count(*days, run_id=run_id, n_rows=n_rows, are_new=is_new)
        version = self.lake.replace_days(*days, run_id=run_id, n_rows=n_rows, are_new=is_new)
        return version, made.contents

    def _is_absent(self, table: str, first: date, last: date) -> bool:
        """Return whether table and ledger prove that the days hold nothing.

        The ledger does not know a killed run's last commit, nor upkeep's: the version shows them.
        """
        is_known = self.ledger.newest_version(table) == self.lake.version(table)
        return is_known and not self.ledger.rows(table, first, last)
