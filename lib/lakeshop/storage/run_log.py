"""The log of a run: one line per table, and the same in `ops.runs`."""

import logging
from dataclasses import dataclass, field
from datetime import date, datetime

from lakeshop.events import TABLE, WARNING, days_of, event, in_words
from lakeshop.storage.lake import Lake

LOG = logging.getLogger("lakeshop")
RUNS = "ops.runs"


@dataclass(frozen=True)
class Counts:
    """Rows that a table received, and what became of them; notes are no warnings.

    Conflicts are rows set aside for another of their key; merged are rows summed into another;
    left out are rows that the shop's `where` leaves out. Reversed are lines that rows correct: each
    adds a row that takes it back, which no shop delivered.
    """

    rows_in: int
    quarantined: int = 0
    duplicates: int = 0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    conflicts: int = 0
    merged: int = 0
    left_out: int = 0
    reversed: int = 0

    @property
    def not_accepted(self) -> dict[str, int]:
        """Rows that are not in the table, by what became of them."""
        return {
            "quarantined": self.quarantined,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "merged": self.merged,
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Entry:
    """Days of one table, written from `inputs` (each with its version)."""

    table: str
    first: date
    last: date
    run_id: str
    version: int
    inputs: tuple[str, ...]
    accepted: int
    counts: Counts
    code: str = ""


@dataclass
class Journal:
    """Entries of one job, in memory until `flush`."""

    job: str
    settings: str
    asked: frozenset[str] = frozenset()  # tables that are logged even without rows
    _rows: list[dict[str, object]] = field(default_factory=list)

    def record(self, entry: Entry, seconds: float, finished_at: datetime) -> None:
        """Tell of it, with its warnings, and remember it."""
        counts = entry.counts
        _log(entry, seconds, is_asked=entry.table in self.asked)
        self._rows.append(
            {
                "business_date": entry.last,
                "run_id": entry.run_id,
                "job": self.job,
                "table_name": entry.table,
                "first_date": entry.first,
                "last_date": entry.last,
                "rows_in": counts.rows_in,
                "accepted": entry.accepted - counts.reversed,
                "reversed": counts.reversed,
                **counts.not_accepted,
                "warnings": [*counts.warnings, *counts.notes],
                "table_version": entry.version,
                "inputs": list(entry.inputs),
                "code": entry.code,
                "settings": self.settings,
                "seconds": seconds,
                "finished_at": finished_at,
            }
        )

    def flush(self, lake: Lake) -> None:
        """Append the entries to `ops.runs`."""
        new, self._rows = self._rows, []  # other threads go on recording
        if new:
            rows = lake.spark.createDataFrame(new, lake.contract(RUNS).struct)
            lake.append(RUNS, rows, run_id=str(new[-1]["run_id"]))


def _log(entry: Entry, seconds: float, *, is_asked: bool) -> None:
    """Log one line, and each warning; nothing of a table without rows that nobody asked for."""
    counts, days = entry.counts, days_of(entry.first, entry.last)
    if counts.rows_in or entry.accepted or counts.notes or is_asked:
        figures = {
            **{"table": entry.table, **days, "rows_in": counts.rows_in},
            "accepted": entry.accepted - counts.reversed,
            **counts.not_accepted,
            **{"version": entry.version, "run_id": entry.run_id, "seconds": round(seconds, 3)},
        }
        LOG.info("%s", as_line(entry, seconds), extra=event(TABLE, **figures))
    for warning in counts.warnings:
        LOG.warning(
            *("%s of %s: %s", entry.table, in_words(entry.first, entry.last), warning),
            extra=event(WARNING, table=entry.table, **days),
        )


def as_line(entry: Entry, seconds: float) -> str:
    """Columns for a person: the table, its days, its rows, seconds, and what was left out."""
    counts = entry.counts
    gone = [f"{n:,} {what.replace('_', ' ')}" for what, n in counts.not_accepted.items() if n]
    taken_back = [f"{counts.reversed:,} of them taking back lines"] * bool(counts.reversed)
    rest = [*taken_back, *gone, *counts.notes]
    days, rows = in_words(entry.first, entry.last), f"{entry.accepted:,} rows"
    return f"  {entry.table:<28}{days:<26}{rows:>16}{seconds:>9.1f} s   {', '.join(rest)}".rstrip()
