"""The report of `make chaos`: what was tried, how often, what was lost, how long recovery took.

A test says what it tried through the fixture `chaos_report`, as often as it likes, best once it
has looked at what is left; lines of the same kind are added up:

    @pytest.mark.chaos
    def test_a_full_disk_publishes_nothing(chaos_report):
        ...
        chaos_report("night on a full disk", lost=missing_rows, recovery_seconds=seconds)
        assert missing_rows == 0

`python -m chaos.report` writes build/chaos.json, build/chaos.md and, where every test passed and
nothing was left out that the page tells of, the table of docs/survival.md.
"""

import argparse
import json
import os
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

HOME = Path(__file__).resolve().parents[2]
RECORDS = HOME / "build" / "chaos.jsonl"
PAGE = HOME / "docs" / "survival.md"
LEAST_KILLED = 50  # nights, at points that differ
BEGIN, END = "<!-- written by make chaos -->", "<!-- end -->"


class Report(Protocol):
    """What the fixture hands to a test."""

    def __call__(
        self,
        kind: str,
        *,
        tried: int = 1,
        lost: int = 0,
        recovery_seconds: float | Sequence[float] = (),
    ) -> None:
        """Note what was tried.

        Args:
            kind: what was done to the night, in words: a row of the table.
            tried: how often.
            lost: rows, tables or days that were lost or doubled.
            recovery_seconds: of each run that mended it, where one was needed.
        """


@pytest.fixture
def chaos_report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Notes what a test tried; outside `make chaos` nobody reads the notes."""
    notes: list[dict[str, object]] = []

    def note(
        kind: str,
        *,
        tried: int = 1,
        lost: int = 0,
        recovery_seconds: float | Sequence[float] = (),
    ) -> None:
        single = isinstance(recovery_seconds, int | float)
        seconds = [recovery_seconds] if single else list(recovery_seconds)
        test = request.node.nodeid
        notes.append(
            {"kind": kind, "test": test, "tried": tried, "lost": lost, "recovery_seconds": seconds}
        )

    yield note
    RECORDS.parent.mkdir(exist_ok=True)
    # Appended whole: tests run in two processes.
    with RECORDS.open("a", encoding="utf-8") as records:
        records.write("".join(f"{json.dumps(note)}\n" for note in notes))


def added_up(notes: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    """One row a kind, in the order of their names."""
    rows = []
    for kind in sorted({note["kind"] for note in notes}):
        of_kind = [note for note in notes if note["kind"] == kind]
        seconds = sorted(s for note in of_kind for s in note["recovery_seconds"])
        median = round(statistics.median(seconds), 1) if seconds else None
        rows.append(
            {
                "kind": kind,
                "tried": sum(note["tried"] for note in of_kind),
                "lost": sum(note["lost"] for note in of_kind),
                "recovery_seconds_median": median,
                "recovery_seconds_max": round(seconds[-1], 1) if seconds else None,
                "tests": sorted({note["test"] for note in of_kind}),
            }
        )
    return rows


def as_markdown(rows: Sequence[Mapping[str, object]], day: str) -> str:
    """The table a person reads."""
    lines = [
        f"As of {day}, {os.cpu_count()} cores:",
        "",
        "| what was done | tries | lost or doubled | recovery, median s | longest s |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        median, longest = (
            "-" if row[key] is None else row[key]
            for key in ("recovery_seconds_median", "recovery_seconds_max")
        )
        lines.append(f"| {row['kind']} | {row['tried']} | {row['lost']} | {median} | {longest} |")
    return "\n".join(lines)


def left_out(rows: Sequence[Mapping[str, Any]], page: str) -> list[str]:
    """What the page tells of and was not tried, as where a test was skipped; too few kills."""
    tried = {row["kind"] for row in rows}
    kinds = re.findall(r"^\| ([^|]+) \| \d", page.partition(BEGIN)[2], re.MULTILINE)
    missing = [f"not tried: {kind}" for kind in kinds if kind not in tried]
    killed = sum(row["tried"] for row in rows if "night killed" in row["kind"])
    enough = killed >= LEAST_KILLED
    return missing + [f"nights killed: {killed}, should be {LEAST_KILLED} or more"] * (not enough)


def main(arguments: Sequence[str]) -> int:
    """Write the report; the exit code of the tests is handed on."""
    parser = argparse.ArgumentParser(prog="python -m chaos.report", description=__doc__)
    parser.add_argument("--exit", type=int, default=0, help="the exit code of the tests")
    parser.add_argument("--part", action="store_true", help="one kind ran: others may be missing")
    given = parser.parse_args(arguments)
    failed = given.exit
    text = RECORDS.read_text(encoding="utf-8") if RECORDS.exists() else ""
    notes = [json.loads(line) for line in text.splitlines()]
    rows = added_up(notes)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    table = as_markdown(rows, day)
    document = {"day": day, "exit_code": failed, "tried": rows, "notes": notes}
    RECORDS.with_suffix(".json").write_text(f"{json.dumps(document, indent=2)}\n")
    RECORDS.with_suffix(".md").write_text(f"{table}\n")
    sys.stdout.write(f"{table}\n")
    if failed or any(row["lost"] for row in rows):
        sys.stdout.write("FAILED: docs/survival.md stays as it was.\n")
        return failed or 1
    page = PAGE.read_text(encoding="utf-8")
    if missing := left_out(rows, page):
        sys.stdout.write("\n".join([*missing, "docs/survival.md stays as it was.\n"]))
        return 0 if given.part else 1
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
