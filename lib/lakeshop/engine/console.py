"""Output of a run's records: text for a person, or one JSON object a line for a machine.

Of text, warnings are kept until the end, where they are read. On a terminal a counter stands below
the lines and moves in place; elsewhere no control character is written.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, RLock, Thread
from typing import NoReturn, TextIO

from lakeshop.events import ERROR, NOTE, ROUND, SUMMARY, WARNING, event

TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)
TICK = 1.0  # seconds between two moves of the counter
ERASE = "\r\x1b[K"
# What would move a terminal's cursor, or worse, when a file's name is repeated in a warning.
UNPRINTABLE = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}"
)
KINDS = {logging.WARNING: WARNING, logging.ERROR: ERROR, logging.CRITICAL: ERROR}


def as_text(record: logging.LogRecord) -> str:
    """A record as a person reads it."""
    return record.getMessage().translate(UNPRINTABLE)


def as_json(record: logging.LogRecord) -> str:
    """A record as one object on one line: time, level, event, message and its figures."""
    described = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "event": getattr(record, "event", KINDS.get(record.levelno, NOTE)),
        "message": record.getMessage(),
    }
    if record.exc_info:
        described["trace"] = logging.Formatter().formatException(record.exc_info)
    return json.dumps(described | getattr(record, "fields", {}), default=str)


class Console(logging.Handler):
    """Writes records to a stream.

    Args:
        stream: where to.
        log_format: `text` or `json`.
        terminal: number of the terminal's file that the stream ends in, where it ends in one.
    """

    def __init__(self, stream: TextIO, log_format: str = TEXT, terminal: int | None = None) -> None:
        super().__init__()
        self._stream, self._is_json = stream, log_format == JSON
        self._terminal = None if self._is_json else terminal
        self._counter: Callable[[], str] = str
        self._drawn = ""
        self._warnings: list[str] = []
        self._writing = RLock()

    def count_by(self, counter: Callable[[], str]) -> None:
        """Keep what it returns below all lines, where there is a terminal."""
        self._counter = counter

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or keep it until the end."""
        try:
            with self._writing:
                if self._is_json:
                    self._write_object(record)
                else:
                    self._write_text(record)
        except Exception:  # what cannot be written must not end a night
            self.handleError(record)

    def draw(self) -> None:
        """Move the counter."""
        if self._terminal is None:
            return
        with self._writing:
            drawn = self._counter()[: _columns(self._terminal) - 1]
            if drawn != self._drawn:
                self._write(f"{ERASE}{drawn}")
                self._drawn = drawn

    def write_warnings(self) -> None:
        """Write the warnings so far, whole."""
        with self._writing:
            warnings, self._warnings = self._warnings, []
            if warnings:
                lines = "".join(f"  {text}\n" for text in dict.fromkeys(warnings))
                self._write_lines(f"\nWarnings\n{lines}")

    def _write_object(self, record: logging.LogRecord) -> None:
        if record.getMessage():  # blank lines are for the eye
            self._write(f"{as_json(record)}\n")

    def _write_text(self, record: logging.LogRecord) -> None:
        kind = getattr(record, "event", None)
        if kind == ROUND:
            return
        if record.levelno == logging.WARNING:
            self._warnings.append(as_text(record))
            return
        if kind == SUMMARY or record.levelno > logging.WARNING:
            self.write_warnings()
        self._write_lines(f"{as_text(record)}\n")

    def _write_lines(self, text: str) -> None:
        """Lines in the counter's place, and the counter below them."""
        self._write(f"{ERASE}{text}" if self._drawn else text)
        self._drawn = ""
        self.draw()

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def end(self) -> None:
        """Write what was kept, and leave the cursor at the begin of a line."""
        with self._writing:
            self._counter = str
            self.draw()
            self.write_warnings()


def _columns(terminal: int) -> int:
    """Return the width of a terminal in letters, as far as it knows."""
    with suppress(OSError):
        if columns := os.get_terminal_size(terminal).columns:
            return columns
    return 80


@contextmanager
def writing_records(log_format: str) -> Iterator[Console]:
    """Write all records to standard output while this lasts."""
    root, warnings = logging.getLogger(), logging.getLogger("py.warnings")
    level = warnings.level
    with _terminal_of(sys.stdout) as terminal:
        console = Console(sys.stdout, log_format, terminal)
        ended = Event()
        ticker = Thread(target=_tick, args=(console, ended), name="counter", daemon=True)
        root.addHandler(console)
        if not sys.warnoptions:  # those of libraries are for who programs with them
            warnings.setLevel(logging.ERROR)
        logging.captureWarnings(True)
        if terminal is not None:
            ticker.start()
        try:
            yield console
        finally:
            ended.set()
            if ticker.ident:
                ticker.join()
            logging.captureWarnings(False)
            warnings.setLevel(level)
            root.removeHandler(console)
            console.end()


def _tick(console: Console, ended: Event) -> None:
    while not ended.wait(TICK):
        console.draw()


@contextmanager
def _terminal_of(stream: TextIO) -> Iterator[int | None]:
    """The terminal that a stream ends in.

    What a driver writes goes through a pipe to the JVM that spark-submit has started, and is
    written there: so that one's standard output counts.
    """
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        yield stream.fileno() if stream.isatty() else None
        return
    number = None
    with suppress(OSError):
        number = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield number if number is not None and os.isatty(number) else None
    finally:
        if number is not None:
            os.close(number)


def log_format(argv: Sequence[str] | None) -> str:
    """Return the format that is asked for, also where other arguments are wrong."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--log-format", nargs="?")
    return JSON if parser.parse_known_args(argv)[0].log_format == JSON else TEXT


class Arguments(argparse.ArgumentParser):
    """Arguments whose errors are objects too, where a machine reads the output."""

    is_for_machines = False

    def error(self, message: str) -> NoReturn:
        """Explain what is wrong, and end with 2."""
        if not self.is_for_machines:
            super().error(message)
        text, figures = f"{self.prog}: error: {message}", event(ERROR, exit_code=2)
        logging.getLogger("lakeshop").error("%s", text, extra=figures)
        raise SystemExit(2)
