"""Personal data in the lake: the columns that contracts mark, and the rows of erased persons."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.contracts.types import holds
from lakeshop.engine.run import Run
from lakeshop.privacy.erasure_list import Erased
from lakeshop.sources.mentions import IS_ERASED, mentions_erased, texts_in, with_erased
from lakeshop.storage.lake import Lake

BRONZE, QUARANTINE = "bronze", "quarantine"


def all_tables(lake: Lake) -> list[str]:
    """Every existing table of the contracts, twins of the newest day included."""
    names = [
        name
        for contract in lake.contracts.values()
        for name in (contract.name, *[f"{contract.name}_latest"] * contract.has_latest_twin)
    ]
    return [name for name in names if lake.exists(name)]


def tables_of_persons(lake: Lake) -> list[str]:
    """The tables with a column that may name a person."""
    return [name for name in all_tables(lake) if person_columns(lake.contract(name))]


def person_columns(contract: Contract) -> list[str]:
    """The personal columns of a contract that hold texts; other types identify nobody."""
    return [c.name for c in contract.columns if c.personal and holds(c.type, T.StringType)]


def places(contract: Contract) -> Sequence[str]:
    """Columns by which rows are deleted: where a row was delivered, or all that may name one."""
    if contract.rows == "delivery":
        return BUSINESS_DATE, "source_file", "source_line"
    return BUSINESS_DATE, *person_columns(contract)


def marked(run: Run, table: str, erased: Erased) -> DataFrame:
    """The rows of a table, with `is_erased`."""
    layer, name = table.split(".")
    rows = run.lake.read(table)
    if layer == BRONZE and name in run.settings.shop.entities:
        return with_erased(rows, run.settings.shop.entities[name], run.settings.shop, erased)
    contract = run.lake.contract(table)
    kinds = contract.schema(*person_columns(contract))
    texts = F.concat(*[texts_in(F.col(field.name), field.dataType) for field in kinds])
    nobody = F.array().cast("array<string>")
    is_erased = mentions_erased(run.lake.spark, erased)(nobody, texts, F.lit(False))
    rows = rows.withColumn(IS_ERASED, is_erased)
    return _with_those_of_bronze(run, rows, name, erased) if layer == QUARANTINE else rows


def _with_those_of_bronze(run: Run, rows: DataFrame, name: str, erased: Erased) -> DataFrame:
    """Mark rejected rows whose bronze row is erased: they lack the columns to decide by."""
    bronze = f"{BRONZE}.{name}"
    if not run.lake.exists(bronze):
        return rows
    on = list(places(run.lake.contract(bronze)))
    there = marked(run, bronze, erased).where(IS_ERASED).select(*on).distinct()
    found = rows.join(there.withColumn("_there", F.lit(True)), on=on, how="left")
    is_erased = F.col(IS_ERASED) | F.coalesce("_there", F.lit(False))
    return found.withColumn(IS_ERASED, is_erased).select(*rows.columns)
