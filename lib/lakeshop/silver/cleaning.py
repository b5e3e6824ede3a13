"""Validation of delivered rows: typed by the contract, with all reasons of a rejection."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.shop import Entity
from lakeshop.contracts.model import Contract
from lakeshop.silver.drift import drift_reasons, with_drift
from lakeshop.silver.entities import CleaningContext
from lakeshop.silver.quality import all_reasons
from lakeshop.sources.mapping import FAILED, KEYS, MALFORMED, TEXT, typed, with_text

REASONS = "reasons"
_COLUMN_REASONS = "_column_reasons"
Derive = Callable[[DataFrame, CleaningContext], DataFrame]


@dataclass(frozen=True)
class Cleaning:
    """Validation of the rows of one table: `derive` adds the `derived` columns."""

    derive: Derive = lambda rows, around: rows
    derived: set[str] = field(default_factory=set)


def validate(
    raw: DataFrame, entity: Entity, contract: Contract, cleaning: Cleaning, around: CleaningContext
) -> DataFrame:
    """Bronze rows with the contract's columns, typed, and `reasons`: empty where a row is fine.

    Args:
        raw: rows of the bronze table.
        entity: how the shop delivers the entity.
        contract: of the silver table.
        cleaning: derives the columns that are not delivered.
        around: other tables and the shop's time zone.
    """
    return (
        with_text(raw, entity)
        .transform(with_drift, entity, contract)
        .transform(with_typed_columns, entity, contract)
        .transform(with_column_reasons, entity, contract)
        .transform(cleaning.derive, around)
        .transform(with_missing_columns, contract)
        .transform(with_reasons, entity, contract)
    )


def with_typed_columns(rows: DataFrame, entity: Entity, contract: Contract) -> DataFrame:
    """Add each mapped column of the contract, NULL where its text does not fit the type."""
    columns = {
        column.name: typed(F.col(TEXT)[column.name], entity.columns[column.name], column)
        for column in contract.columns
        if column.name in entity.columns
    }
    return rows.withColumns(columns)


def with_missing_columns(rows: DataFrame, contract: Contract) -> DataFrame:
    """Add the columns that the shop does not deliver, as NULL."""
    absent = [column for column in contract.columns if column.name not in rows.columns]
    return rows.withColumns({c.name: F.lit(None).cast(c.type) for c in absent})


def with_column_reasons(rows: DataFrame, entity: Entity, contract: Contract) -> DataFrame:
    """Add the faults of the delivered columns, before a derivation fills any of them."""
    return rows.withColumn(
        _COLUMN_REASONS, all_reasons([*drift_reasons(entity), *_column_reasons(entity, contract)])
    )


def with_reasons(rows: DataFrame, entity: Entity, contract: Contract) -> DataFrame:
    """Add `reasons`, an array of texts: all that is wrong with a row."""
    line = F.when(F.col(MALFORMED), F.lit(f"malformed: line should be well-formed {entity.format}"))
    if entity.format != "csv":  # the readers of JSON take the last of them, each silently
        is_twice = F.size(F.array_distinct(KEYS)) < F.size(KEYS)
        line = F.coalesce(
            line, F.when(is_twice, F.lit("malformed: line should name each column once"))
        )
    unreadable = F.coalesce(F.concat(F.lit("unreadable: "), F.col("fault")), line)
    rules = all_reasons(_rule_reasons(contract, F.size(_COLUMN_REASONS) > 0))
    return (
        rows.withColumn("_unreadable", unreadable)
        .withColumn(
            REASONS,
            F.when(F.col("_unreadable").isNotNull(), F.array("_unreadable")).otherwise(
                F.concat(_COLUMN_REASONS, rules)
            ),
        )
        .drop("_unreadable", _COLUMN_REASONS, TEXT, FAILED, MALFORMED, KEYS)
    )


def _column_reasons(entity: Entity, contract: Contract) -> list[Column]:
    reasons = []
    for column in contract.columns:
        if column.name not in entity.columns:
            continue
        text, value = F.col(TEXT)[column.name], F.col(column.name)
        has_failed = F.array_contains(FAILED, column.name)
        if entity.columns[column.name].expression:
            read = ", ".join(entity.columns[column.name].reads) or "its expression"
            failed = f"not computed: {column.name} should follow from {read}"
            reasons.append(F.when(has_failed, F.lit(failed)))
        wrong = f"wrong type: {column.name} should be {column.type.simpleString()}"
        reasons.append(F.when(text.isNotNull() & value.isNull(), F.lit(wrong)))
        if column.required:
            absent = f"missing: {column.name} should be present"
            reasons.append(F.when(text.isNull() & ~has_failed, F.lit(absent)))
    return reasons


def _rule_reasons(contract: Contract, is_faulty: Column) -> list[Column]:
    """Reasons of violated rules; unknown is violated, unless a column's fault explains it."""
    reasons = []
    for check in contract.checks:
        if check.on_failure == "quarantine":
            holds = F.expr(check.holds)
            broken = ~holds | (holds.isNull() & ~is_faulty)
            reasons.append(F.when(broken, F.lit(f"{check.name}: {check.about}")))
    return reasons
