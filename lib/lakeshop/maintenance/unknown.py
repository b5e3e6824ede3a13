"""Days that a killed run has replaced, while the ledger knows them as they were before.

Nothing was made from what they hold: they stay as they are known, and so are made again.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from lakeshop.maintenance.tables import UPKEEP
from lakeshop.run import Run
from lakeshop.tables import Content, Lake

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
Contents = Mapping[date, Content]


@dataclass(frozen=True)
class Replaced:
    """Days that a version of a table has replaced."""

    version: int
    first: date
    last: date


def unknown_days(run: Run, table: str, left: Contents, whole: Contents) -> list[date]:
    """The days of an erasure that the ledger does not know as they are.

    Other contents alone do not tell: retention thins versions out, a contract gains columns, an
    erasure of somebody else was killed. A commit that is younger than what is known does.

    Args:
        run: the run.
        table: a table.
        left: what its days are to hold then, or do already.
        whole: what they hold together with the rows that are to go.
    """
    known = {day: run.ledger.publication(table, day) for day in left}
    versions = {
        day: was.version
        for day, was in known.items()
        if was is not None and was.content not in (left[day], whole[day])
    }
    replaced = list(_replaced(run.lake, table)) if versions else []
    return sorted(
        day
        for day, version in versions.items()
        if any(r.version > version and r.first <= day <= r.last for r in replaced)
    )


def _replaced(lake: Lake, table: str) -> Iterator[Replaced]:
    """The days of each publish that the log of a table still has."""
    history = lake.spark.sql(f"DESCRIBE HISTORY delta.`{lake.path(table)}`")
    writes = history.where("operation = 'WRITE'").select(
        "version", "userMetadata", "operationParameters.predicate"
    )
    for row in writes.collect():
        days = [date.fromisoformat(day) for day in _DAY.findall(row["predicate"] or "")]
        if days and row["userMetadata"] != UPKEEP:
            yield Replaced(row["version"], min(days), max(days))
