"""Outcomes of the delivered rows, counted by file in one pass."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Quality
from lakeshop.config.shop import Entity
from lakeshop.contracts.model import Contract
from lakeshop.silver.drift import Drift, drift_aggregates, drifts_of
from lakeshop.silver.quality import assert_share

FEW = 3  # bad rows beside good ones tell nothing of a delivery, however small it is
OUTCOME = "outcome"
ACCEPTED, QUARANTINED, REPEATED = "accepted", "quarantined", "duplicate"


@dataclass(frozen=True)
class Counted:
    """Rows of one table by outcome, files, and drifts of their columns."""

    rows: int
    quarantined: int
    duplicates: int
    files: int
    unreadable_files: int
    warnings: tuple[str, ...]
    drifts: list[Drift]

    def assert_shares(self, table: str, limits: Quality) -> None:
        """Stop before silver is published if too much is bad; quarantine holds the bad rows.

        A FEW bad rows beside good ones are never too much, unless the limit is 0.

        Raises:
            QualityError: a share is above its limit.
        """
        files, rows = limits.max_unreadable_files, limits.max_rejected_rows
        assert_share(table, "files", self.unreadable_files, self.files, files)
        has_good = self.quarantined + self.duplicates < self.rows
        if not (rows and has_good) or self.quarantined > FEW:
            assert_share(table, "rows", self.quarantined, self.rows, rows)


def counted(contract: Contract, entity: Entity, rows: DataFrame) -> Counted:
    """Count the validated rows, each with its `outcome`."""
    is_accepted = F.col(OUTCOME) == ACCEPTED
    checks = [check for check in contract.checks if check.on_failure == "warn"]
    files = (
        rows.groupBy("source_file")
        .agg(
            F.count("*").alias("rows"),
            F.count_if(F.col(OUTCOME) == REPEATED).alias(REPEATED),
            F.count_if(F.col(OUTCOME) == QUARANTINED).alias(QUARANTINED),
            F.bool_or(F.col("source_line") == 0).alias("is_unreadable"),
            *[
                F.count_if(is_accepted & ~F.coalesce(F.expr(c.holds), F.lit(False))).alias(c.name)
                for c in checks
            ],
            *drift_aggregates(entity, contract),
        )
        .collect()
    )
    files.sort(key=lambda file: str(file["source_file"]))
    warned = [(check, sum(file[check.name] for file in files)) for check in checks]
    return Counted(
        rows=sum(file["rows"] for file in files),
        quarantined=sum(file[QUARANTINED] for file in files),
        duplicates=sum(file[REPEATED] for file in files),
        files=len(files),
        unreadable_files=sum(file["is_unreadable"] for file in files),
        warnings=tuple(f"{check.name}: {n} rows, {check.about}" for check, n in warned if n),
        drifts=drifts_of(files),
    )
