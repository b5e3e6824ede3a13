"""Content of a table on a business date, named by a digest that ignores the order of rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import Column, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.contracts.types import inner_types


@dataclass(frozen=True)
class Content:
    """Content of a table for one business date: rows, and a digest that ignores their order."""

    rows: int
    digest: str


EMPTY = Content(rows=0, digest="")


def content_columns(contract: Contract) -> tuple[Column, Column]:
    """Aggregates `rows` and `digest`, the sum of the rows' hashes: exact in any order.

    xxhash64 skips NULLs, so that a value moved to a neighbouring column would go unseen: the
    pattern of NULLs is hashed with the values. It does not see where an array ends either:
    what is nested is hashed as text.
    """
    values = [comparable(F.col(c.name), c.type) for c in contract.columns]
    found = F.xxhash64(*values, _pattern_of_nulls(contract))
    # Halves of the hash are summed as integers: a sum of decimals makes an object of each row.
    high, low = F.sum(F.shiftright(found, 32)), F.sum(found.bitwiseAND(F.lit(2**32 - 1)))
    digest = high.cast("decimal(20,0)") * F.lit(2**32) + low.cast("decimal(20,0)")
    return F.count("*").alias("rows"), digest.alias("digest")


def _pattern_of_nulls(contract: Contract) -> Column:
    """A digit for each column: 1 where it is NULL. Most rows have none, and no text is built."""
    optional = [F.col(c.name) for c in contract.columns if not c.required]
    digits = [
        F.lit("0") if c.required else F.col(c.name).isNull().cast("int").cast("string")
        for c in contract.columns
    ]
    is_full = reduce(Column.__and__, [value.isNotNull() for value in optional], F.lit(True))
    return F.when(is_full, F.lit("0" * len(digits))).otherwise(F.concat(*digits))


def comparable(values: Column, kind: T.DataType) -> Column:
    """Values that Spark can compare and hash: what is nested as JSON, maps by their keys' order."""
    if isinstance(kind, T.MapType):
        return F.to_json(F.array_sort(F.map_entries(values)))
    return F.to_json(values) if inner_types(kind) else values


def contents_of(days: Iterable[Row | Mapping[str, Any]]) -> dict[date, Content]:
    """Contents by day, from rows aggregated by `content_columns`."""
    return {day[BUSINESS_DATE]: Content(day["rows"], f"{int(day['digest']):x}") for day in days}
