"""Rows of a delivered file, under a memory bound; an unreadable file is one row.

A file is scanned before its first row is given. A file that is broken at its end, or that unpacks
to more than is allowed, gives only one row with the fault. A batch of rows is held at a time.
Neither a large file nor a bomb (a small file that unpacks to a huge one) then needs more memory
than the file as delivered.
"""

import gzip
import io
import json
import math
import resource
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from lakeshop.config.settings import Quality
from lakeshop.config.shop import Entity
from lakeshop.sources.records import PIECE, RawRecord, records, unreadable


@contextmanager
def memory_bound(more: int) -> Iterator[None]:
    """Limit the process to `more` bytes of memory beside its current use, on Linux.

    Larger allocations raise a MemoryError, where the system would otherwise kill some process.
    Other systems have no bound.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    wanted = pages * resource.getpagesize() + more
    bounds = [bound for bound in (soft, hard, wanted) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


PARQUET_BATCH = 1024
MEMORY = 2**31  # that a Parquet file may take, all its pages unpacked
UNKNOWN_VALUE = (ValueError, OverflowError, TypeError, pa.ArrowException)
GZIP = b"\x1f\x8b"
BROKEN = (OSError, EOFError, zlib.error, ValueError, pa.ArrowException, MemoryError)


@dataclass(frozen=True)
class Limits:
    """Largest size of files in bytes: as delivered, and unpacked; and first rows that are read."""

    delivered: int
    unpacked: int
    rows: int | None = None

    @classmethod
    def of(cls, quality: Quality, rows: int | None = None) -> "Limits":
        """Limits as the configuration has them, for the first so many rows of each file."""
        mib = 2**20
        return cls(quality.largest_file_mib * mib, quality.largest_unpacked_mib * mib, rows)


def lines_of(content: bytes, name: str, entity: Entity, limits: Limits) -> Iterator[RawRecord]:
    """The rows of one delivered file.

    Args:
        content: the file's bytes.
        name: the file's name; `.gz` means gzipped.
        entity: its format, and how its texts are written.
        limits: how large it may be.
    """
    kind = "a whole gzip file"
    packed = name.endswith(".gz")
    if not packed and content.startswith(GZIP):
        yield unreadable("named .gz where it is gzipped, received a gzip file of another name")
        return
    try:
        if packed:
            _assert_whole(content, limits)
        if entity.format == "parquet":
            kind = "readable Parquet"
            yield from _parquet_lines(_opened(content).read() if packed else content, limits)
            return
    except BROKEN as error:
        yield unreadable(f"{kind}, received: {_in_one_line(error)}")
        return
    with _opened(content) if packed else io.BytesIO(content) as text:
        yield from records(text, entity)


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__


def _opened(content: bytes) -> BinaryIO:
    return io.BufferedReader(gzip.GzipFile(fileobj=io.BytesIO(content)), PIECE)


def _assert_whole(content: bytes, limits: Limits) -> None:
    if not content:
        msg = "no bytes"
        raise EOFError(msg)
    unpacked = 0
    with _opened(content) as stream:
        while piece := stream.read(PIECE):
            unpacked += len(piece)
            _assert_small(unpacked, limits)


def _assert_small(unpacked: int, limits: Limits) -> None:
    if unpacked > limits.unpacked:
        msg = (
            f"more than {limits.unpacked} bytes unpacked; deliver it in several files, or raise "
            "quality.largest_unpacked_mib"
        )
        raise ValueError(msg)


def _parquet_lines(content: bytes, limits: Limits) -> Iterator[RawRecord]:
    with memory_bound(MEMORY):
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        _assert_parquet(file, limits)
        number = 0
        for batch in file.iter_batches(PARQUET_BATCH, use_threads=False):
            for row, fault in _values(batch):
                number += 1
                yield RawRecord(number, row, None, fault)


def _values(batch: pa.RecordBatch) -> Iterator[tuple[str | None, str | None]]:
    """The rows as JSON; a row with a value that Python knows none for gives a fault."""
    try:
        yield from [(_json(row), None) for row in batch.to_pylist()]
    except UNKNOWN_VALUE as error:
        if len(batch) == 1:
            yield None, f"row should have values that can be read, received: {_in_one_line(error)}"
            return
        for place in range(len(batch)):
            yield from _values(batch.slice(place, 1))


def _json(row: dict[str, object]) -> str:
    try:
        return json.dumps(row, default=_as_text, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has no NaN; as a text it is validated by its column
        return json.dumps(_finite(row), default=_as_text, ensure_ascii=False, allow_nan=False)


def _finite(value: object) -> object:
    """A value, with texts for floats within that JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _as_text(value: object) -> str:
    """A value that JSON has none for; texts are stored as bytes by some writers."""
    return (
        value.decode("utf-8", errors="backslashreplace") if isinstance(value, bytes) else str(value)
    )


def _assert_parquet(file: pq.ParquetFile, limits: Limits) -> None:
    """Read the whole file, after a check of its claimed number of rows."""
    names = file.schema_arrow.names
    if len(set(names)) < len(names):
        msg = "a column's name twice"
        raise ValueError(msg)
    least = sum(len(name) + len('"": 0, ') for name in names)  # a row's text, whatever its values
    _assert_small(file.metadata.num_rows * least, limits)
    unpacked = 0
    for batch in file.iter_batches(PARQUET_BATCH, use_threads=False):
        unpacked += batch.nbytes
        _assert_small(unpacked, limits)
