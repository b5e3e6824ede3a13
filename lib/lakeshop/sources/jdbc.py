"""A table of a PostgreSQL database: the content of a time window, and its rows as JSON.

The server itself makes the JSON: numbers, times, arrays and enumerations keep its own format, and
Spark reads nothing but text.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pyspark.sql import DataFrame, Row

from lakeshop.config.shop import Database, Entity
from lakeshop.errors import InputError
from lakeshop.sources.jdbc_connection import Connection
from lakeshop.sources.mapping import source_columns

FETCHED_AT_ONCE = 10_000  # rows; the driver would hold a whole answer in memory
ZONED = "timestamp with time zone"
TIMES = {ZONED, "timestamp without time zone", "date"}
NUMBERS = {"smallint", "integer", "bigint", "numeric"}


@dataclass(frozen=True)
class Window:
    """Changes at `since` or later, from the beginning where None, and before `until`; UTC."""

    since: datetime | None
    until: datetime


@dataclass(frozen=True)
class Extent:
    """Content of a window: number of rows, a digest, the range of the partition column.

    The digest changes with each row that comes, goes, or changes together with its `updated_at`. It
    does not see a change that leaves `updated_at` as it was.
    """

    rows: int
    digest: str
    lowest: str | None
    highest: str | None


@dataclass(frozen=True)
class Source:
    """A table as one entity is read from it."""

    connection: Connection
    entity: Entity

    @property
    def database(self) -> Database:
        """Location of the table."""
        return self.connection.database

    def kinds(self) -> dict[str, str]:
        """The types of the table's columns, by name.

        Raises:
            InputError: the database cannot be reached, the table is not there, or required columns
                are missing or of another type.
        """
        found = self.connection.query(
            "SELECT attname::text AS name, format_type(atttypid, NULL) AS kind FROM pg_attribute "
            f"WHERE attrelid = to_regclass({_text(self._table)}) AND attnum > 0 "
            "AND NOT attisdropped"
        )
        kinds = {row["name"]: row["kind"] for row in found}
        self._assert_fits(kinds)
        return kinds

    def extent(self, kinds: Mapping[str, str], window: Window) -> Extent:
        """Current content of a window.

        Raises:
            InputError: it cannot be read, has not ended yet, or rows lack their `updated_at`.
        """
        time, part = _name(self.database.updated_at), self.database.partition_column
        lowest, highest = (f"{end}({_name(part)})" if part else "NULL" for end in ("min", "max"))
        [row] = self.connection.query(
            f"SELECT count({time}) AS n, count(*) - count({time}) AS untimed, "
            f"({lowest})::text AS lowest, ({highest})::text AS highest, "
            f"concat_ws(' ', min({time}), max({time}), sum(extract(epoch FROM {time}))) AS times, "
            f"now() < {_moment(window.until)} AS is_open FROM {self._table} "
            f"WHERE {time} IS NULL OR ({self._within(kinds, window)})"
        )
        self._assert_closed(row, window)
        return Extent(row["n"], f"{row['n']} {row['times']}", row["lowest"], row["highest"])

    def rows(self, kinds: Mapping[str, str], window: Window, extent: Extent) -> DataFrame:
        """The rows of a window, as JSON in `raw`; read by the first action."""
        part = self.database.partition_column
        kept = {self.database.updated_at, *self.database.key, *self._mapped()}
        read = sorted(name for name in kinds if name in kept or name not in self.entity.ignored)
        divided_by = f", {_name(part)} AS part" if part else ""
        columns = ", ".join(map(_name, read))
        table = (
            f"(SELECT (SELECT row_to_json(r) FROM (SELECT {columns}) AS r)::text AS raw"
            f"{divided_by} FROM {self._table} WHERE {self._within(kinds, window)}) AS lakeshop"
        )
        options = {"dbtable": table, "fetchsize": str(FETCHED_AT_ONCE)}
        if part and extent.lowest is not None and extent.highest is not None:
            options |= {
                "partitionColumn": "part",
                "lowerBound": _bound(extent.lowest, kinds[part], math.floor),
                "upperBound": _bound(extent.highest, kinds[part], math.ceil),
                "numPartitions": str(self.database.partitions),
            }
        return self.connection.reader(options).select("raw")

    def _assert_fits(self, kinds: Mapping[str, str]) -> None:
        database = self.database
        if not kinds:
            msg = (
                f"{database.place} should have a table {database.table} that its user may see. "
                "There is none; correct jdbc.table, or have it made."
            )
            raise InputError(msg)
        needed = sorted({*database.key, database.updated_at, *self._mapped()})
        wrong = [f"{name} is missing" for name in needed if name not in kinds]
        part = database.partition_column
        for name, should in ((database.updated_at, TIMES), (part, TIMES | NUMBERS)):
            if name is not None and kinds.get(name) not in {None, *should}:
                wrong.append(f"{name} is {kinds[name]}, not {' or '.join(sorted(should))}")
        if part is not None and part not in {*kinds, *needed}:
            wrong.append(f"{part} is missing")
        if wrong:
            msg = (
                f"{database.table} of {database.place} should have the columns that the shop reads "
                f"of it. Received: {'; '.join(wrong)}. Correct the shop's columns, or the table."
            )
            raise InputError(msg)

    def _assert_closed(self, row: Row, window: Window) -> None:
        table, time = self.database.table, self.database.updated_at
        if row["is_open"]:
            msg = (
                f"The night of {table} should be run when its day has ended, {window.until} UTC. "
                "By the clock of the database it has not: rows that change until then would be "
                "missed. Run again then."
            )
            raise InputError(msg)
        if row["untimed"]:
            msg = (
                f"Every row of {table} should have its {time}, by which nights find what changed. "
                f"Received {row['untimed']} rows without. Give them one."
            )
            raise InputError(msg)

    @property
    def _table(self) -> str:
        return ".".join(map(_name, self.database.table.split(".")))

    def _mapped(self) -> list[str]:
        return source_columns(self.entity.origins.values())

    def _within(self, kinds: Mapping[str, str], window: Window) -> str:
        """The condition of a window, on the bare column: an index on it serves."""
        time = self.database.updated_at

        def compared(sign: str, moment: datetime) -> str:
            zone = "" if kinds[time] == ZONED else f" AT TIME ZONE {_text(self.database.zone)}"
            return f"{_name(time)} {sign} ({_moment(moment)}{zone})"

        until = compared("<", window.until)
        return until if window.since is None else f"{compared('>=', window.since)} AND {until}"


def _name(name: str) -> str:
    """A quoted name, with any characters."""
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment:%Y-%m-%d %H:%M:%S.%f}+00'"


def _bound(end: str, kind: str, rounded: Callable[[Decimal], int]) -> str:
    """One end of the column that divides a reading, as Spark takes it: numbers are whole."""
    return end if kind in TIMES else str(rounded(Decimal(end)))
