"""Erasure of persons from every layer, and the ledger after it.

Erased persons are kept in a list outside the lake, so that they stay erased. The order is: the
list, the ledger, the rows. After a kill at any point, a repetition ends in the same state:
remaining rows are found again, and the ledger is updated once more.

The ledger gets the new contents; days built from them stay as current as before. A killed run may
have replaced days that the ledger still knows by their former content. Nothing was built from them:
they keep their entry, and so are rebuilt.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.run import Run
from lakeshop.engine.scheduler import in_parallel
from lakeshop.errors import ConfigError
from lakeshop.maintenance.personal_data import BRONZE, QUARANTINE, marked, places, tables_of_persons
from lakeshop.privacy.erasure_list import Erased, add_to_list, read_list
from lakeshop.sources.mentions import IS_ERASED
from lakeshop.storage import files as tables
from lakeshop.storage.content import EMPTY, Content, content_columns, contents_of
from lakeshop.storage.files import UPKEEP
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger, Publication
from lakeshop.storage.run_log import LOG

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
DayContents = Mapping[date, Content]


@dataclass(frozen=True)
class Replaced:
    """Days that a version of a table has replaced."""

    version: int
    first: date
    last: date


def interrupted_days(run: Run, table: str, left: DayContents, whole: DayContents) -> list[date]:
    """Days of an erasure with a content unknown to the ledger.

    A different content alone is no evidence: retention removes versions, a contract gains columns,
    or another erasure was killed. A commit younger than the ledger's entry is.

    Args:
        run: the run.
        table: a table.
        left: content of its days after the erasure.
        whole: their content including the rows to delete.
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


Contents = Mapping[str, Mapping[date, Content]]


def rebase(run: Run, contents: Contents) -> None:
    """Record new contents of published days, without a change of any other day's state.

    Current days become current again, by the digest of their new inputs. Stale days keep their old
    digest and stay stale. No day is rebuilt: sums over persons stay as published.
    """
    scratch = Ledger(run.lake)
    scratch.record(
        replace(p, content=contents.get(p.table, {}).get(p.day, p.content))
        for p in _publications(run)
    )
    run.ledger.record(list(_changed(run, replace(run, ledger=scratch))))


def _publications(run: Run) -> Iterator[Publication]:
    for table in run.lake.contracts:
        for day in run.ledger.days(table):
            published = run.ledger.publication(table, day)
            assert published is not None
            yield published


def _changed(before: Run, after: Run) -> Iterator[Publication]:
    for was in _publications(before):
        contract = before.lake.contract(was.table)
        now = after.ledger.publication(was.table, was.day)
        assert now is not None
        old = before.ledger.input_digest(contract, was.day)
        new = after.ledger.input_digest(contract, was.day)
        declared = {read.table for read in contract.inputs if not read.is_off}
        if old != new and was.reads() == declared and was.input_digest == old:
            now = replace(now, input_digest=new)
            if was.run_id == before.run_id(was.table, was.day):
                now = replace(now, run_id=after.run_id(was.table, was.day))
        if now != was:
            yield now


@dataclass(frozen=True)
class Found:
    """Rows of erased persons in a table, their number, and the content of their days afterwards."""

    rows: DataFrame
    number: int
    contents: Mapping[date, Content]


def erase(run: Run, users: Collection[str]) -> dict[str, int]:
    """Erase all rows that mention the users, and remains of a killed erasure of others.

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
    # Rejected rows are found by bronze's rows, which are deleted last.
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
    sums = rows.groupBy(BUSINESS_DATE, IS_ERASED).agg(*content_columns(contract)).collect()
    gone = [row for row in sums if row[IS_ERASED]]
    if not gone:
        return None
    left = contents_of(row for row in sums if not row[IS_ERASED])
    gone_rows = rows.where(F.col(IS_ERASED))
    to_delete = tables.identified(run.lake, table, gone_rows, places(contract))
    contents = {row[BUSINESS_DATE]: left.get(row[BUSINESS_DATE], EMPTY) for row in gone}
    for day in interrupted_days(run, table, contents, _whole(sums)):
        LOG.info("erase: %s of %s was replaced by a run that was killed: run it again", day, table)
        del contents[day]
    return Found(to_delete, sum(row["rows"] for row in gone), contents)


def _whole(sums: Iterable[Row]) -> dict[date, Content]:
    """Content of days including the rows to delete."""
    rows: Counter[date] = Counter()
    digests: Counter[date] = Counter()
    for row in sums:
        rows[row[BUSINESS_DATE]] += row["rows"]
        digests[row[BUSINESS_DATE]] += int(row["digest"])
    return {day: Content(number, f"{digests[day]:x}") for day, number in rows.items()}


def _delete(run: Run, table: str, rows: DataFrame) -> None:
    tables.delete(run.lake, table, rows, places(run.lake.contract(table)))
