"""Checks as columns: NULL where a row is fine, otherwise the reason in words.

A rejected row keeps all its reasons. The balance of rows is asserted on counts that were read back
from the tables, not on the frames before the write.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakeshop.contracts.model import Check
from lakeshop.errors import QualityError

IS_LEFT_OUT = "is_left_out"
FEW = 3  # bad rows beside good ones tell nothing of a delivery, however small it is
USUAL_DAYS = 28  # before a delivery, in which the usual share of bad rows is seen


def reason_unless(holds: Column, reason: str) -> Column:
    """NULL where `holds` is true, else `reason`; an unknown answer counts as not true."""
    return F.when(~F.coalesce(holds, F.lit(False)), F.lit(reason))


def reasons_of(checks: Iterable[Check]) -> list[Column]:
    """One reason column per check, for the frame that has the columns the checks name."""
    return [reason_unless(F.expr(check.holds), f"{check.name}: {check.about}") for check in checks]


def all_reasons(reasons: Iterable[Column]) -> Column:
    """The reasons that apply to a row, as an array of strings; empty where the row is fine."""
    return F.array_compact(F.array(*reasons, F.lit(None).cast("string")))


@dataclass(frozen=True)
class Balance:
    """Outcomes of the rows that one table received for a range of days."""

    table: str
    first: date
    last: date
    rows_in: int
    accepted: int
    not_accepted: Mapping[str, int]

    def assert_even(self) -> None:
        """Rows in = accepted + those of each other outcome.

        Raises:
            QualityError: rows were lost or doubled.
        """
        out = self.accepted + sum(self.not_accepted.values())
        if self.rows_in != out:
            others = [f" + {n} {what}" for what, n in self.not_accepted.items()]
            msg = (
                f"{self.table} for {self.first} to {self.last} should account for each of its "
                f"{self.rows_in} rows. Received {self.accepted} accepted{''.join(others)} = {out}. "
                "Run the days again; if it stays, the cleaning of this table loses rows."
            )
            raise QualityError(msg)


def assert_share(
    table: str, what: str, bad: int, total: int, limit: float, warnings: Iterable[str] = ()
) -> None:
    """Stop the run where more than `limit` (0 to 1) of the rows or files are bad.

    The `warnings` may say why they are.

    Raises:
        QualityError: the share is above the limit.
    """
    if total and bad / total > limit:
        name = table.removeprefix("silver.")
        seen = "".join(f"\n  {warning}" for warning in warnings)
        msg = (
            f"{table} should have at most {limit:.1%} bad {what}. Received {bad} of {total} "
            f"({bad / total:.1%}). See quarantine.{name}; mend the delivery or "
            f"raise the limit under `quality` in the configuration.{seen}"
        )
        raise QualityError(msg)


def unusual_share(
    bad: int, total: int, bad_before: int, total_before: int, what: str = "rejected"
) -> str | None:
    """A warning of bad rows within the limit but unusual for this shop, else None.

    Unusual is more than twice the expectation from earlier days, and more than chance would give:
    three standard deviations of a Poisson count. One bad row is expected anywhere.
    """
    if not total or not total_before:
        return None
    expected = max(1.0, bad_before / total_before * total)
    if bad <= max(2 * expected, expected + 3 * math.sqrt(expected)):
        return None
    return (
        f"unusual: {bad} of {total} rows {what} ({bad / total:.1%}), {bad_before} of "
        f"{total_before} ({bad_before / total_before:.1%}) in the {USUAL_DAYS} days before"
    )
