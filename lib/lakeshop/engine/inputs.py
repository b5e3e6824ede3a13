"""What a builder is given: the tables that its contract declares, read no further than it may.

What retention has removed is not made again, and neither is what could not be made the same.
"""

from datetime import date, timedelta

from pyspark.sql import DataFrame

from lakeshop.contracts.model import Contract
from lakeshop.engine.transforms import latest_versions
from lakeshop.errors import InputError
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger
from lakeshop.storage.run_log import LOG


def read_inputs(lake: Lake, contract: Contract, first: date, last: date) -> dict[str, DataFrame]:
    """The declared inputs: no day after `last`, none before the look-back of `first`.

    A snapshot gets the newest version of each entity, unless it asks for all; a table by
    day gets all versions known by its last day, since each of its days may know another.
    """
    frames = {}
    for declared in contract.inputs:
        look_back = declared.look_back_days
        since = None if look_back is None else first - timedelta(days=look_back)
        rows = lake.read(declared.table, since, last)
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
    )


def assert_inputs_remain(ledger: Ledger, contract: Contract, day: date) -> None:
    """A day made without what retention has removed would be another one.

    Raises:
        InputError: retention has removed rows that the day is to be made from.
    """
    if removed := ledger.removed_inputs(contract, day):
        msg = (
            f"{contract.name} of {day} should be made from rows of {', '.join(removed)} that "
            "retention has removed. It stays as it is; to make it again, load the days before "
            "it first, where they are still delivered."
        )
        raise InputError(msg)


def needs_rebuild(ledger: Ledger, contract: Contract, day: date) -> bool:
    """Whether a published day is stale, still there, and so are the rows it is made from."""
    published = ledger.publication(contract.name, day)
    if published is None or published.is_removed or not ledger.is_stale(contract, day):
        return False
    if removed := ledger.removed_inputs(contract, day):
        what = "%s of %s is stale and stays so: retention has removed rows of %s"
        LOG.info(what, day, contract.name, ", ".join(removed))
    return not removed
