"""What a run says: one line per table written, and the same in `ops.runs`."""

import logging
from dataclasses import dataclass, field
from datetime import date, datetime

from lakeshop.storage.lake import Lake

LOG = logging.getLogger("lakeshop")
RUNS = "ops.runs"


@dataclass(frozen=True)
class Counts:
    """Rows that a table received, and what became of them."""

    rows_in: int
    quarantined: int = 0
    duplicates: int = 0
    warnings: tuple[str, ...] = ()


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
    _rows: list[dict[str, object]] = field(default_factory=list)

    def record(self, entry: Entry, seconds: float, finished_at: datetime) -> None:
        """Log one line for a person and a machine, and remember it."""
        counts = entry.counts
        one_day = entry.first == entry.last
        days = f"{entry.last}" if one_day else f"{entry.first}..{entry.last}"
        LOG.info(
            "table=%s business_date=%s rows_in=%d accepted=%d quarantined=%d duplicates=%d "
            "seconds=%.1f%s",
            *(entry.table, days, counts.rows_in, entry.accepted, counts.quarantined),
            *(counts.duplicates, seconds),
            "".join(f" warning={warning!r}" for warning in counts.warnings),
        )
        self._rows.append(
            {
                "business_date": entry.last,
                "run_id": entry.run_id,
                "job": self.job,
                "table_name": entry.table,
                "first_date": entry.first,
                "last_date": entry.last,
                "rows_in": counts.rows_in,
                "accepted": entry.accepted,
                "quarantined": counts.quarantined,
                "duplicates": counts.duplicates,
                "warnings": list(counts.warnings),
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
