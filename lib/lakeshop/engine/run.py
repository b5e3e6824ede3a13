"""One run of a job: the days asked for, the days still to be made, and what cannot be made.

The engine reads a builder's tables no further than the business date and the declared
look-back, so that it cannot see the future, and publishes the rows that it returns.

A table that fails takes with it the tables that read it. The failed day is remembered in
`ops.publications`; the next run of any date makes it first.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Settings
from lakeshop.contracts.model import BOTH, BUSINESS_DATE, DAILY, TRAINING, WEEKLY, Contract
from lakeshop.dates import contiguous_ranges, days_between, newest_weekday
from lakeshop.engine.applications import Applications
from lakeshop.engine.context import BuildContext, Builder, Provenance
from lakeshop.engine.inputs import (
    Obstacle,
    input_versions,
    needs_rebuild,
    obstacle,
    read_inputs,
    removed_inputs,
    stand_in_warnings,
)
from lakeshop.engine.outcome import Failure, explain, failing_alone
from lakeshop.engine.progress import Progress
from lakeshop.engine.publishing import MadeDays, Publisher
from lakeshop.engine.scheduler import in_parallel
from lakeshop.storage.audit import audit
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger, digest_of, window
from lakeshop.storage.run_log import LOG, Counts, Entry, Journal

RUN_ID, METRICS = "run_id", "ops.metrics"
FLUSH_SECONDS = 120  # what a killed run has to do again at most


def no_code(_table: str) -> str:
    """Return the digest of a table's code where nobody looks at code."""
    return "code"


@dataclass
class Run:
    """A job at work on the days `first` to `last`.

    `unusable` says why a table cannot be used; what reads it is not made. `late` are days before
    `first` of which files came late or anew, `redone` those that were stale and made again.
    """

    job: str
    lake: Lake
    ledger: Ledger
    settings: Settings
    first: date
    last: date
    code: Callable[[str], str] = no_code  # the digest of the code that makes a table
    applications: Applications = field(default_factory=lambda: Applications((), ()))
    redo_stale: bool = False
    is_history: bool = False
    key: bytes = b""
    erase: tuple[str, ...] = field(default=(), repr=False)  # ids of persons
    unusable: dict[str, str] = field(default_factory=dict)
    late: set[date] = field(default_factory=set)
    redone: set[date] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    publisher: Publisher = field(init=False)

    def __post_init__(self) -> None:
        required = self.settings.shop.required_tables
        journal = Journal(self.job, self.settings.digest(), required)
        self.publisher = Publisher(self.lake, self.ledger, journal, self.run_id, self.code)

    def run_id(self, table: str, day: date) -> str:
        """Name one table's day by its code, configuration and inputs: the same for the same."""
        contract = self.lake.contract(table)
        inputs = self.ledger.input_digest(contract, day, with_self=False)
        return digest_of(table, day, self.code(table), self._configuration(contract), inputs)

    def _configuration(self, contract: Contract) -> str:
        """Return the digest of the sections that a table's owner declares."""
        owner = self.applications.owner(contract)
        if owner is None:  # deliveries and what is cleaned of them, or figures of all applications
            return self.settings.digest(*([] if contract.name == METRICS else ["shop"]))
        own = (owner.name,) if owner.settings else ()
        return self.settings.digest(*own, *owner.sections)

    def todo(self, *tables: str) -> Iterator[tuple[date, date]]:
        """Yield ranges of days on which any of the tables is to be made, the earliest first.

        These are days that failed before; the days asked for that are not published from the same
        inputs, code and configuration; and, with `redo_stale`, days published before whose inputs
        have changed since. A redone day may make later days stale: they follow.
        """
        done: set[date] = set()
        by_day = self.lake.contract(tables[0]).is_by_day
        while days := sorted({d for t in tables for d in self._open_days(t)} - done):
            first, last = next(iter(contiguous_ranges(days))) if by_day else (days[0], days[0])
            yield first, last
            done.update(days_between(first, last))
        if not done:
            LOG.info("%s: already published from the same inputs, skipped", ", ".join(tables))

    def open_days(self, table: str) -> list[date]:
        """Return the days of a table that are to be made, as things stand."""
        return sorted({*self._asked_days(table), *self._stale_days(table)})

    def _open_days(self, table: str) -> Iterator[date]:
        yield from self._asked_days(table)
        for day in self._stale_days(table):
            LOG.info("%s of %s is stale, its inputs have changed: redone", day, table)
            self.redone.add(day)
            yield day

    def _asked_days(self, table: str) -> Iterator[date]:
        contract = self.lake.contract(table)
        failed = [] if contract.is_of_training_days else self.ledger.failed_days(table, None, None)
        for day in sorted({*self._asked(contract), *failed}):
            if not self._is_current(contract, day):
                yield day

    def _stale_days(self, table: str) -> Iterator[date]:
        if not self.redo_stale:
            return
        contract = self.lake.contract(table)
        asked = self._asked(contract)
        for day in self.ledger.days(table):
            if day not in asked and needs_rebuild(self.ledger, contract, day):
                yield day

    def _asked(self, contract: Contract) -> list[date]:
        """Each day of the range; of a snapshot the last one, the last training day, or both.

        Of what is made by day also late ones that no run was asked for.
        """
        if contract.is_by_day:
            late = [d for d in self.late if self.ledger.publication(contract.name, d) is None]
            return sorted({*late, *days_between(self.first, self.last)})
        training_day = newest_weekday(self.settings.training.weekday_number, self.last)
        days = {
            DAILY: {self.last},
            TRAINING: {training_day},
            BOTH: {training_day, self.last},
            WEEKLY: {training_day if self._had_rows(contract, training_day) else self.last},
        }
        return sorted(days[contract.schedule])

    def _had_rows(self, contract: Contract, day: date) -> bool:
        """Return whether a table's inputs had any row by a day: before, a young shop had none."""
        return any(self.ledger.rows(i.table, date.min, day) for i in contract.inputs)

    def _is_current(self, contract: Contract, day: date) -> bool:
        published = self.ledger.publication(contract.name, day)
        return (
            published is not None
            and not self.ledger.failed_days(contract.name, day, day)
            and published.run_id == self.run_id(contract.name, day)
            and not self.ledger.is_stale(contract, day)
        )

    def build(self, builders: Mapping[str, Builder]) -> None:
        """Make each table on the days it is to be made, after those of them that it reads."""

        def make(table: str) -> None:
            for first, last in self.todo(table):
                self.attempt((table,), first, last, partial(self._build_days, builders[table]))

        self.side_by_side({table: partial(make, table) for table in builders})

    def side_by_side(self, work: Mapping[str, Callable[[], None]]) -> None:
        """Do the work on several tables, each after the tables that its contract reads."""

        def then_flush(table: str, do: Callable[[], None]) -> None:
            with self.progress.doing(table), failing_alone() as errors:
                do()
            for error in errors:  # of the work around the days: no day is known
                self.fail((table,), self.first, self.last, error)
            self.flush(at_most_every=FLUSH_SECONDS)

        reads = {t: {i.table for i in self.lake.contract(t).inputs} - {t} for t in work}
        pieces = {table: partial(then_flush, table, do) for table, do in work.items()}
        self.progress.expect(work)
        in_parallel(pieces, reads, self.settings.tables_at_once)

    def attempt(
        self,
        tables: Sequence[str],
        first: date,
        last: date,
        make: Callable[[str, date, date], None],
    ) -> None:
        """Make days of tables that belong together; remember the days that cannot be made.

        Args:
            tables: the table, and those that are made with it.
            first: first day.
            last: last day.
            make: makes a range of days of the first of them.

        Raises:
            Exception: the machine is at fault, which ends the run.
        """
        contract = self.lake.contract(tables[0])
        free: list[date] = []
        lost: dict[date, Obstacle] = {}
        for day in days_between(first, last):
            if found := self._obstacle(contract, day, free, lost):
                lost[day] = found
            elif removed := self.ledger.removed_inputs(contract, day):
                # Not remembered: no later run could make the day either.
                reason = removed_inputs(contract, day, removed)
                self.failures.append(Failure(tables[0], day, day, reason))
            else:
                free.append(day)
        for table in dict.fromkeys(cause.table for cause in lost.values()):
            days = {day: cause for day, cause in lost.items() if cause.table == table}
            self._not_made(tables, days)
        for begin, end in contiguous_ranges(free):
            with failing_alone() as errors:
                make(tables[0], begin, end)
            for error in errors:
                self.fail(tables, begin, end, error)

    def _obstacle(
        self, contract: Contract, day: date, at_work: Collection[date], lost: Collection[date]
    ) -> Obstacle | None:
        """Return the day of an input that keeps a table from being made.

        Own days that are made in the same go (`at_work`) are none; own days that have just been
        lost are.
        """
        for declared in contract.inputs:
            if declared.table in self.unusable and not declared.is_off:
                return Obstacle(declared.table, day)
            source = self.lake.contract(declared.table)
            if found := obstacle(self.ledger, contract, source, day, at_work):
                return found
            first, last = window(contract, declared, day)
            if declared.table == contract.name and (own := [d for d in lost if first <= d <= last]):
                return Obstacle(contract.name, own[-1])
        return None

    def _not_made(self, tables: Sequence[str], found: Mapping[date, Obstacle]) -> None:
        """Remember days that were not made because of the same table."""
        for first, last in contiguous_ranges(found):
            cause = found[first]
            why = self.unusable.get(cause.table, f"{cause.table} of {cause.day} failed")
            reason = f"not made because of {cause.table}: {why}"
            self._remember(tables, first, last, reason, cause.table)

    def fail(self, tables: Sequence[str], first: date, last: date, error: Exception) -> None:
        """Remember that days could not be made, and why."""
        LOG.debug("%s", tables[0], exc_info=error)
        self._remember(tables, first, last, explain(error))

    def set_aside(self, table: str, error: Exception) -> None:
        """Treat a table as unusable for the rest of the run."""
        self.unusable[table] = explain(error)
        self.failures.append(Failure(table, self.first, self.last, self.unusable[table]))
        self.progress.fail(table)

    def _remember(
        self, tables: Sequence[str], first: date, last: date, reason: str, because: str = ""
    ) -> None:
        self.failures.append(Failure(tables[0], first, last, reason, because))
        self.progress.fail(tables[0])
        for table in tables:
            days = days_between(first, last)
            if not self.lake.contract(table).is_by_day:
                days = [d for d in days if d in self._asked(self.lake.contract(table))] or [last]
            run_id = self.run_id(table, last)
            self.ledger.record_failed(table, days, reason, run_id=run_id)

    def _build_days(self, builder: Builder, table: str, first: date, last: date) -> None:
        started = time.monotonic()
        contract = self.lake.contract(table)
        context = BuildContext(
            day=last,
            settings=self.settings,
            first=first,
            provenance=self._provenance(contract, last),
            contract=contract,
            lake=self.lake,
            extensions=tuple(self.applications.extensions(table)),
        )
        for warning in stand_in_warnings(self.lake, self.ledger, contract, last):
            context.warn(warning)
        try:
            rows = builder(read_inputs(self.lake, self.ledger, contract, first, last), context)
            if not contract.is_by_day:
                rows = rows.withColumn(BUSINESS_DATE, F.lit(last))
            rows = context.cache(self._with_run_id(contract, rows, last))
            notices = context.notices
            audited = audit(self.lake, contract, rows, [n.aggregate for n in notices])
            for values in audited.found:
                said = (n.say(value, rows) for n, value in zip(notices, values, strict=True))
                context.warnings.extend(text for text in said if text)
            found, warnings = audited.contents, tuple(context.warnings)
            counts = Counts(sum(c.rows for c in found.values()), warnings=warnings)
            self.publish(MadeDays(table, rows, first, last, started, counts, found))
            self.failures += [Failure(table, first, last, why) for why in context.failures]
        finally:
            context.release()

    def _provenance(self, contract: Contract, day: date) -> Provenance:
        content = self.ledger.input_digest(contract, day, with_self=False)
        return Provenance(self.code(contract.name), input_versions(self.lake, contract), content)

    def _with_run_id(self, contract: Contract, rows: DataFrame, day: date) -> DataFrame:
        if RUN_ID not in contract.column_names:
            return rows
        return rows.withColumn(RUN_ID, F.lit(self.run_id(contract.name, day)))

    def publish(self, made: MadeDays) -> int:
        """Publish days of a table; return how many rows they hold."""
        return self.publisher.publish(made)

    def note(self, entry: Entry, started: float) -> None:
        """Log what was done to a table, and have it written to `ops.runs`."""
        self.publisher.note(entry, started)

    def flush(self, *, at_most_every: float = 0.0) -> None:
        """Write what was published so far to `ops.publications` and `ops.runs`."""
        self.publisher.flush(at_most_every=at_most_every)
