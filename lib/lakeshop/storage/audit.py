"""Audit of a table's rows before they are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.errors import QualityError
from lakeshop.storage.content import Content, content_columns, contents_of
from lakeshop.storage.lake import Lake


@dataclass(frozen=True)
class Audited:
    """The content of each day, and further aggregates of the rows of each day, in their order."""

    contents: dict[date, Content]
    found: list[tuple[Any, ...]]


def audit(
    lake: Lake, contract: Contract, rows: DataFrame, further: Sequence[Column] = ()
) -> Audited:
    """Keys are unique and rules that fail the table hold, before anything is published.

    Args:
        lake: has the table's contract.
        contract: of the table.
        rows: to be published.
        further: aggregates that are computed in the same pass.
    """
    rules = [c for c in contract.checks if c.on_failure == "fail"]
    broken = [F.count_if(~F.coalesce(F.expr(c.holds), F.lit(False))).alias(c.name) for c in rules]
    # Hashes, because distinct texts of millions of rows cost more than building the table.
    keys = F.count_distinct(F.xxhash64(*contract.key)).alias("keys")
    fitting = lake.conform_to_contract(contract.name, rows)
    others = [aggregate.alias(f"_{n}") for n, aggregate in enumerate(further)]
    figures = *content_columns(contract), keys, *broken, *others
    days = fitting.groupBy(BUSINESS_DATE).agg(*figures).collect()
    faults = [
        f"{c.name} ({c.about}): {day[c.name]} rows of {day[BUSINESS_DATE]}"
        for day in days
        for c in rules
        if day[c.name]
    ]
    faults += [
        f"{day['rows']} rows of {day[BUSINESS_DATE]} with {day['keys']} distinct {contract.key}"
        for day in days
        if day["rows"] != day["keys"]
    ]
    if faults:
        msg = f"{contract.name} should hold to its contract. Broken: {'; '.join(faults)}."
        raise QualityError(msg)
    found = [tuple(day[f"_{n}"] for n in range(len(further))) for day in days]
    return Audited(contents_of(days), found)
