"""Validation of delivered rows: typed by the contract, with all reasons of a rejection."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.shop import WHERE, Entity
from lakeshop.contracts.model import Contract
from lakeshop.silver.drift import drift_reasons, with_drift
from lakeshop.silver.entities import CleaningContext
from lakeshop.silver.identifiers import with_generated_ids
from lakeshop.silver.oddities import with_oddities
from lakeshop.silver.quality import IS_LEFT_OUT, all_reasons
from lakeshop.sources.json_rows import ITEM, is_array, with_elements
from lakeshop.sources.mapping import (
    FAILED,
    KEYS,
    MALFORMED,
    TEXT,
    UNREAD,
    csv_width,
    typed,
    with_text,
)

REASONS = "reasons"
_COLUMN_REASONS = "_column_reasons"
ZERO_IS_NONE = {"user_id", "payment_id", "device_id", "coupon_id", "pack_size", "shelf_life_days"}
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

    A record whose array of lines is opened is as many rows. `is_left_out` is true for rows that the
    entity's `where` leaves out, and for orders without lines.

    Args:
        raw: rows of the bronze table.
        entity: how the shop delivers the entity.
        contract: of the silver table.
        cleaning: derives the columns that are not delivered.
        around: other tables and the shop's time zone.
    """
    return (
        with_text(with_elements(raw, entity), entity)
        .transform(with_generated_ids, entity, around.pseudonym)
        .transform(with_drift, entity, contract)
        .transform(with_typed_columns, entity, contract)
        .transform(with_column_reasons, entity, contract)
        .transform(with_oddities, entity, contract)
        .transform(with_zeros_as_none, contract)
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


def with_zeros_as_none(rows: DataFrame, contract: Contract) -> DataFrame:
    """Take a 0 for NULL where 0 is no value: as in shops that write 0 for a guest or no coupon."""
    columns = {
        column.name: F.nullif(F.col(column.name), F.lit("0").cast(column.type))
        for column in contract.columns
        if column.name in ZERO_IS_NONE and not column.required and column.name in rows.columns
    }
    return rows.withColumns(columns) if columns else rows


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
    line = F.when(F.col(MALFORMED), _malformed(entity))
    if entity.format != "csv":  # the readers of JSON take the last of them, each silently
        is_twice = F.size(F.array_distinct(KEYS)) < F.size(KEYS)
        line = F.coalesce(
            line, F.when(is_twice, F.lit("malformed: line should name each column once"))
        )
    unreadable = F.coalesce(F.concat(F.lit("unreadable: "), F.col("fault")), line)
    rules = all_reasons(_rule_reasons(contract, F.size(_COLUMN_REASONS) > 0))
    return (
        rows.withColumn("_unreadable", unreadable)
        .withColumn(IS_LEFT_OUT, F.col("_unreadable").isNull() & _left_out(entity))
        .withColumn(
            REASONS,
            F.when(F.col("_unreadable").isNotNull(), F.array("_unreadable")).otherwise(
                F.concat(_COLUMN_REASONS, rules)
            ),
        )
        .drop("_unreadable", _COLUMN_REASONS, TEXT, FAILED, MALFORMED, KEYS, UNREAD)
    )


def _malformed(entity: Entity) -> Column:
    """Reason of a line that is no row."""
    plain = F.lit(f"malformed: line should be well-formed {entity.format}")
    if entity.format == "json":
        array = F.lit("malformed: line should be one object, received an array: one object a line")
        return F.when(is_array("raw"), array).otherwise(plain)
    if entity.format == "csv":
        received, wanted = csv_width(F.col("raw"), entity), csv_width(F.col("header"), entity)
        other = F.printf(
            F.lit("malformed: line should have the %d fields of its header, received %d"),
            *(wanted, received),
        )
        return F.when(received != wanted, other).otherwise(plain)
    return plain


def _left_out(entity: Entity) -> Column:
    """True for a row that does not count, of those that can be read."""
    conditions = []
    if entity.where is not None:
        conditions.append(F.coalesce(F.lower(F.col(TEXT)[WHERE]) == "false", F.lit(False)))
    if entity.lines is not None:
        conditions.append(F.col(ITEM).isNull())
    return reduce(Column.__or__, conditions, F.lit(False))


def _column_reasons(entity: Entity, contract: Contract) -> list[Column]:
    reasons = []
    if entity.where is not None:
        read = ", ".join(entity.where.reads)
        unknown = ~F.coalesce(F.lower(F.col(TEXT)[WHERE]).isin("true", "false"), F.lit(False))
        why = f"not computed: {WHERE} should be true or false, by {read}"
        reasons.append(F.when(unknown, F.lit(why)))
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
