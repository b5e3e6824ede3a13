"""One run of a job: what it is asked to do, what is still to do, and the way to publish it.

The engine reads a builder's tables no further than the business date and the declared
look-back, so that it cannot see the future, and publishes what it returns.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from threading import Lock

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Settings
from lakeshop.contracts.model import BOTH, BUSINESS_DATE, DAILY, TRAINING, Contract
from lakeshop.dates import contiguous_ranges, days_between, newest_weekday
from lakeshop.engine.context import BuildContext, Builder, Provenance
from lakeshop.engine.inputs import assert_inputs_remain, input_versions, needs_rebuild, read_inputs
from lakeshop.engine.scheduler import in_parallel
from lakeshop.storage.audit import audit
from lakeshop.storage.lake import EMPTY, Content, Lake
from lakeshop.storage.publications import Ledger, Publication, digest_of
from lakeshop.storage.run_log import LOG, Counts, Entry, Journal

RUN_ID = "run_id"


@dataclass
class Run:
    """A job at work on the days `first` to `last`."""

    job: str
    lake: Lake
    ledger: Ledger
    settings: Settings
    code: str
    first: date
    last: date
    redo_stale: bool = False
    is_history: bool = False
    key: bytes = b""
    erase: tuple[str, ...] = field(default=(), repr=False)  # ids of persons
    journal: Journal = field(init=False)
    _flushed: float = field(default_factory=time.monotonic)
    _flushing: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.journal = Journal(self.job, self.code, self.settings.digest())

    def run_id(self, table: str, day: date) -> str:
        """Names one table's day by its code, configuration and inputs: the same for the same."""
        inputs = self.ledger.input_digest(self.lake.contract(table), day, with_self=False)
        return digest_of(table, day, self.code, self.settings.digest(), inputs)

    def todo(self, *tables: str) -> Iterator[tuple[date, date]]:
        """Ranges of days on which any of the tables is to be made, the earliest first.

        These are the days asked for that are not published from the same inputs, code and
        configuration; and, with `redo_stale`, days published before whose inputs have changed
        since. What is redone may make later days stale: they follow.
        """
        done: set[date] = set()
        by_day = self.lake.contract(tables[0]).is_by_day
        while days := sorted({d for t in tables for d in self._open_days(t)} - done):
            first, last = next(iter(contiguous_ranges(days))) if by_day else (days[0], days[0])
            yield first, last
            done.update(days_between(first, last))
        if not done:
            LOG.info("%s: already published from the same inputs, skipped", ", ".join(tables))

    def _open_days(self, table: str) -> Iterator[date]:
        contract = self.lake.contract(table)
        asked = self._asked(contract)
        for day in asked:
            if not self._is_current(contract, day):
                assert_inputs_remain(self.ledger, contract, day)
                yield day
        if self.redo_stale:
            for day in self.ledger.days(table):
                if day not in asked and needs_rebuild(self.ledger, contract, day):
                    LOG.info("%s of %s is stale, its inputs have changed: redone", day, table)
                    yield day

    def _asked(self, contract: Contract) -> list[date]:
        """Each day of the range; of a snapshot the last one, the last training day, or both."""
        if contract.is_by_day:
            return days_between(self.first, self.last)
        taught = newest_weekday(self.settings.training.weekday_number, self.last)
        days = {DAILY: {self.last}, TRAINING: {taught}, BOTH: {taught, self.last}}
        return sorted(days[contract.schedule])

    def _is_current(self, contract: Contract, day: date) -> bool:
        published = self.ledger.publication(contract.name, day)
        return (
            published is not None
            and published.run_id == self.run_id(contract.name, day)
            and not self.ledger.is_stale(contract, day)
        )

    def build(self, builders: Mapping[str, Builder]) -> None:
        """Make each table on the days it is to be made, after those of them that it reads."""

        def make(table: str) -> None:
            for first, last in self.todo(table):
                self._build_days(table, builders[table], first, last)

        self.side_by_side({table: partial(make, table) for table in builders})

    def side_by_side(self, work: Mapping[str, Callable[[], None]]) -> None:
        """Do the work on several tables, each after the tables that its contract reads."""

        def then_flush(do: Callable[[], None]) -> None:
            do()
            self.flush(at_most_every=60)

        reads = {t: {i.table for i in self.lake.contract(t).inputs} - {t} for t in work}
        pieces = {table: partial(then_flush, do) for table, do in work.items()}
        in_parallel(pieces, reads, self.settings.tables_at_once)

    def _build_days(self, table: str, builder: Builder, first: date, last: date) -> None:
        started = time.monotonic()
        contract = self.lake.contract(table)
        night = BuildContext(
            last, self.settings, first, self._provenance(contract, last), self.lake
        )
        rows = builder(read_inputs(self.lake, contract, first, last), night)
        if not contract.is_by_day:
            rows = rows.withColumn(BUSINESS_DATE, F.lit(last))
        rows = night.cache(self._with_run_id(contract, rows, last))
        try:
            found = audit(self.lake, contract, rows)
            counts = Counts(sum(c.rows for c in found.values()), warnings=tuple(night.warnings))
            self.publish(table, rows, first, last, started=started, contents=found, counts=counts)
        finally:
            night.release()

    def _provenance(self, contract: Contract, day: date) -> Provenance:
        content = self.ledger.input_digest(contract, day, with_self=False)
        return Provenance(self.code, input_versions(self.lake, contract), content)

    def _with_run_id(self, contract: Contract, rows: DataFrame, day: date) -> DataFrame:
        if RUN_ID not in contract.column_names:
            return rows
        return rows.withColumn(RUN_ID, F.lit(self.run_id(contract.name, day)))

    def publish(
        self,
        table: str,
        rows: DataFrame,
        first: date,
        last: date,
        *,
        started: float,
        counts: Counts | None = None,
        contents: Mapping[date, Content] | None = None,
        input_digests: Mapping[date, str] | None = None,
    ) -> int:
        """Replace the days of a table and its twin, say so, and remember what they were made from.

        To remember comes last: another table's thread may write the memory at any moment, and
        what it holds is not made again after a kill.

        Args:
            table: the table.
            rows: all rows of the days.
            first: first day.
            last: last day.
            started: when the work on it began, by `time.monotonic`.
            counts: of the rows received, where some were not accepted.
            contents: of the rows by day, where known; else the table is read again. Where they
                are known to be empty, days that are empty already stay untouched.
            input_digests: by day, where the inputs are no tables of the lake.

        Returns:
            The rows the table holds for these days, counted in the table.
        """
        run_id = self.run_id(table, last)
        contract = self.lake.contract(table)
        if self.ledger.is_missing(table):
            with self._flushing:
                self.ledger.forget(table, datetime.now(UTC), run_id)
        version, contents = self._replace(table, rows, first, last, contents)
        if contract.has_latest_twin and last >= max(self.ledger.days(table), default=last):
            self.lake.overwrite(f"{table}_latest", rows, run_id=run_id)
        versions = input_versions(self.lake, contract)
        held = sum(content.rows for content in contents.values())
        counts = counts or Counts(rows_in=held)
        self.note(Entry(table, first, last, run_id, version, versions, held, counts), started)
        self.ledger.record(
            Publication(
                table=table,
                day=day,
                run_id=self.run_id(table, day),
                input_digest=(input_digests or {}).get(day)
                or self.ledger.input_digest(contract, day),
                content=contents.get(day, EMPTY),
                version=version,
                inputs=versions,
            )
            for day in days_between(first, last)
        )
        return held

    def note(self, entry: Entry, started: float) -> None:
        """Say what was done to a table, and have it written to `ops.runs`."""
        self.journal.record(entry, time.monotonic() - started, datetime.now(UTC))

    def _replace(
        self,
        table: str,
        rows: DataFrame,
        first: date,
        last: date,
        contents: Mapping[date, Content] | None,
    ) -> tuple[int, Mapping[date, Content]]:
        """Version and contents of the days after they are replaced."""
        if contents == {} and self._holds_nothing(table, first, last):
            return self.lake.version(table), contents
        run_id = self.run_id(table, last)
        version = self.lake.replace_days(table, rows, first, last, run_id=run_id)
        return version, self.lake.content(table, first, last) if contents is None else contents

    def _holds_nothing(self, table: str, first: date, last: date) -> bool:
        """Whether the days need no clearing: by the ledger, where it knows the newest version.

        It does not know what a killed run wrote last: then the table is read.
        """
        self.lake.ensure(table)
        if self.ledger.newest_version(table) == self.lake.version(table):
            return not self.ledger.rows(table, first, last)
        return self.lake.is_empty(table, first, last)

    def flush(self, *, at_most_every: float = 0.0) -> None:
        """Write what was published so far to `ops.publications` and `ops.runs`.

        What was not flushed when a run is killed is done again: content that is already there
        is replaced by the same. So tables flush only every `at_most_every` seconds.
        """
        with self._flushing:
            if time.monotonic() - self._flushed < at_most_every:
                return
            self._flushed = time.monotonic()
            self.ledger.flush(datetime.now(UTC), after=lambda: self.journal.flush(self.lake))
