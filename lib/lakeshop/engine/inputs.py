"""Inputs of a builder: the tables that its contract declares, no later than it may know.

What retention has removed is not made again, and neither is what could not be made the same.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.engine.transforms import latest_versions
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger, window
from lakeshop.storage.run_log import LOG


def read_inputs(
    lake: Lake, ledger: Ledger, contract: Contract, first: date, last: date
) -> dict[str, DataFrame]:
    """Return the declared inputs: no day after `last`, none before the look-back of `first`.

    A snapshot gets the newest version of each entity, unless it asks for all; a table by day gets
    all versions known by its last day, since each of its days may know another. Days that failed
    are left out: what a table held of them before is not what it should hold.
    """
    frames = {}
    for declared in contract.inputs:
        if declared.is_off:
            frames[declared.table] = lake.empty_frame(declared.table)
            continue
        if declared.newest_day:
            days = ledger.reach(contract, declared, last)
            frames[declared.table] = lake.read(declared.table, *days)
            continue
        look_back = declared.look_back_days
        since = None if look_back is None else first - timedelta(days=look_back)
        rows = lake.read(declared.table, since, last)
        if failed := ledger.failed_days(declared.table, since, last):
            rows = rows.where(~F.col(BUSINESS_DATE).isin(failed))
        source = lake.contract(declared.table)
        is_snapshot = not contract.is_by_day
        if source.rows == "version" and is_snapshot and not declared.all_versions:
            rows = latest_versions(rows, source.key)
        frames[declared.table] = rows
    return frames


def input_versions(lake: Lake, contract: Contract) -> tuple[str, ...]:
    """The declared inputs, each with its table's version."""
    return tuple(
        f"{i.table}@{lake.version(i.table) if lake.exists(i.table) else 'none'}"
        for i in contract.inputs
        if not i.is_off
    )


def removed_inputs(contract: Contract, day: date, removed: Sequence[str]) -> str:
    """Say why a day is not made from what retention has left: it would be another one."""
    return (
        f"{contract.name} of {day} should be made from rows of {', '.join(removed)} that "
        "retention has removed. It stays as it is; to make it again, load the days before "
        "it first, where they are still delivered."
    )


def needs_rebuild(ledger: Ledger, contract: Contract, day: date) -> bool:
    """Return whether a published day is stale and can be made again from rows still there."""
    published = ledger.publication(contract.name, day)
    if published is None or published.is_removed or not ledger.is_stale(contract, day):
        return False
    if removed := ledger.removed_inputs(contract, day):
        what = "%s of %s is stale and stays so: retention has removed rows of %s"
        LOG.info(what, day, contract.name, ", ".join(removed))
    return not removed


FALLBACK_DAYS = 14  # the models before are used for so long


@dataclass(frozen=True)
class Obstacle:
    """A failed day that keeps a table from being made."""

    table: str
    day: date


def obstacle(
    ledger: Ledger,
    contract: Contract,
    source: Contract,
    day: date,
    at_work: Collection[date] = (),
) -> Obstacle | None:
    """Return the failed day of an input that a table's day would be made from.

    Of a table of training days the newest that was made stands in, for 14 days.

    Args:
        ledger: which days failed.
        contract: the table that is to be made.
        source: the contract of one of its inputs, which may be the table itself.
        day: the business date.
        at_work: days of the table that are made in the same go.
    """
    declared = next(i for i in contract.inputs if i.table == source.name)
    if declared.is_off:
        return None
    first, last = window(contract, declared, day)
    failed = ledger.failed_days(source.name, first, last)
    if source.name == contract.name:
        failed = [d for d in failed if d not in at_work]
    if not failed:
        return None
    if source.is_of_training_days:
        good = ledger.newest_made(source.name, last)
        is_newer = good is not None and good > failed[-1]
        is_fresh = good is not None and (day - good).days <= FALLBACK_DAYS
        if source.name == contract.name or is_newer or is_fresh:
            return None
    return Obstacle(source.name, failed[-1])


def stand_in_warnings(lake: Lake, ledger: Ledger, contract: Contract, day: date) -> list[str]:
    """Warn of tables of training days that failed, and say which day stands in.

    Args:
        lake: has the contracts of the inputs.
        ledger: which days failed.
        contract: the table that is made.
        day: the business date.
    """
    warnings = []
    for declared in contract.inputs:
        source = lake.contract(declared.table)
        if declared.is_off or not source.is_of_training_days or source.name == contract.name:
            continue
        failed = ledger.failed_days(source.name, *window(contract, declared, day))
        good = ledger.newest_made(source.name, day)
        if failed and good and good < failed[-1]:
            warnings.append(f"{source.name} of {failed[-1]} failed: that of {good} is used")
    return warnings
