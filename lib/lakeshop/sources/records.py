"""Records of a text file: its encoding, the ends of its lines, and quotes that go over lines.

A byte order mark is certain; without one the entity's `encoding` counts. Lines end with LF or CRLF;
in a file with more CRs alone than LFs they end with CR too. A CSV's record goes on over lines, with
LF between them, while its quotes are open. Where no quote closes it, or not so that it has as many
fields as the header, its first line alone is a broken record, and reading goes on behind that: one
wrong quote takes no other rows.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple, TypedDict

from lakeshop.config.shop import Entity

LONGEST_LINE = 2**25  # bytes; Spark's parsers take no texts above 20 million letters
LONGEST_RECORD = 2**20  # letters, where it goes over lines
MOST_LINES = 1000  # of a record
START_KEPT = 10_000  # of a line that is longer
PIECE = 2**20
UTF_8 = "utf-8"
_MARKS = (  # the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNCLOSED = (
    "line should close its quotes, and double them within a text; name other signs under the "
    "entity's `quote` and `escape`"
)

MIXED = "text whose lines end alike, received a header in which CR and LF are mixed"
HEADER_AGAIN = "line should be a row, repeats the header"
_SEPARATOR_LINE = re.compile(r'"?sep=.?"?', re.IGNORECASE)  # a spreadsheet's, before the header


class RawRecord(NamedTuple):
    """One delivered row; line 0 with a fault stands for a file that cannot be read."""

    number: int
    raw: str | None
    header: str | None = None
    fault: str | None = None


def unreadable(fault: str) -> RawRecord:
    """The row that stands for a file."""
    return RawRecord(0, None, None, f"file should be {fault}")


def records(stream: BinaryIO, entity: Entity) -> Iterator[RawRecord]:
    """The records of a text file; blank lines are none.

    A line that is not of the encoding keeps its bytes as escapes, with a fault.

    Args:
        stream: the file's bytes, from the start.
        entity: its format, encoding, separator and quotes, and its header if it has one.
    """
    start = stream.read(PIECE)
    stream.seek(0)
    encoding = _encoding(start, entity.encoding)
    if encoding is None:
        fault = "UTF-8, received what looks like UTF-16: say `encoding: utf-16-le` or utf-16-be"
        yield unreadable(fault)
        return
    if encoding != UTF_8:
        start = start.decode(encoding, errors="replace").encode()
    alone = start.count(b"\r") - start.count(b"\r\n")
    has_cr_alone = alone > start.count(b"\n")
    if encoding != UTF_8 or has_cr_alone:
        stream = io.BufferedReader(_Decoded(stream, encoding, has_cr_alone), PIECE)
    lines = _Lines(stream, encoding)
    yield from lines.csv_records(entity) if entity.format == "csv" else lines


def csv_fields(text: str, entity: Entity) -> list[str]:
    """The fields of one record.

    Raises:
        csv.Error: it is none.
    """
    return next(csv.reader([text], **_dialect(entity)))


def csv_text(fields: tuple[str, ...], entity: Entity) -> str:
    """A record of these fields."""
    text = io.StringIO()
    csv.writer(text, lineterminator="", **_dialect(entity)).writerow(fields)
    return text.getvalue()


class _Dialect(TypedDict):
    delimiter: str
    quotechar: str
    escapechar: str | None
    doublequote: bool


def _dialect(entity: Entity) -> _Dialect:
    return {
        "delimiter": entity.separator,
        "quotechar": entity.quote,
        "escapechar": entity.escape,
        "doublequote": entity.escape is None,
    }


def _encoding(start: bytes, named: str) -> str | None:
    """The encoding of a file that starts so; None where it is another than the named one."""
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    if marked or named != UTF_8:
        return marked or named
    halves = start[:64:2], start[1:64:2]
    is_wide = len(start) >= 8 and any(not any(h) and all(o) for h, o in (halves, halves[::-1]))
    return None if is_wide else UTF_8


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Surrogates for bytes that are none of an encoding: UTF-8 has none, and says so of a line."""
    assert isinstance(error, UnicodeDecodeError)
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


def _shown(error: UnicodeError) -> tuple[str, int]:
    """Bytes as escapes, also those that stand as surrogates."""
    assert isinstance(error, UnicodeDecodeError)
    bad = error.object[error.start : error.start + 3]
    try:
        byte = ord(bad.decode(UTF_8, "surrogatepass")) - 0xDC00
        return f"\\x{byte:02x}", error.start + 3
    except (ValueError, TypeError):
        bad = error.object[error.start : error.end]
        return "".join(f"\\x{byte:02x}" for byte in bad), error.end


codecs.register_error("lakeshop.escaped", _escaped)
codecs.register_error("lakeshop.shown", _shown)


class _Decoded(io.RawIOBase):
    """A stream of another encoding as UTF-8; CR becomes LF where it ends the lines."""

    def __init__(self, stream: BinaryIO, encoding: str, has_cr_alone: bool) -> None:
        self._stream = stream
        decoder = codecs.getincrementaldecoder(encoding)("lakeshop.escaped")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=has_cr_alone)
        self._rest = memoryview(b"")
        self._is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest and not self._is_over:
            piece = self._stream.read(PIECE)
            self._is_over = not piece
            text = self._decoder.decode(piece, final=not piece)
            self._rest = memoryview(text.encode(UTF_8, "surrogatepass"))
        number = min(len(buffer), len(self._rest))
        buffer[:number], self._rest = self._rest[:number], self._rest[number:]
        return number


class _Lines:
    """The lines of a stream of UTF-8, with their numbers; some may be given back."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._number = 0
        self._header: str | None = None
        self._given_back: deque[tuple[int, bytes]] = deque()

    def __iter__(self) -> Iterator[RawRecord]:
        """The lines that are not blank."""
        while line := self._next():
            number, text = line
            if not text.isspace():  # a file may hold a billion of them
                record = self._record(number, text)
                if record.raw and record.raw.strip():
                    yield record

    def csv_records(self, entity: Entity) -> Iterator[RawRecord]:
        """The records of a CSV, each with its header."""
        quote = entity.quote
        quoting = _quoting(entity.separator, quote, entity.escape)
        rows = (r for r in self if r.number > 1 or not _SEPARATOR_LINE.fullmatch(r.raw or ""))
        if entity.header is not None:
            self._header = csv_text(entity.header, entity)
            width = len(entity.header)
        else:
            first = next(rows, None)
            if first is None:
                return
            first = self._whole(first, quoting, None)
            if first.fault or quoting.has_cr(first.raw or ""):
                fault = f"readable from its header on: {first.fault}" if first.fault else MIXED
                yield unreadable(fault)
                return
            self._header = first.raw
            width = quoting.width(first.raw or "")
        for line in rows:
            whole = self._whole(line, quoting, width) if quote in (line.raw or "") else line
            is_again = (whole.raw or "").removeprefix("\ufeff") == self._header and not whole.fault
            yield whole._replace(fault=HEADER_AGAIN) if is_again else whole

    def _next(self) -> tuple[int, bytes] | None:
        if self._given_back:
            return self._given_back.popleft()
        text = self._stream.readline(LONGEST_LINE + 1)
        if not text:
            return None
        self._number += 1
        if len(text) > LONGEST_LINE and not text.endswith(b"\n"):
            while (rest := self._stream.readline(PIECE)) and not rest.endswith(b"\n"):
                pass
        return self._number, text

    def _record(self, number: int, text: bytes) -> RawRecord:
        """A line without its end."""
        if len(text) > LONGEST_LINE and not text.endswith(b"\n"):
            start = text[:START_KEPT].decode(UTF_8, errors="backslashreplace")
            fault = f"line should have at most {LONGEST_LINE} bytes, received more"
            return RawRecord(number, start, self._header, fault)
        if number == 1:
            text = text.removeprefix(codecs.BOM_UTF8)
        text = text.removesuffix(b"\n").removesuffix(b"\r")
        try:
            return RawRecord(number, text.decode(UTF_8), self._header)
        except UnicodeDecodeError:
            raw = text.decode(UTF_8, errors="lakeshop.shown")
            return RawRecord(number, raw, self._header, _other_bytes(text, self._encoding))

    def _whole(self, first: RawRecord, quoting: "_Quoting", width: int | None) -> RawRecord:
        """A record with the lines that its quotes hold together, or its first line as broken."""
        assert first.raw is not None
        state = quoting.state(first.raw)
        if state == CLOSED:
            return first
        raw, fault = first.raw, first.fault
        taken: list[tuple[int, bytes]] = []
        while state == OPEN and len(taken) < MOST_LINES and len(raw) < LONGEST_RECORD:
            line = self._next()
            if line is None:
                break
            taken.append(line)
            following = self._record(*line)
            fault = fault or following.fault
            raw += f"\n{following.raw}"
            if quoting.quote in (following.raw or ""):
                state = quoting.state(f"{quoting.quote}{following.raw}")
        if state == CLOSED and width in {None, quoting.width(raw)} and quoting.strict.match(raw):
            return first._replace(raw=raw, fault=fault)
        self._given_back.extendleft(reversed(taken))
        return first._replace(fault=first.fault or UNCLOSED)


def _other_bytes(text: bytes, encoding: str) -> str:
    if encoding != UTF_8:
        return f"line should be {encoding}, received other bytes"
    try:
        text.decode("cp1252")
        likely = "cp1252"
    except UnicodeDecodeError:
        likely = "latin-1"
    return (
        f"line should be UTF-8, received other bytes; where they are {likely}, say so under the "
        "entity's `encoding`"
    )


CLOSED, OPEN, BROKEN = "closed", "open", "broken"


@dataclass(frozen=True)
class _Quoting:
    """Where quotes open and close, as Spark's reader of CSV takes them.

    A field is quoted if a quote is its first sign. Behind a quote that is neither doubled nor the
    end of its field, the field goes on up to the next separator.
    """

    quote: str
    field: re.Pattern[str]  # with the separator behind it
    fields: re.Pattern[str]  # all of a line but the last
    last: re.Pattern[str]  # a quoted field at the end of a line, and what closes it
    strict: re.Pattern[str]  # a record without a wrong quote

    def width(self, record: str) -> int:
        """Number of fields."""
        start = self.fields.match(record)
        assert start is not None
        return len(self.field.findall(record, 0, start.end())) + 1

    def has_cr(self, record: str) -> bool:
        """Return whether a CR stands outside of quotes, but for its end."""
        quote = re.escape(self.quote)
        return "\r" in re.sub(f"{quote}[^{quote}]*{quote}", "", record).rstrip("\r")

    def state(self, line: str) -> str:
        """Whether quotes are open at the end of a line."""
        start = self.fields.match(line)
        assert start is not None
        rest = line[start.end() :]
        if not rest.startswith(self.quote):
            is_odd = rest.lstrip().startswith(self.quote) and rest.count(self.quote) % 2
            return BROKEN if is_odd else CLOSED
        last = self.last.match(rest)
        if last is None:
            return OPEN
        return CLOSED if last[1].rstrip().endswith(self.quote) else BROKEN


@lru_cache
def _quoting(separator: str, quote: str, escape: str | None) -> _Quoting:
    q, s = re.escape(quote), re.escape(separator)
    if escape is None:
        text = f"[^{q}]*(?:{q}{q}[^{q}]*)*"
    else:
        e = re.escape(escape)
        text = f"[^{q}{e}]*(?:{e}.[^{q}{e}]*)*"
    closing = f"{q}(?!{q})" if escape is None else q
    field = f"(?:{q}{text}{closing}[^{s}]*|(?!{q})[^{s}]*){s}"
    right = f"(?:{q}{text}{closing}[ \\t]*|(?!{q})[^{s}]*)"
    strict = f"{right}(?:{s}{right})*\\Z"
    patterns = (field, f"(?:{field})*", f"{q}{text}({closing}.*)", strict)
    return _Quoting(quote, *(re.compile(pattern, re.DOTALL) for pattern in patterns))
