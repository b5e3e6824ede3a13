"""The only module that reads and writes what Delta tables hold; upkeep has one of its own.

A day, or one closed range of days, is replaced by one `replaceWhere` on `business_date`: one
atomic commit, which a re-run repeats with the same content and which clears an empty day. A
killed run leaves the old day whole. No transaction id is set: Delta would silently keep the
old rows of a re-run with the same id. Only a log whose rows repeat exactly may bear one.

`replaceWhere` takes `>=` and `<=`, not BETWEEN: beside a CHECK constraint Delta 4.4 fails on
BETWEEN with an internal error.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from lakeshop.contracts.migration import left_unchecked, migration, with_gained_columns
from lakeshop.contracts.model import BUSINESS_DATE, Contract, quoted, within
from lakeshop.errors import ContractError
from lakeshop.storage.content import Content, content_columns, contents_of
from lakeshop.storage.day_copy import copied_as_whole
from lakeshop.storage.file_list import files_of_days

MOST_LISTED = 64  # lists of files that are kept
ROWS_PER_FILE = 1_000_000  # and so per task that writes them
TOLD_WITHIN = "30 seconds"  # after a commit, until its counts come
# Delta fails the second of two that create a table at once, as two trainings may their log.
CREATIONS: defaultdict[str, Lock] = defaultdict(Lock)  # by path


@dataclass(frozen=True)
class Lake:
    """The tables below one root, each at `<root>/<layer>/<table>`."""

    spark: SparkSession
    root: str
    contracts: Mapping[str, Contract]
    # Each commit is made within this context, which may refuse it.
    commit_lock: Callable[[], AbstractContextManager[None]] = field(
        default=nullcontext, compare=False
    )
    _checked: set[str] = field(default_factory=set, compare=False)
    _versions: dict[str, int] = field(default_factory=dict, compare=False)
    _seen: set[str] = field(default_factory=set, compare=False)
    _listed: dict[tuple[str, int, date | None, date | None], Any] = field(
        default_factory=dict, compare=False
    )

    def path(self, table: str) -> str:
        """Return the folder of a table."""
        return f"{self.root}/{table.replace('.', '/')}"

    def contract(self, table: str) -> Contract:
        """The contract of a table, or of the `_latest` twin of one.

        Raises:
            ContractError: there is none.
        """
        if table in self.contracts:
            return self.contracts[table]
        dated = self.contracts.get(table.removesuffix("_latest"))
        if dated is None or not dated.has_latest_twin:
            msg = f"A table should have a contract in schemas/. Received {table!r}."
            raise ContractError(msg)
        return dated.latest()

    def read(self, table: str, first: date | None = None, last: date | None = None) -> DataFrame:
        """The rows filed from `first` to `last`, both included; none where nothing was written."""
        contract = self.contract(table)
        if not self.exists(table):
            return self.empty_frame(table)
        rows = self._files(table, first, last)
        if first is not None:
            rows = rows.where(F.col(BUSINESS_DATE) >= F.lit(first))
        if last is not None:
            rows = rows.where(F.col(BUSINESS_DATE) <= F.lit(last))
        return with_gained_columns(contract, rows)

    def _files(self, table: str, first: date | None, last: date | None) -> DataFrame:
        """The files that may hold rows of the days, found once for all who read them.

        Delta finds them anew for each time that a query names the table, by a job of its own.
        """
        jvm: Any = self.spark._jvm
        log, snapshot = self._log(table), self.snapshot(table)
        key = table, int(snapshot.version()), first, last
        listed = self._listed.get(key)
        if listed is None:
            listed = files_of_days(self.spark, snapshot, self.contract(table), first, last)
            self._listed[key] = listed
            for old in list(self._listed)[:-MOST_LISTED]:  # a repair of years asks for many ranges
                self._listed.pop(old, None)
        nothing = jvm.scala.Option.empty()
        return DataFrame(log.createDataFrame(snapshot, listed, False, nothing), self.spark)

    def empty_frame(self, table: str) -> DataFrame:
        """No rows of a table, so that the optimiser sees it and leaves joins with them out."""
        empty = self.spark.createDataFrame([], self.contract(table).struct)
        return empty.where(F.lit(False))

    def exists(self, table: str) -> bool:
        """Return whether the table was ever written."""
        return table in self._checked or DeltaTable.isDeltaTable(self.spark, self.path(table))

    def replace_days(
        self,
        table: str,
        rows: DataFrame,
        first: date,
        last: date,
        *,
        run_id: str,
        n_rows: int = 0,
        are_new: bool = False,
    ) -> int:
        """Replace all rows filed from `first` to `last` by `rows`, in one commit.

        Args:
            table: the table.
            rows: all rows of the days.
            first: first day.
            last: last day.
            run_id: noted in the commit.
            n_rows: about how many, if known: a task and a file for each million.
            are_new: the table holds no rows of the days, so that they are appended: that takes one
                job of Spark, to replace them takes four. Only a run that holds the lake may say
                so: two at once would both add their rows.

        Returns:
            The table's new version.

        Raises:
            ContractError: `rows` lack columns of the contract, or the table does not fit it.
        """
        placed = self._placed(table, rows, first, last, n_rows, are_new)
        return self._write_days(table, placed, first, last, run_id, are_new)

    def replace_and_count(
        self,
        table: str,
        rows: DataFrame,
        first: date,
        last: date,
        *,
        run_id: str,
        n_rows: int = 0,
        are_new: bool = False,
    ) -> tuple[int, dict[date, Content]]:
        """Replace days as `replace_days` does.

        Returns:
            The new version and the content of each day; empty days are absent. One day is counted
            by the tasks that write it. Several are read again, and so is one whose count is lost.
        """
        placed = self._placed(table, rows, first, last, n_rows, are_new)
        if first != last:
            version = self._write_days(table, placed, first, last, run_id, are_new)
            return version, self.content(table, first, last)
        observation = Observation()
        # In the last stage, whose tasks count once each, however often they are tried.
        counted = placed.observe(observation, *content_columns(self.contract(table)))
        version = self._write_days(table, counted, first, last, run_id, are_new)
        if not _is_told(self.spark, observation):
            return version, self.content(table, first, last)
        found = observation.get
        return version, contents_of([{BUSINESS_DATE: first, **found}] if found["rows"] else [])

    def _write_days(
        self, table: str, rows: DataFrame, first: date, last: date, run_id: str, are_new: bool
    ) -> int:
        if are_new:
            return self._write(table, rows, "append", {}, run_id)
        return self._write(table, rows, "overwrite", {"replaceWhere": within(first, last)}, run_id)

    @property
    def is_held(self) -> bool:
        """Return whether this run alone may commit."""
        return self.commit_lock is not nullcontext

    def _placed(
        self, table: str, rows: DataFrame, first: date, last: date, n_rows: int, are_new: bool
    ) -> DataFrame:
        """Rows of days as they are laid into files."""
        fitting = self.conform_to_contract(table, rows)
        if are_new:  # `replaceWhere` refuses the rows of other days; here the plan does
            fitting = fitting.withColumn(BUSINESS_DATE, _checked_day(table, first, last))
        if first == last and n_rows:  # every file is opened by each night that reads the day
            return fitting.coalesce(1 + n_rows // ROWS_PER_FILE)
        if self.contract(table).partition_by:
            return fitting.hint("rebalance")
        if first == last:
            # One file, where adaptive execution is on, which splits it where the day is large.
            return fitting.hint("rebalance", 1)
        # Neighbouring days in one file: a year of small days in a few files is read ten times as
        # fast as in one per day, and statistics still lead to a single day.
        return fitting.repartitionByRange(BUSINESS_DATE)

    def replace_parts(
        self,
        table: str,
        rows: DataFrame,
        column: str,
        parts: Sequence[tuple[date, str]],
        *,
        run_id: str,
    ) -> int:
        """Replace the rows of each given day and value of a column, in one commit.

        Args:
            table: the table.
            rows: all rows of these parts.
            column: a column of text.
            parts: the days, each with a value of the column.
            run_id: noted in the commit.

        Returns:
            The table's new version.
        """
        holds = " OR ".join(
            f"({BUSINESS_DATE} = DATE'{day}' AND {column} = {quoted(value)})"
            for day, value in parts
        )
        placed = self.conform_to_contract(table, rows).coalesce(1)
        return self._write(table, placed, "overwrite", {"replaceWhere": holds}, run_id)

    def overwrite(self, table: str, rows: DataFrame, *, run_id: str) -> int:
        """Replace the whole table, in one commit."""
        return self._write(
            table, self.conform_to_contract(table, rows).coalesce(1), "overwrite", {}, run_id
        )

    def publish_latest(self, table: str, rows: DataFrame, day: date, *, run_id: str) -> None:
        """Have a table's `_latest` twin hold the rows of its newest day, in one commit.

        Args:
            table: the table, in which the day is published.
            rows: all rows of the day, to be written where its files cannot be copied.
            day: the newest day.
            run_id: noted in the commit.
        """
        twin = f"{table}_latest"
        self.ensure(twin)
        source = self.snapshot(table), self.path(table)
        whole = self.spark, self.contract(table), day, source, (self._log(twin), self.path(twin))
        with self.commit_lock():
            is_copied = copied_as_whole(*whole, run_id=run_id)
        self._versions.pop(twin, None)
        if not is_copied:
            self.overwrite(twin, rows.where(F.col(BUSINESS_DATE) == F.lit(day)), run_id=run_id)

    def append(
        self,
        table: str,
        rows: DataFrame,
        *,
        run_id: str,
        transaction: tuple[str, int] | None = None,
    ) -> int:
        """Add rows to a log.

        Args:
            table: the log.
            rows: what to add.
            run_id: noted in the commit.
            transaction: an application and its growing number. Delta keeps the last number of each
                and silently leaves out what bears that or a smaller one: it was added before.
        """
        options = {} if transaction is None else {"txnAppId": transaction[0]}
        if transaction is not None:
            options["txnVersion"] = str(transaction[1])
        return self._write(
            table, self.conform_to_contract(table, rows).coalesce(1), "append", options, run_id
        )

    def version(self, table: str) -> int:
        """The table's newest version."""
        if table not in self._versions:
            self._versions[table] = int(self.snapshot(table).version())
        return self._versions[table]

    def snapshot(self, table: str) -> Any:
        """Delta's newest snapshot of a table here, which only this run moves.

        DESCRIBE HISTORY would take two Spark jobs.
        """
        log = self._log(table)
        if table not in self._seen:  # what other processes committed before
            self._seen.add(table)
            nothing = self.spark._jvm.scala.Option.empty()  # type: ignore[union-attr]
            return log.update(False, nothing, nothing)
        return log.unsafeVolatileSnapshot()

    def _log(self, table: str) -> Any:
        logs = self.spark._jvm.org.apache.spark.sql.delta.DeltaLog  # type: ignore[union-attr]
        return logs.forTable(self.spark._jsparkSession, self.path(table))

    def properties(self, table: str) -> dict[str, str]:
        """A table's properties as Delta keeps them, constraints among them."""
        kept = self.snapshot(table).metadata().configuration()
        # In one call: each look into the JVM takes its time, and a night looks at all tables.
        pairs = [pair.partition(" -> ") for pair in kept.mkString("\x1e").split("\x1e")]
        return {name: value for name, _, value in pairs}

    def content(self, table: str, first: date, last: date) -> dict[date, Content]:
        """Return the content of each day from `first` to `last`; empty days are absent."""
        per_day = self.read(table, first, last).groupBy(BUSINESS_DATE)
        return contents_of(per_day.agg(*content_columns(self.contract(table))).collect())

    def is_empty(self, table: str, first: date, last: date) -> bool:
        """Return whether a table holds no row for the days."""
        return self.read(table, first, last).isEmpty()

    def conform_to_contract(self, table: str, rows: DataFrame) -> DataFrame:
        """Rows with exactly the contract's columns, in its order and types."""
        contract = self.contract(table)
        missing = sorted(set(contract.column_names) - set(rows.columns))
        if missing:
            msg = f"Rows for {table} should have all its columns. Missing: {', '.join(missing)}."
            raise ContractError(msg)
        return rows.select(*[F.col(c.name).cast(c.type).alias(c.name) for c in contract.columns])

    def _write(
        self, table: str, rows: DataFrame, mode: str, options: Mapping[str, str], run_id: str
    ) -> int:
        self.ensure(table)
        writer = rows.write.format("delta").mode(mode).option("userMetadata", run_id)
        with self.commit_lock():
            writer.options(**options).save(self.path(table))
        self._versions.pop(table, None)
        return self.version(table)

    def ensure(self, table: str) -> None:
        """Create the table, or have it follow its contract; refuse what its rows do not fit."""
        if table in self._checked:
            return
        contract = self.contract(table)
        with CREATIONS[self.path(table)], self.commit_lock():
            if not self.exists(table):
                self.spark.sql(contract.ddl(self.path(table)))
            else:
                self._migrate(contract)
        self._checked.add(table)

    def _migrate(self, contract: Contract) -> None:
        stored = self.read_raw(contract.name).schema
        kept = self.properties(contract.name)
        for statement in migration(contract, self.path(contract.name), stored, kept):
            try:
                self.spark.sql(statement)
            except AnalysisException as error:
                if error.getCondition() != "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION":
                    raise
                self.spark.sql(left_unchecked(contract, statement))

    def read_raw(self, table: str) -> DataFrame:
        """A table as it is stored, whatever its contract says."""
        return self.spark.read.format("delta").load(self.path(table))


def _is_told(spark: SparkSession, observation: Observation) -> bool:
    """Wait for the counts of a write that is done: a bus of listeners that is full loses them."""
    concurrent: Any = spark._jvm.scala.concurrent  # type: ignore[union-attr]
    told: Any = observation._jo.future()  # type: ignore[union-attr]
    try:
        concurrent.Await.ready(told, concurrent.duration.Duration.create(TOLD_WITHIN))
    except Py4JJavaError as error:
        if "TimeoutException" not in f"{error.java_exception}":
            raise
        return False
    return True


def _checked_day(table: str, first: date, last: date) -> Column:
    """The business date; a row that is filed under a day outside ends the query."""
    day = F.col(BUSINESS_DATE)
    fault = F.concat(
        F.lit(f"Rows of {table} should be filed from {first} to {last}. Received a row of "),
        F.coalesce(day.cast("string"), F.lit("no day")),
    )
    is_within = day.between(F.lit(first), F.lit(last))
    return F.when(is_within, day).otherwise(F.raise_error(fault).cast("date"))
