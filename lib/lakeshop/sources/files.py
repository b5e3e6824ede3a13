"""Daily drops as raw rows: one row per delivered row, with its file and line, nothing parsed.

A file is read whole by one task (Spark's `binaryFile`) and cut into lines in Python. So every
row gets its line number, which Spark's text source does not know, and a truncated or
unreadable file becomes one row that says so instead of a failed night. Memory: one file,
unpacked, per task; deliver large days as several files.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakeshop.contract import DAY
from lakeshop.shop import Entity

LARGEST_FILE = 2**31  # bytes, unpacked; a bomb stops here
ROWS_PER_BATCH = 50_000
RAW_ROW = T.StructType(
    [
        T.StructField(DAY, T.DateType()),
        T.StructField("source_file", T.StringType()),
        T.StructField("source_line", T.LongType()),
        T.StructField("raw", T.StringType()),
        T.StructField("header", T.StringType()),
        T.StructField("fault", T.StringType()),
    ]
)


@dataclass(frozen=True)
class Drop:
    """One delivered file. `day` is None for a first delivery of history."""

    day: date | None
    name: str
    uri: str
    size: int
    modified: int

    @property
    def fingerprint(self) -> str:
        """Changes when the file is delivered again."""
        return f"{self.name}:{self.size}:{self.modified}"


@dataclass(frozen=True)
class Line:
    """One delivered row; line 0 with a fault stands for a file that cannot be read."""

    number: int
    raw: str | None
    header: str | None = None
    fault: str | None = None


def pattern_of(entity: Entity, day: date | None) -> str:
    """The path pattern, below the landing folder, of a day's drop or of the history's."""
    if day is None:
        return entity.history or ""
    return entity.path.replace("{date}", day.isoformat())


def find_drops(spark: SparkSession, landing: str, entity: Entity, day: date | None) -> list[Drop]:
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
    jvm = spark._jvm
    assert jvm is not None
    root = jvm.org.apache.hadoop.fs.Path(landing)
    files = root.getFileSystem(spark._jsc.hadoopConfiguration())
    base = files.makeQualified(root).toString()
    found = files.globStatus(jvm.org.apache.hadoop.fs.Path(_literal(landing), pattern)) or ()
    drops = [
        Drop(
            day=day,
            name=status.getPath().toString().removeprefix(base).lstrip("/"),
            uri=status.getPath().toString(),
            size=status.getLen(),
            modified=status.getModificationTime(),
        )
        for status in found
        if status.isFile() and not status.getPath().getName().startswith(("_", "."))
    ]
    return sorted(drops, key=lambda drop: drop.name)


def read_drops(spark: SparkSession, drops: list[Drop], entity: Entity) -> DataFrame:
    """Raw rows of the drops: business_date, source_file, source_line, raw, header, fault."""
    if not drops:
        return spark.createDataFrame([], RAW_ROW)
    by_uri = {drop.uri: drop for drop in drops}
    files = spark.read.format("binaryFile").load([_literal(uri) for uri in by_uri])

    def rows(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for uri, content in zip(batch["path"], batch["content"], strict=True):
                yield from _frames(by_uri[uri], content, entity)

    return files.select("path", "content").mapInPandas(rows, RAW_ROW)


def _literal(uri: str) -> str:
    """A path that is not taken for a pattern."""
    return "".join(f"\\{c}" if c in "*?[]{}" else c for c in uri)


def _frames(drop: Drop, content: bytes, entity: Entity) -> Iterator[pd.DataFrame]:
    lines = lines_of(content, drop.name, entity)
    for start in range(0, len(lines), ROWS_PER_BATCH):
        chunk = lines[start : start + ROWS_PER_BATCH]
        yield pd.DataFrame(
            {
                DAY: drop.day,
                "source_file": drop.name,
                "source_line": [line.number for line in chunk],
                "raw": [line.raw for line in chunk],
                "header": [line.header for line in chunk],
                "fault": [line.fault for line in chunk],
            }
        )


def lines_of(content: bytes, name: str, entity: Entity) -> list[Line]:
    """The rows of one delivered file.

    Blank lines are no rows. A line that is not UTF-8 keeps its bytes in hex and a fault.

    Args:
        content: the file's bytes.
        name: the file's name; `.gz` means gzipped.
        entity: format, and the header of a CSV that has none of its own.
    """
    try:
        unpacked = _unpacked(content) if name.endswith(".gz") else content
        if entity.format == "parquet":
            return _parquet_lines(unpacked)
    except (OSError, EOFError, zlib.error, ValueError, pa.ArrowException) as error:
        kind = "readable Parquet" if entity.format == "parquet" else "a whole gzip file"
        return [Line(0, None, None, f"file should be {kind}, received: {error}")]
    lines = [_text_line(number, text) for number, text in enumerate(unpacked.split(b"\n"), 1)]
    rows = [line for line in lines if line.raw and line.raw.strip()]
    return _with_header(rows, entity) if entity.format == "csv" else rows


def _unpacked(content: bytes) -> bytes:
    if not content:
        msg = "no bytes"
        raise EOFError(msg)
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
        unpacked = packed.read(LARGEST_FILE + 1)
    if len(unpacked) > LARGEST_FILE:
        msg = f"more than {LARGEST_FILE} bytes unpacked"
        raise ValueError(msg)
    return unpacked


def _text_line(number: int, text: bytes) -> Line:
    text = text.removesuffix(b"\r")
    if number == 1:
        text = text.removeprefix(b"\xef\xbb\xbf")
    try:
        return Line(number, text.decode("utf-8"))
    except UnicodeDecodeError:
        fault = "line should be UTF-8, received other bytes"
        return Line(number, text.decode("utf-8", errors="backslashreplace"), None, fault)


def _with_header(rows: list[Line], entity: Entity) -> list[Line]:
    if entity.header is not None:
        header: str | None = _csv_text(entity.header, entity.separator)
    else:
        header, rows = (rows[0].raw, rows[1:]) if rows else (None, [])
    return [Line(row.number, row.raw, header, row.fault) for row in rows]


def _csv_text(fields: tuple[str, ...], separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(fields)
    return text.getvalue()


def _parquet_lines(content: bytes) -> list[Line]:
    rows: list[Mapping[str, object]] = pq.read_table(pa.BufferReader(content)).to_pylist()
    return [
        Line(number, json.dumps(row, default=str, ensure_ascii=False))
        for number, row in enumerate(rows, 1)
    ]
