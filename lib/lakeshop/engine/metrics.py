"""ops.metrics: one row per figure. Each subject replaces its own rows of a day, no other's.

An evaluation reads the tables that its application declares, and adds the figures of subjects to
its context. The figures of all evaluations that succeeded go into one commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakeshop.config.settings import Settings
from lakeshop.contracts.application import Application
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.run import METRICS, Run
from lakeshop.storage.content import Content
from lakeshop.storage.publications import Publication, digest_of
from lakeshop.storage.run_log import Counts, Entry

READ_DAYS = 120  # of figures before a run; older ones are hardly asked for
FIGURE = ("method", "metric", "segment", "value")
Figure = tuple[str, str, str, float | None]


def as_figures(rows: DataFrame) -> list[Figure]:
    """Return rows of method, metric, segment and value."""
    found = rows.select(*FIGURE).collect()
    return [(row["method"], row["metric"], row["segment"], row["value"]) for row in found]


def cell(value: float | None) -> str:
    """Return a figure as a cell of 14 letters of a report; a dash where there is none."""
    return f"{'-':>14}" if value is None else f"{value:>14.4f}"


@dataclass(frozen=True)
class SubjectFigures:
    """The figures of a subject of a day, and the digest of what they were computed from."""

    day: date
    subject: str
    run_id: str
    figures: Sequence[Figure]


@dataclass
class PublishedFigures:
    """Names of the figures in `ops.metrics`, read once for all evaluations of a run."""

    run: Run
    _names: set[tuple[date, str, str]] | None = None

    def has(self, day: date, subject: str, name: str) -> bool:
        """Return whether a subject's figures of a day are there under this name."""
        since = self.run.first - timedelta(days=READ_DAYS)
        if day < since:
            return (day, subject, name) in self._read(day, day)
        if self._names is None:
            self._names = self._read(since, self.run.last)
        return (day, subject, name) in self._names

    def _read(self, first: date, last: date) -> set[tuple[date, str, str]]:
        names = self.run.lake.read(METRICS, first, last)
        rows = names.select(BUSINESS_DATE, "subject", "run_id").distinct().collect()
        return {(row[BUSINESS_DATE], row["subject"], row["run_id"]) for row in rows}


@dataclass
class EvaluationContext:
    """Knowledge of an evaluation: days, settings, and the tables that its application declares."""

    run: Run
    application: Application
    published: "PublishedFigures"
    found: list[SubjectFigures] = field(default_factory=list)
    _cached: list[DataFrame] = field(default_factory=list)

    @property
    def first(self) -> date:
        """The first day of the run."""
        return self.run.first

    @property
    def last(self) -> date:
        """The last day of the run; nothing later is read."""
        return self.run.last

    @property
    def settings(self) -> Settings:
        """The configuration."""
        return self.run.settings

    @property
    def spark(self) -> SparkSession:
        """The session."""
        return self.run.lake.spark

    @property
    def figure(self) -> T.StructType:
        """The types of method, metric, segment and value, for figures that a task computes."""
        return self.run.lake.contract(METRICS).task_schema(*FIGURE)

    def read(self, table: str, first: date | None, last: date) -> DataFrame:
        """Return the rows of a declared table, none later than the run's last day.

        Raises:
            LookupError: the application does not declare the table.
        """
        self._assert_declared(table)
        return self.run.lake.read(table, first, min(last, self.last))

    def read_newest(self, table: str, last: date) -> DataFrame:
        """Return the rows of the newest day up to `last` that was made of a declared snapshot."""
        self._assert_declared(table)
        newest = self.run.ledger.newest_made(table, last)
        return self.run.lake.read(table, newest or last, newest or last)

    def is_made(self, table: str, day: date) -> bool:
        """Return whether a declared table's day was published."""
        self._assert_declared(table)
        failed = self.run.ledger.failed_days(table, day, day)
        return not failed and self.run.ledger.publication(table, day) is not None

    def content(self, table: str, day: date) -> str:
        """Name what a declared table holds of a day, for `source`; "" where it holds nothing."""
        self._assert_declared(table)
        published = self.run.ledger.publication(table, day)
        return published.content.digest if published and published.content.rows else ""

    def rows(self, table: str, day: date) -> int:
        """Return the number of rows that a declared table holds of a day."""
        self._assert_declared(table)
        return self.run.ledger.rows(table, day, day)

    def contents(self, table: str, first: date | None, last: date) -> str:
        """Name what a declared table holds of a range of days, for `source`."""
        self._assert_declared(table)
        return self.run.ledger.range_digest(table, first, min(last, self.last))

    def is_published(self, day: date, subject: str, source: Sequence[object]) -> bool:
        """Return whether a subject's figures are there, of the same source, code and settings."""
        return self.published.has(day, subject, self._name(day, subject, source))

    def publish(
        self,
        day: date,
        subject: str,
        figures: DataFrame | Sequence[Figure],
        source: Sequence[object],
    ) -> None:
        """Replace a subject's figures of a day, once all evaluations are done.

        Args:
            day: the night that is scored.
            subject: what the figures are of.
            figures: rows of method, metric, segment, value.
            source: names what they were computed from; `is_published` asks for it.
        """
        if isinstance(figures, DataFrame):
            figures = as_figures(figures)
        name = self._name(day, subject, source)
        self.found.append(SubjectFigures(day, subject, name, figures))

    def cache(self, rows: DataFrame) -> DataFrame:
        """Cache rows until the evaluation is over."""
        self._cached.append(rows.persist())
        return rows

    def release(self) -> None:
        """Free the cached rows."""
        while self._cached:
            self._cached.pop().unpersist()

    def _name(self, day: date, subject: str, source: Sequence[object]) -> str:
        code = self.run.code(f"{METRICS}:{self.application.name}")
        own = (self.application.name,) if self.application.settings else ()
        settings = self.settings.digest(*own, *self.application.sections, "evaluation")
        return digest_of(METRICS, subject, day, code, settings, *source)

    def _assert_declared(self, table: str) -> None:
        evaluation = self.application.evaluation
        declared = {i.table for i in evaluation.inputs} if evaluation else set()
        if table not in declared:
            msg = (
                f"The evaluation of {self.application.name} should read the tables that it "
                f"declares, {', '.join(sorted(declared))}. Received {table}; declare it."
            )
            raise LookupError(msg)


def publish_figures(run: Run, found: Sequence[SubjectFigures], started: float) -> None:
    """Replace the figures of all subjects and days in one commit, and no other's.

    Args:
        run: the run.
        found: figures by day and subject.
        started: when the work on them began, by `time.monotonic`.
    """
    if not found:
        return
    rows = [
        (part.day, part.subject, *figure, part.run_id) for part in found for figure in part.figures
    ]
    names = (BUSINESS_DATE, "subject", *FIGURE, "run_id")
    schema = run.lake.contract(METRICS).schema(*names)
    frame = run.lake.spark.createDataFrame(rows, schema)
    days = sorted({part.day for part in found})
    run_id = run.run_id(METRICS, days[-1])
    parts = sorted({(part.day, part.subject) for part in found})
    version = run.lake.replace_parts(METRICS, frame, "subject", parts, run_id=run_id)
    contents = run.lake.content(METRICS, days[0], days[-1])
    counts = Counts(rows_in=len(rows))
    entry = Entry(
        METRICS, days[0], days[-1], run_id, version, (), len(rows), counts, run.code(METRICS)
    )
    run.note(entry, started)
    run.ledger.record(
        Publication(
            table=METRICS,
            day=day,
            run_id=run.run_id(METRICS, day),
            input_digest=digest_of(*[part.run_id for part in found if part.day == day]),
            content=contents.get(day, Content(0, "")),
            version=version,
        )
        for day in days
    )
