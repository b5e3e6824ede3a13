"""What a person sees of a run, on a terminal and elsewhere, and what a machine reads."""

import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from datetime import UTC, date, datetime

import pytest

from lakeshop.engine.console import JSON, Console, writing_records
from lakeshop.engine.progress import Progress
from lakeshop.events import STAGE, SUMMARY, event
from lakeshop.storage.run_log import LOG, Counts, Entry, Journal

DAY = date(2026, 4, 30)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def written(request):
    """A stream that a console writes the records of `lakeshop` to."""
    stream = io.StringIO()
    handler = Console(stream, getattr(request, "param", "text"))
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    yield stream, handler
    LOG.removeHandler(handler)
    LOG.setLevel(level)


def lines(stream):
    return stream.getvalue().splitlines()


def entry(table="silver.transactions", accepted=3640, counts=None, first=DAY):
    counts = counts or Counts(accepted)
    return Entry(table, first, DAY, "r", 4, ("bronze.transactions@3",), accepted, counts)


def recorded(*entries, asked=()):
    journal = Journal("nightly", "settings", asked=frozenset(asked))
    for one in entries:
        journal.record(one, 4.06, datetime(2026, 5, 1, tzinfo=UTC))
    return journal


# -- text ------------------------------------------------------------------------------------------


def test_tables_are_lines_in_columns(written):
    week = date(2026, 4, 24)
    recorded(
        entry(counts=Counts(3655, quarantined=12, duplicates=3)),
        entry("gold.recommendations", 1_234_567, first=week),
    )
    assert lines(written[0]) == [
        "  silver.transactions         2026-04-30                      3,640 rows      4.1 s"
        "   12 quarantined, 3 duplicates",
        "  gold.recommendations        2026-04-24 to 2026-04-30    1,234,567 rows      4.1 s",
    ]


def test_a_table_without_rows_is_told_of_if_somebody_asked_for_it(written):
    asked, other = entry("bronze.transactions", 0), entry("bronze.promotions", 0)
    all_bad = entry("silver.stock", 0, Counts(2, quarantined=2))
    journal = recorded(asked, other, all_bad, asked=["bronze.transactions"])
    assert [line.split()[0] for line in lines(written[0])] == [asked.table, all_bad.table]
    assert [row["table_name"] for row in journal._rows] == [asked.table, other.table, all_bad.table]


def test_warnings_come_whole_at_the_end_before_the_summary(written):
    stream, handler = written
    recorded(entry(counts=Counts(3640, warnings=("new columns: colour; map them", "late: 2 rows"))))
    LOG.warning("the lease is not renewed: %s", "no room")
    assert len(lines(stream)) == 1
    LOG.info("All done", extra=event(SUMMARY))
    LOG.warning("%s failed", "metrics")
    handler.end()
    assert lines(stream)[1:] == [
        *("", "Warnings"),
        "  silver.transactions of 2026-04-30: new columns: colour; map them",
        "  silver.transactions of 2026-04-30: late: 2 rows",
        "  the lease is not renewed: no room",
        "All done",
        *("", "Warnings", "  metrics failed"),
    ]


def test_warnings_are_told_before_the_error_that_ends_a_run(written):
    LOG.warning("first this")
    LOG.error("then that")
    assert lines(written[0])[-2:] == ["  first this", "then that"]


def test_rows_of_files_cannot_move_a_cursor(written):
    LOG.warning("new columns: \x1b[2J\rcolour\x07\x9b1m")
    written[1].end()
    assert CONTROL.findall(written[0].getvalue()) == []
    assert "colour" in written[0].getvalue()


# -- progress --------------------------------------------------------------------------------------


def done(progress, *tables):
    for table in tables:
        with progress.doing(table):
            pass


def test_a_stage_is_a_line_once_its_last_table_is_done(written):
    progress = Progress()
    progress.expect(["bronze.a", "bronze.b", "silver.a", "gold.a"])
    done(progress, "bronze.a")
    assert lines(written[0]) == []
    done(progress, "bronze.b")
    progress.end("bronze")
    progress.end("silver")
    with pytest.raises(KeyError), progress.doing("gold.a"):
        raise KeyError
    assert len(lines(written[0])) == 3, "it ended, if not well"
    done(progress, "gold.a", "ops.x")
    assert [line.split() for line in lines(written[0])] == [
        [stage, f"{number}", "of", f"{of}", "tables", "0", "s"]
        for stage, number, of in (
            ("bronze", 2, 4),
            ("silver", 3, 4),
            ("gold", 3, 4),
            ("gold", 4, 4),
            ("ops", 5, 5),
        )
    ]


def test_a_table_that_failed_is_not_counted_as_done(written):
    progress = Progress()
    progress.expect(["bronze.a", "bronze.b", "bronze.c", "gold.a"])
    with progress.doing("bronze.a"):
        progress.fail("bronze.a")  # the run goes on
    progress.fail("bronze.b")  # before it has begun
    progress.end("bronze")
    done(progress, "gold.a")
    assert [line.split()[:4] for line in lines(written[0])] == [
        ["bronze", "1", "of", "4"],
        ["gold", "2", "of", "4"],
    ]


def test_a_stage_that_is_made_again_is_told_again(written):
    progress = Progress()
    done(progress, "silver.a", "silver.a")
    assert len(lines(written[0])) == 2


def test_the_line_names_what_is_at_work():
    progress = Progress()
    progress.expect(["bronze.a", "bronze.b"])
    assert progress.line() == ""
    with progress.doing("bronze.a"), progress.doing("bronze.b"):
        assert progress.line().split() == [
            "bronze",
            "0",
            "of",
            "2",
            "tables",
            "0",
            "s",
            "bronze.a,",
            "bronze.b",
        ]
    assert progress.line() == ""


def test_many_threads_count_and_draw_at_once(written):
    """None waits for a lock that another holds while that waits for its own."""
    _, handler = written
    handler._terminal = -1
    progress = Progress(handler.draw)
    handler.count_by(progress.line)
    names = [[f"silver.{n}_{k}" for k in range(40)] for n in range(4)]
    threads = [threading.Thread(target=done, args=(progress, *some), daemon=True) for some in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


# -- a terminal ------------------------------------------------------------------------------------

SCRIPT = """
import logging, time
from lakeshop.engine import console
from lakeshop.storage.run_log import LOG
from lakeshop.engine.progress import Progress
console.TICK = 0.05
LOG.setLevel(logging.INFO)
with console.writing_records("text") as told:
    progress = Progress(told.draw)
    told.count_by(progress.line)
    progress.expect(["bronze.a", "bronze.b"])
    with progress.doing("bronze.a"):
        LOG.info("  one line")
        time.sleep(1.2)
    with progress.doing("bronze.b"):
        LOG.warning("look here")
"""


def shown(text):
    """What stays on a screen on which each line is drawn over."""
    screen = [line.rpartition("\r\x1b[K")[2].rstrip("\r") for line in text.split("\n")]
    return [line.rstrip() for line in screen]


def test_on_a_terminal_the_counter_moves_in_place():
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # its end, as Linux tells it
        pass
    finally:
        os.close(ours)
    assert process.wait(30) == 0
    moved = text.decode()
    assert "bronze        0 of 2 tables             1 s   bronze.a" in moved
    assert "bronze        1 of 2 tables             1 s   bronze.b" in moved
    assert [line.split() for line in shown(moved)] == [
        ["one", "line"],
        ["bronze", "2", "of", "2", "tables", "1", "s"],
        *([], ["Warnings"], ["look", "here"], []),
    ]


def test_elsewhere_are_no_control_characters():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert CONTROL.findall(done.stdout) == []
    assert len(done.stdout.splitlines()) == 5


def test_a_counter_is_no_longer_than_the_terminal_is_wide():
    stream = io.StringIO()
    handler = Console(stream, terminal=-1)
    handler.count_by(lambda: "x" * 1000)
    handler.draw()
    assert 0 < stream.getvalue().count("x") < 1000


# -- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [JSON], indirect=True)
def test_each_record_is_an_object_on_a_line(written):
    progress = Progress()
    done(progress, "silver.transactions")
    recorded(
        entry(counts=Counts(3656, quarantined=12, duplicates=3, warnings=("late:\n2 rows",))),
        entry("gold.reorder_plan", 0),
    )
    LOG.info("")
    LOG.info("for the eye\x1b[2J", extra=event(SUMMARY, seconds=1.5))
    try:
        {}["x"]
    except KeyError:
        LOG.exception("it\nfailed")
    objects = [json.loads(line) for line in lines(written[0])]
    assert CONTROL.findall(written[0].getvalue()) == []
    assert [one["event"] for one in objects] == [STAGE, "table", "warning", SUMMARY, "error"]
    for one in objects:
        assert datetime.fromisoformat(one["time"]).tzinfo is not None
    stage, table, warning, summary, error = objects
    assert (stage["stage"], stage["done"], stage["tables"]) == ("silver", 1, 1)
    figures = {"rows_in": 3656, "accepted": 3640, "quarantined": 12, "duplicates": 3}
    days = {"table": "silver.transactions", "first_date": f"{DAY}", "last_date": f"{DAY}"}
    assert figures.items() | days.items() <= table.items()
    assert table["seconds"] == 4.06
    assert warning["level"] == "WARNING"
    assert days.items() <= warning.items()
    assert warning["message"] == "silver.transactions of 2026-04-30: late:\n2 rows"
    assert summary["seconds"] == 1.5
    assert (error["level"], error["message"]) == ("ERROR", "it\nfailed")
    assert "KeyError" in error["trace"]


# -- a process -------------------------------------------------------------------------------------


def test_a_process_is_left_as_it_was(capsys):
    before = list(logging.getLogger().handlers)
    with writing_records("text"):
        logging.getLogger("elsewhere").warning("of a library")
    assert logging.getLogger().handlers == before
    assert capsys.readouterr().out == "\nWarnings\n  of a library\n"


ASKED = """
import sys
from lakeshop.engine.console import _terminal_of
with _terminal_of(sys.stdout) as terminal:
    print(terminal is not None)
"""
# As spark-submit: a parent that reads what its child writes.
PARENT = """
import subprocess, sys
told = subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, check=True).stdout
sys.stderr.write(told.decode())
"""


def test_under_spark_submit_the_standard_output_of_the_parent_counts(monkeypatch):
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    ours, theirs = pty.openpty()
    for stdout, expected in ((theirs, "True"), (subprocess.DEVNULL, "False")):
        command = [sys.executable, "-c", PARENT, ASKED]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=True)
        assert done.stderr.strip() == expected
    os.close(ours)
    os.close(theirs)


def test_what_cannot_be_written_ends_no_run(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(logging, "raiseExceptions", False)
    record = logging.LogRecord("lakeshop", logging.INFO, "", 0, "text", None, None)
    Console(Gone()).handle(record)
