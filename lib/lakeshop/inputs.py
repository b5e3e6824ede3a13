"""What a builder is given: the tables that its contract declares, read no further than it may."""

from datetime import date, timedelta

from pyspark.sql import DataFrame

from lakeshop.contract import Contract
from lakeshop.frames import latest_versions
from lakeshop.tables import Lake


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
