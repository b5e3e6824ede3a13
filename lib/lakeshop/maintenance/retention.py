"""Retention: delete rows older than their contract allows; the ledger keeps their content.

Tables built from removed rows stay current, and no run rebuilds them or the rows: the ledger
records their content and their removal. Of entities the newest version stays, which later runs
need. So do models in use, and the newest publication of each day.
"""

from datetime import date, timedelta
from functools import partial, reduce

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.engine.run import Run
from lakeshop.engine.scheduler import in_parallel
from lakeshop.maintenance.personal_data import all_tables
from lakeshop.storage import files as tables
from lakeshop.storage.lake import Lake


def remove_old(run: Run) -> dict[str, int]:
    """Delete rows past their retention on the run's last day; return the rows deleted by table."""
    removed: dict[str, int] = {}
    _remember(run)
    run.flush()

    def remove(table: str) -> None:
        contract = run.lake.contract(table)
        day = first_kept(contract, run.last)
        old = run.lake.read(table, None, day - timedelta(days=1))
        keeps_some = bool(contract.retain_latest_per or contract.retain_while_in)
        rows_to_delete = _superseded(run.lake, contract, old) if keeps_some else old
        number = rows_to_delete.count()
        if not number:
            return
        if keeps_some:
            tables.delete(run.lake, table, rows_to_delete, _identity(contract))
        else:
            tables.delete_before(run.lake, table, day)
        removed[table] = number

    work = {table: partial(remove, table) for table in all_tables(run.lake)}
    in_parallel(work, {}, run.settings.tables_at_once)
    return removed


def first_kept(contract: Contract, today: date) -> date:
    """The first business date that is not older than the contract keeps rows."""
    return today - timedelta(days=contract.retention_days)


def _remember(run: Run) -> None:
    """Record removed days in the ledger, before their removal: a kill in between does no harm."""
    for name, contract in run.lake.contracts.items():
        if not (contract.retain_latest_per or contract.retain_while_in):
            run.ledger.record_removed(name, first_kept(contract, run.last))


def _identity(contract: Contract) -> list[str]:
    """Columns that identify a superseded row: its key, its day, and its time of creation."""
    kinds = {c.name: c.type for c in contract.columns}
    times = [name for name, kind in kinds.items() if isinstance(kind, T.TimestampType)]
    return list(
        dict.fromkeys([*(contract.retain_latest_per or contract.key), BUSINESS_DATE, *times])
    )


def _superseded(lake: Lake, contract: Contract, old: DataFrame) -> DataFrame:
    """Rows with a newer version before the cut, or with a key that no longer exists."""
    if contract.retain_while_in:
        still = (lake.read(t).select(*contract.key) for t in contract.retain_while_in)
        known = reduce(DataFrame.unionByName, still).distinct()
        return old.join(known, on=list(contract.key), how="left_anti").select(*_identity(contract))
    times = [name for name in _identity(contract) if name not in contract.retain_latest_per]
    order = [F.col(name).desc_nulls_last() for name in times]
    ranked = old.withColumn(
        "_rank", F.rank().over(W.partitionBy(*contract.retain_latest_per).orderBy(*order))
    )
    return ranked.where(F.col("_rank") > 1).select(*_identity(contract)).distinct()
