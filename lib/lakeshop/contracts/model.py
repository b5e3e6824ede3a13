"""The contract of a table as a frozen value: columns, key, checks, inputs; and its DDL."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Final

from pyspark.sql import types as T

from lakeshop.contracts.types import sql_type

BUSINESS_DATE = "business_date"
BY_DAY = frozenset({"delivery", "event", "version", "aggregate"})
DAILY: Final = "daily"
TRAINING: Final = "training"
BOTH: Final = "both"
WEEKLY: Final = "weekly"


@dataclass(frozen=True)
class Column:
    """One column: its Spark type, whether NULL is refused and whether it is personal."""

    name: str
    type: T.DataType
    required: bool
    personal: bool
    about: str


@dataclass(frozen=True)
class Check:
    """A rule on one row, as a Spark SQL predicate, and what happens where it is not true."""

    name: str
    holds: str
    on_failure: str
    about: str


@dataclass(frozen=True)
class Input:
    """A table that is read, from `look_back_days` before the first business date on.

    Of entities a snapshot reads the newest version, unless it asks for `all_versions`; of a
    snapshot with `newest_day` the newest day that was made within the look-back.
    """

    table: str
    look_back_days: int | None
    all_versions: bool = False
    newest_day: bool = False
    is_off: bool = False  # of an application that is off: the table counts as empty


@dataclass(frozen=True)
class Contract:
    """The contract of one table."""

    name: str
    grain: str
    about: str
    owner: str
    rows: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    checks: tuple[Check, ...]
    inputs: tuple[Input, ...]
    look_back_days: int | None
    retention_days: int
    has_latest_twin: bool
    schedule: str = DAILY
    retain_latest_per: tuple[
        str, ...
    ] = ()  # of each value of these the newest row outlives retention
    retain_while_in: tuple[str, ...] = ()  # tables in which the key keeps a row from retention
    application: str | None = None  # who makes it
    delivers: str | None = None  # what a shop's rows of an entity are of, in words
    derived_from: str | None = None  # the contract that it follows from, where no file states it

    @property
    def is_by_day(self) -> bool:
        """Return whether a range of days can be replaced in one go."""
        return self.rows in BY_DAY

    @property
    def is_of_training_days(self) -> bool:
        """Return whether nights use what the newest training day has made."""
        return self.schedule in (TRAINING, WEEKLY)

    @cached_property
    def struct(self) -> T.StructType:
        """The schema of a frame of this table."""
        return T.StructType([T.StructField(c.name, c.type, not c.required) for c in self.columns])

    @property
    def column_names(self) -> list[str]:
        """The columns in the table's order."""
        return [column.name for column in self.columns]

    def schema(self, *names: str) -> T.StructType:
        """Return the schema of some columns, in the order given; NULL is refused as in the table.

        Raises:
            LookupError: the table has no such column.
        """
        fields = {field.name: field for field in self.struct.fields}
        return T.StructType([fields[name] for name in names])

    def task_schema(self, *names: str) -> T.StructType:
        """Return the same for the rows that a Python task makes, with NULL allowed.

        Spark trusts a task: it would look no more for a NULL where its schema allows none.
        """
        return T.StructType([T.StructField(f.name, f.dataType) for f in self.schema(*names)])

    def latest(self) -> "Contract":
        """The contract of the twin that holds the newest business date only."""
        return replace(
            self,
            name=f"{self.name}_latest",
            about=f"{self.about} The newest business date only.",
            has_latest_twin=False,
        )

    def ddl(self, path: str) -> str:
        """CREATE TABLE for a Delta table at `path`, with comments, constraints and properties."""
        columns = ",\n  ".join(
            f"`{c.name}` {sql_type(c.type)}{' NOT NULL' if c.required else ''}"
            f" COMMENT {quoted(c.about)}"
            for c in self.columns
        )
        partitioned = (
            f"\nPARTITIONED BY ({', '.join(self.partition_by)})" if self.partition_by else ""
        )
        properties = ",\n  ".join(
            f"{quoted(name)} = {quoted(value)}" for name, value in self.table_properties().items()
        )
        return (
            f"CREATE TABLE IF NOT EXISTS delta.`{path}` (\n  {columns}\n) "
            f"USING delta{partitioned}\n"
            f"COMMENT {quoted(f'{self.about} Grain: {self.grain}.')}\n"
            f"TBLPROPERTIES (\n  {properties}\n)"
        )

    def _dates(self) -> list[str]:
        """Columns whose extremes are kept of each file.

        Files hold days, so that dates lead to them; statistics of all columns are a twentieth of a
        night's CPU.
        """
        return [
            c.name
            for c in self.columns
            if c.name in (BUSINESS_DATE, "event_date")
            and not c.personal
            and c.name not in self.partition_by
        ]

    def table_properties(self) -> dict[str, str]:
        """Delta properties: reader version 1, few statistics, none of a person, constraints."""
        properties = {
            "delta.enableDeletionVectors": "false",
            "delta.dataSkippingStatsColumns": ",".join(self._dates()),
        }
        for check in self.checks:
            if check.on_failure in {"fail", "quarantine"} and self.rows != "delivery":
                properties[f"delta.constraints.{check.name}"] = check.holds
        return properties


def quoted(text: str) -> str:
    """Return a text as a literal of SQL, white space made one blank."""
    escaped = " ".join(text.split()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def within(first: date, last: date) -> str:
    """The predicate of a closed range of days, as `replaceWhere` takes it."""
    return f"{BUSINESS_DATE} >= DATE'{first}' AND {BUSINESS_DATE} <= DATE'{last}'"
