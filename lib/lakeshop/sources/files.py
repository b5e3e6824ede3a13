"""Daily drops as raw rows: one row per delivered row, with its file and line, nothing parsed.

A file is read whole by one task (Spark's `binaryFile`) and cut into lines in Python. Every row
therefore gets its line number, which Spark's text source does not know. A truncated or unreadable
file becomes one row with its fault instead of a failed run. Memory: one file, as it was delivered,
per task; deliver large days as several files.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import reduce
from itertools import islice
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakeshop.config.file_names import FileNames
from lakeshop.config.shop import Entity
from lakeshop.contracts.derived import DELIVERED
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.sources.lines import Limits, lines_of
from lakeshop.sources.records import RawRecord, unreadable
from lakeshop.storage.file_system import escaped, list_files

ROWS_PER_BATCH = 50_000
LETTERS_PER_BATCH = 2**25
LOCAL = "file:"
RAW_ROW = T.StructType(
    [
        T.StructField(BUSINESS_DATE, T.DateType()),
        *(T.StructField(column.name, column.type) for column in DELIVERED),
    ]
)


@dataclass(frozen=True)
class DeliveredFile:
    """One delivered file. `day` is None for a first delivery of history."""

    day: date | None
    name: str
    uri: str
    size: int
    modified: int
    is_folder: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the file is delivered again."""
        return f"{self.name}:{self.size}:{self.modified}"


def pattern_of(entity: Entity, day: date | None) -> str:
    """The path pattern, below the landing folder, of a day's drop or of the history's."""
    path = entity.history if day is None else entity.path
    return FileNames(path).glob(day) if path else ""


def find_drops(
    spark: SparkSession, landing: str, entity: Entity, day: date | None
) -> list[DeliveredFile]:
    """The files of one entity for one day, by name; on any file system that Spark reads.

    A name that begins with `_` or a dot is no drop, as everywhere in Spark.

    Args:
        spark: the session, for its file systems.
        landing: the folder that the shop delivers to.
        entity: how the entity is delivered.
        day: the business date; None for the first delivery of history.
    """
    pattern = pattern_of(entity, day)
    if not pattern:
        return []
    found = list_files(spark, landing, pattern)
    names = entity.names[0 if day else -1]
    named = re.compile(names.expression(day)) if names.columns else None
    drops = [
        DeliveredFile(day, **vars(status))
        for status in found
        if named is None or named.fullmatch(status.name)
    ]
    return sorted(drops, key=lambda drop: drop.name)


def find_days(
    spark: SparkSession, landing: str, entity: Entity, days: Collection[date]
) -> dict[date, list[DeliveredFile]]:
    """The files of one entity by day, of the days that have any; each folder is listed once.

    Args:
        spark: the session, for its file systems.
        landing: the folder that the shop delivers to.
        entity: how the entity is delivered.
        days: the business dates.
    """
    if not days or not entity.path:
        return {}
    names = FileNames(entity.path)
    found = list_files(spark, landing, names.glob(*sorted(days)))
    by_day: dict[date, list[DeliveredFile]] = {}
    for day in sorted(days):
        named = re.compile(names.expression(day))
        drops = [DeliveredFile(day, **vars(each)) for each in found if named.fullmatch(each.name)]
        if drops:
            by_day[day] = sorted(drops, key=lambda drop: drop.name)
    return by_day


def read_drops(
    spark: SparkSession, drops: list[DeliveredFile], entity: Entity, limits: Limits
) -> DataFrame:
    """Raw rows of the drops: business_date, source_file, source_line, raw, header, fault."""
    faults = {drop: fault for drop in drops if (fault := _fault(drop, limits))}
    by_uri = {drop.uri: drop for drop in drops if drop not in faults}
    refused = [(d.day, d.name, 0, None, None, unreadable(f).fault) for d, f in faults.items()]
    rows = spark.createDataFrame(refused, RAW_ROW)
    if not by_uri:
        return rows

    def read(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for uri, content in zip(batch["path"], batch["content"], strict=True):
                whole = Path(uri.removeprefix(LOCAL)).read_bytes() if content is None else content
                yield from _frames(by_uri[uri], whole, entity, limits)

    read_rows = _contents(spark, list(by_uri)).mapInPandas(read, RAW_ROW)
    return read_rows.unionByName(rows) if refused else read_rows


def _contents(spark: SparkSession, uris: list[str]) -> DataFrame:
    """Address and content of the files; NULL where only Python can open a file.

    Hadoop's local file system reads none with a colon in its name.
    """
    odd = [uri for uri in uris if uri.startswith(LOCAL) and ":" in uri.removeprefix(LOCAL)]
    parts = []
    if len(odd) < len(uris):
        found = spark.read.format("binaryFile").load([escaped(u) for u in uris if u not in odd])
        parts.append(found.select("path", "content"))
    if odd:
        one_each = spark.createDataFrame(
            [(uri, None) for uri in odd], "path STRING, content BINARY"
        )
        parts.append(one_each.repartition(len(odd)))
    return reduce(DataFrame.unionByName, parts)


def _fault(drop: DeliveredFile, limits: Limits) -> str | None:
    """Why a drop is not even opened."""
    if drop.is_folder:
        return "a file, received a folder; name its files by the entity's path, such as {date}/*"
    if drop.size > limits.delivered:
        return (
            f"at most {limits.delivered} bytes, received {drop.size}; deliver it in several files, "
            "or raise quality.largest_file_mib and the memory of Spark's processes"
        )
    return None


def _frames(
    drop: DeliveredFile, content: bytes, entity: Entity, limits: Limits
) -> Iterator[pd.DataFrame]:
    """The rows of a drop, as many at a time as are small together."""
    if len(content) != drop.size:
        was = f"as it was listed, {drop.size} bytes, received {len(content)}: run again"
        yield _frame(drop, [unreadable(was)])
        return
    lines: list[RawRecord] = []
    held = 0
    for line in islice(lines_of(content, drop.name, entity, limits), limits.rows):
        lines.append(line)
        held += len(line.raw or "")
        if len(lines) == ROWS_PER_BATCH or held > LETTERS_PER_BATCH:
            yield _frame(drop, lines)
            lines, held = [], 0
    if lines:
        yield _frame(drop, lines)


def _frame(drop: DeliveredFile, lines: list[RawRecord]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            BUSINESS_DATE: drop.day,
            "source_file": drop.name,
            "source_line": [line.number for line in lines],
            "raw": [line.raw for line in lines],
            "header": [line.header for line in lines],
            "fault": [line.fault for line in lines],
        }
    )
