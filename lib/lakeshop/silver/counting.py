"""Outcomes of the delivered rows, counted by file in one pass."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.config.settings import Quality
from lakeshop.config.shop import Entity
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.silver.delivered_files import (
    Contents,
    contents_of_files,
    equal_rows_warning,
    file_aggregates,
    has_ids,
    unreadable_files,
    unreadable_warnings,
)
from lakeshop.silver.drift import Drift, drift_aggregates, drifts_of
from lakeshop.silver.oddities import ODDITIES, oddity_warnings
from lakeshop.silver.quality import FEW, assert_share
from lakeshop.sources.json_rows import OPENED
from lakeshop.storage.run_log import Counts

OUTCOME = "outcome"
ACCEPTED, QUARANTINED, REPEATED = "accepted", "quarantined", "duplicate"
CONFLICT, MERGED, LEFT_OUT = "conflict", "merged", "left out"
OUTCOMES = (ACCEPTED, QUARANTINED, REPEATED, CONFLICT, MERGED, LEFT_OUT)
SET_ASIDE = (QUARANTINED, CONFLICT)  # kept in quarantine with their reasons
KEPT_ON = "kept_on"  # the day of the row that counts instead of a duplicate or a conflict
KEPT_EVENT = "kept_event_date"
KEPT_FILE = "kept_file"
TAKEN_BACK = "taken_back"  # the line as it was known, of a row that corrects it
EVENT_DATE = "event_date"


@dataclass(frozen=True)
class Conflicts:
    """Conflicting rows: all, those with a row of an earlier day, those with an event of another."""

    rows: int = 0
    earlier: int = 0
    other_event: int = 0

    def __add__(self, more: "Conflicts") -> "Conflicts":
        """All of both."""
        return Conflicts(
            self.rows + more.rows,
            self.earlier + more.earlier,
            self.other_event + more.other_event,
        )


@dataclass(frozen=True)
class Counted:
    """Rows of one table by outcome, files, and drifts of their columns.

    `repeated_since` is the first earlier day that duplicates were accepted on; `reversed` counts
    the lines that are taken back; `contents` are digests of the files' rows.
    """

    outcomes: Mapping[str, int]
    files: int
    unreadable_files: int
    warnings: tuple[str, ...]
    drifts: list[Drift]
    opened: int = 0  # rows beyond one of each record, where arrays are opened
    conflicts: Conflicts = Conflicts()
    repeated_since: date | None = None
    reversed: int = 0
    contents: Contents = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows received."""
        return sum(self.outcomes.values())

    @property
    def set_aside(self) -> int:
        """Rows for quarantine."""
        return sum(self.outcomes[outcome] for outcome in SET_ASIDE)

    def with_earlier(self, conflicts: Conflicts) -> "Counted":
        """Count rows as conflicts that were duplicates of an earlier day by their key alone."""
        moved = {REPEATED: -conflicts.rows, CONFLICT: conflicts.rows}
        outcomes = {o: n + moved.get(o, 0) for o, n in self.outcomes.items()}
        return replace(self, outcomes=outcomes, conflicts=self.conflicts + conflicts)

    def counts(self, held_back: int, warnings: tuple[str, ...]) -> Counts:
        """Counts for the log of the run, of which quarantine holds so many rows."""
        return Counts(
            rows_in=self.rows,
            quarantined=held_back - self.outcomes[CONFLICT],
            duplicates=self.outcomes[REPEATED],
            conflicts=self.outcomes[CONFLICT],
            merged=self.outcomes[MERGED],
            left_out=self.outcomes[LEFT_OUT],
            reversed=self.reversed,
            warnings=warnings,
        )

    def assert_shares(self, table: str, limits: Quality) -> None:
        """Stop before silver is published if too much is bad; quarantine holds the bad rows.

        A FEW bad rows beside good ones are never too much, unless the limit is 0.

        Raises:
            QualityError: a share is above its limit.
        """
        files, rows = limits.max_unreadable_files, limits.max_rejected_rows
        assert_share(table, "files", self.unreadable_files, self.files, files, self.warnings)
        quarantined = self.outcomes[QUARANTINED]
        if not (rows and self.outcomes[ACCEPTED]) or quarantined > FEW:
            assert_share(table, "rows", quarantined, self.rows, rows, self.warnings)


def counted(contract: Contract, entity: Entity, rows: DataFrame) -> Counted:
    """Count the validated rows, each with its `outcome`."""
    is_accepted = F.col(OUTCOME) == ACCEPTED
    checks = [check for check in contract.checks if check.on_failure == "warn"]
    files = (
        rows.groupBy("source_file")
        .agg(
            *[F.count_if(F.col(OUTCOME) == outcome).alias(outcome) for outcome in OUTCOMES],
            *file_aggregates(entity, rows.columns),
            *[
                F.count_if(is_accepted & ~F.coalesce(F.expr(c.holds), F.lit(False))).alias(c.name)
                for c in checks
            ],
            *drift_aggregates(entity, contract),
            F.count_if(F.size(ODDITIES) > 0).alias("odd"),
            (F.sum(OPENED) if entity.lines is not None else F.lit(0)).alias(OPENED),
            *conflict_aggregates(rows.columns),
            *_repeat_aggregates(rows.columns),
        )
        .collect()
    )
    files.sort(key=lambda file: str(file["source_file"]))
    warned = [(check, sum(file[check.name] for file in files)) for check in checks]
    outcomes = {outcome: sum(file[outcome] for file in files) for outcome in OUTCOMES}
    faults = unreadable_files(files, QUARANTINED)
    name, n_equal = contract.name.removeprefix("silver."), sum(file["n_equal"] for file in files)
    return Counted(
        outcomes=outcomes,
        files=len(files),
        unreadable_files=len(faults),
        warnings=(
            *unreadable_warnings(faults, len(files)),
            *nothing_accepted(outcomes, has_ids(contract) and entity.jdbc is None),
            *(f"{check.name}: {n} rows, {check.about}" for check, n in warned if n),
            *equal_rows_warning(n_equal, name, contract.key, entity),
            *(oddity_warnings(rows, entity, contract) if any(f["odd"] for f in files) else ()),
        ),
        drifts=drifts_of(files, entity),
        opened=sum(file[OPENED] for file in files),
        conflicts=sum((conflicts_of(file) for file in files), Conflicts()),
        repeated_since=min((f["repeated"] for f in files if f["repeated"]), default=None),
        reversed=sum(file["n_reversed"] for file in files),
        contents=contents_of_files(files),
    )


def nothing_accepted(outcomes: Mapping[str, int], are_new: bool) -> Iterator[str]:
    """A warning of rows that are all left out, or that came before where they `are_new` else."""
    rows = sum(outcomes.values())
    if rows and outcomes[LEFT_OUT] == rows:
        yield (
            f"all {rows} rows are left out: look at the entity's `where` and `lines`, and at the "
            "currency of the shop"
        )
    elif rows and not outcomes[ACCEPTED] and outcomes[REPEATED] and are_new:
        counted = ", ".join(f"{outcomes[o]} {o}" for o in OUTCOMES if outcomes[o])
        yield (
            f"none of {rows} rows was accepted: {counted}; was a file of an earlier day delivered "
            "again? Deliver that of the day"
        )


def conflict_aggregates(columns: Collection[str]) -> list[Column]:
    """Inputs of `conflicts_of`."""
    is_conflict = F.col(OUTCOME) == CONFLICT
    is_earlier = F.col(KEPT_ON) < F.col(BUSINESS_DATE)
    is_other = F.col(EVENT_DATE) != F.col(KEPT_EVENT) if EVENT_DATE in columns else F.lit(False)
    return [
        F.count_if(is_conflict).alias("n_conflicts"),
        F.count_if(is_conflict & is_earlier).alias("n_earlier"),
        F.count_if(is_conflict & is_other).alias("n_other_event"),
    ]


def conflicts_of(found: Row) -> Conflicts:
    """The conflicts in a row of `conflict_aggregates`."""
    return Conflicts(found["n_conflicts"], found["n_earlier"], found["n_other_event"])


def _repeat_aggregates(columns: Collection[str]) -> list[Column]:
    is_earlier = (F.col(OUTCOME) == REPEATED) & (F.col(KEPT_ON) < F.col(BUSINESS_DATE))
    day = F.when(is_earlier, F.col(KEPT_ON))
    is_equal = F.col(KEPT_FILE) == F.col("source_file") if KEPT_FILE in columns else F.lit(False)
    is_reversed = F.col(TAKEN_BACK).isNotNull() if TAKEN_BACK in columns else F.lit(False)
    return [
        F.min(day).alias("repeated"),
        F.count_if((F.col(OUTCOME) == ACCEPTED) & is_reversed).alias("n_reversed"),
        F.count_if((F.col(OUTCOME) == REPEATED) & is_equal).alias("n_equal"),
    ]
