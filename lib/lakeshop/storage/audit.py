"""Audit of a table's rows before they are published."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.errors import QualityError
from lakeshop.storage.content import Content, content_columns, contents_of
from lakeshop.storage.lake import Lake


def audit(lake: Lake, contract: Contract, rows: DataFrame) -> dict[date, Content]:
    """Keys are unique and rules that fail the table hold, before anything is published.

    Returns:
        The content of each day, found in the same pass.
    """
    rules = [c for c in contract.checks if c.on_failure == "fail"]
    broken = [F.count_if(~F.coalesce(F.expr(c.holds), F.lit(False))).alias(c.name) for c in rules]
    # Hashes, because distinct texts of millions of rows cost more than building the table.
    keys = F.count_distinct(F.xxhash64(*contract.key)).alias("keys")
    fitting = lake.conform_to_contract(contract.name, rows)
    days = fitting.groupBy(BUSINESS_DATE).agg(*content_columns(contract), keys, *broken).collect()
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
    return contents_of(days)
