"""Persons are erased from every layer, and remembered outside the lake to stay erased.

First the list, then the ledger, then rows: killed anywhere, the same again ends the same, since
what is still there is found again, and the ledger is told the same once more.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.contract import DAY
from lakeshop.erasures import Erased, add_to_list, read_list
from lakeshop.errors import ConfigError
from lakeshop.journal import LOG
from lakeshop.maintenance import tables
from lakeshop.maintenance.persons import BRONZE, QUARANTINE, marked, places, tables_of_persons
from lakeshop.maintenance.rebase import rebase
from lakeshop.maintenance.unknown import unknown_days
from lakeshop.parallel import in_parallel
from lakeshop.run import Run
from lakeshop.sources.erased import IS_ERASED
from lakeshop.tables import NOTHING, Content, content_columns, contents_of


@dataclass(frozen=True)
class Found:
    """Rows of erased persons in a table, how many they are, and what their days hold then."""

    rows: DataFrame
    number: int
    contents: Mapping[date, Content]


def erase(run: Run, users: Collection[str]) -> dict[str, int]:
    """Erase all that speaks of the users, and what a killed erasure of others has left.

    Returns:
        The rows deleted, by table.

    Raises:
        ConfigError: the list of erased persons lies in the lake, or cannot be used.
    """
    path = run.settings.maintenance.erased
    _assert_outside(path, run.lake.root)
    add_to_list(path, users, run.key)
    erased = read_list(path, run.key)
    found: dict[str, Found] = {}
    at_once = run.settings.tables_at_once

    def find(table: str) -> None:
        if (there := _found(run, table, erased)) is not None:
            found[table] = there

    in_parallel({t: partial(find, t) for t in tables_of_persons(run.lake)}, {}, at_once)
    rebase(run, {table: there.contents for table, there in found.items()})
    run.flush()
    # What was rejected is found by bronze's rows, which go last.
    after = {t: {t.replace(BRONZE, QUARANTINE, 1)} for t in found if t.startswith(BRONZE)}
    in_parallel({t: partial(_delete, run, t, found[t].rows) for t in found}, after, at_once)
    LOG.info("erase: %d persons on the list, %d given", len(erased.pseudonyms), len(set(users)))
    return {table: there.number for table, there in found.items()}


def _assert_outside(path: Path, root: str) -> None:
    if "://" not in root and path.resolve().is_relative_to(Path(root).resolve()):
        msg = (
            "maintenance.erased, the list of erased persons, should lie outside the lake. "
            f"Received {path}, which is below {root}."
        )
        raise ConfigError(msg)


def _found(run: Run, table: str, erased: Erased) -> Found | None:
    if tables.is_empty(run.lake, table):
        return None
    contract = run.lake.contract(table)
    rows = marked(run, table, erased)
    sums = rows.groupBy(DAY, IS_ERASED).agg(*content_columns(contract)).collect()
    gone = [row for row in sums if row[IS_ERASED]]
    if not gone:
        return None
    left = contents_of(row for row in sums if not row[IS_ERASED])
    doomed = rows.where(F.col(IS_ERASED)).select(*places(contract)).distinct()
    contents = {row[DAY]: left.get(row[DAY], NOTHING) for row in gone}
    for day in unknown_days(run, table, contents, _whole(sums)):
        LOG.info("erase: %s of %s was replaced by a run that was killed: run it again", day, table)
        del contents[day]
    return Found(doomed, sum(row["rows"] for row in gone), contents)


def _whole(sums: Iterable[Row]) -> dict[date, Content]:
    """What days hold with the rows that are to go."""
    rows: Counter[date] = Counter()
    digests: Counter[date] = Counter()
    for row in sums:
        rows[row[DAY]] += row["rows"]
        digests[row[DAY]] += int(row["digest"])
    return {day: Content(number, f"{digests[day]:x}") for day, number in rows.items()}


def _delete(run: Run, table: str, rows: DataFrame) -> None:
    tables.delete(run.lake, table, rows, places(run.lake.contract(table)))
