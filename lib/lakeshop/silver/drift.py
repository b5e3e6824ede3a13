"""Drift between the columns of files and the shop's configuration.

Three drifts show in the columns: a new one, a missing one, and a renamed one, which is both. (A
changed type shows in the values: rows that do not fit are quarantined.) The entity's setting
`drift` decides, after the schema contracts of dlt:

- `evolve`: accepted. New columns stay in bronze's raw text, missing ones are NULL; the run warns.
- `discard_row`: each row that shows it is quarantined, with the reason.
- `freeze`: the entity fails; nothing of it is written but its raw rows in bronze.

A missing column that the contract requires fails the entity in every mode. JSON may leave out what
a row has not: there a file of a few rows lacks nothing that another file has, unless frozen, and
rows that the entity's `where` leaves out are not looked at.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.config.shop import WHERE, Entity
from lakeshop.contracts.model import Contract
from lakeshop.errors import InputError
from lakeshop.silver.quality import FEW, IS_LEFT_OUT
from lakeshop.sources.json_rows import ITEM, NUMBER, prefixes, with_elements
from lakeshop.sources.mapping import KEYS, MALFORMED, source_columns, with_text

UNLIKE = "names unlike all of these"
NEW, MISSING = "_new_columns", "_missing_columns"
NAMES_SHOWN, LETTERS_SHOWN, FILES_SHOWN = 20, 60, 5


@dataclass(frozen=True)
class Drift:
    """Unknown columns of one file, with the number of their rows, and missing ones."""

    file: str
    new: tuple[str, ...]
    new_rows: int
    missing: tuple[str, ...]


def expected_columns(entity: Entity, contract: Contract) -> list[str]:
    """The shop's columns that each file should have, at least in some row.

    JSON may leave out empty values: there, only columns of required ones are expected.
    """
    if entity.format != "json":
        return source_columns(entity.origins.values())
    return required_columns(entity, contract)


def required_columns(entity: Entity, contract: Contract) -> list[str]:
    """The shop's columns that every row needs to fulfil the contract.

    Of an expression these are all columns that it reads, unless JSON may leave some of them out.
    """
    required = {WHERE, *(column.name for column in contract.columns if column.required)}
    origins = [origin for name, origin in entity.origins.items() if name in required]
    if entity.format == "json":
        origins = [origin for origin in origins if origin.column or origin.columns]
    return source_columns(origins)


def with_drift(rows: DataFrame, entity: Entity, contract: Contract) -> DataFrame:
    """Add the names of a row's new and missing columns; NULL where the row cannot be read."""
    is_read = ~F.col(MALFORMED) & F.col("fault").isNull()
    new = F.array_except(_reportable_columns(entity), _names(known_columns(entity)))
    expected = expected_columns(entity, contract)
    missing = F.array_except(_names(expected), F.col(KEYS))
    if entity.lines is not None:  # an order without lines lacks none of theirs
        start = f"{entity.lines}."
        of_order = F.array_except(_names([n for n in expected if not n.startswith(start)]), KEYS)
        has_array = F.array_contains(KEYS, start.partition(".")[0])
        missing = F.when(F.col(ITEM).isNull() & has_array, of_order).otherwise(missing)
    return rows.withColumns({NEW: F.when(is_read, new), MISSING: F.when(is_read, missing)})


def known_columns(entity: Entity) -> list[str]:
    """The shop's columns that are mapped, ignored or given by names, and objects around them."""
    names = {*source_columns(entity.origins.values()), *entity.ignored, *entity.name_columns}
    if entity.lines is not None:
        names |= {entity.lines, f"{entity.lines}.{NUMBER}"}
    return sorted(names | prefixes(names) if entity.format != "csv" else names)


def _reportable_columns(entity: Entity) -> Column:
    """A row's columns, as messages may name them.

    Without any known column, a row stands in the place of a file's header, or an object is keyed by
    something else than columns. Its names may be personal data, and are not reported.
    """
    is_strange = (F.size(KEYS) > 0) & ~F.arrays_overlap(KEYS, _names(known_columns(entity)))
    return F.when(is_strange, _names([UNLIKE])).otherwise(F.col(KEYS))


def drift_reasons(entity: Entity) -> list[Column]:
    """Reasons to reject rows with a drift, where the entity rejects them."""
    if entity.drift != "discard_row":
        return []
    new = F.concat(
        F.lit("new column: should be mapped or ignored, received "), F.array_join(_cut(NEW), ", ")
    )
    reasons = [F.when(F.size(NEW) > 0, new)]
    if entity.format != "json":
        absent = F.concat(F.lit("missing column: should be "), F.array_join(MISSING, ", "))
        reasons.append(F.when(F.size(MISSING) > 0, absent))
    return reasons


def drift_aggregates(entity: Entity, contract: Contract) -> list[Column]:
    """Inputs of `drifts_of` per file, whatever the number of its rows."""
    counts = ~F.col(IS_LEFT_OUT) if entity.format == "json" else F.lit(True)
    if entity.lines is not None:  # an order whose array goes by another name has no lines
        counts = counts | F.col(ITEM).isNull()
    seen = F.when(counts, F.col(MISSING))
    missing = [
        F.when(F.bool_and(F.array_contains(seen, name)), F.lit(name))
        for name in expected_columns(entity, contract)
    ]
    none = F.lit(None).cast("string")
    return [
        F.count_if(F.size(NEW) > 0).alias("new_rows"),
        F.max(F.struct(F.size(NEW).alias("n"), _cut(NEW).alias("names"))).alias("new"),
        F.array_compact(F.array(*missing, none)).alias("missing"),
        F.count(seen).alias("seen_rows"),
    ]


def drifts_of(files: Collection[Row], entity: Entity) -> list[Drift]:
    """The drifts among files that were aggregated by `drift_aggregates`, by file."""
    read = [{*row["missing"]} for row in files if row["seen_rows"]]
    nowhere = set.intersection(*read) if read else set()
    may_lack = entity.format == "json" and entity.drift != "freeze"
    found = []
    for row in files:
        is_small = may_lack and row["seen_rows"] <= FEW
        missing = [name for name in row["missing"] if name in nowhere or not is_small]
        if missing or row["new_rows"]:
            new = tuple(row["new"]["names"] or ())
            found.append(Drift(row["source_file"], new, row["new_rows"], tuple(missing)))
    return found


def assert_columns(
    entity: Entity, contract: Contract, drifts: Collection[Drift], rows: DataFrame
) -> tuple[str, ...]:
    """Descriptions of the drifts, for warnings.

    Args:
        entity: configuration of its delivery.
        contract: of the silver table.
        drifts: of its files.
        rows: the delivered rows, to name the columns found.

    Raises:
        InputError: a file lacks a required column, or drifts where the entity is frozen.
    """
    required = set(required_columns(entity, contract))
    stopping = [d for d in drifts if entity.drift == "freeze" or required & set(d.missing)]
    if stopping:
        raise InputError(_refusal(entity, contract, stopping, rows))
    return tuple(_descriptions(drifts))


def _refusal(entity: Entity, contract: Contract, drifts: list[Drift], rows: DataFrame) -> str:
    name = contract.name.removeprefix("silver.")
    shown = drifts[:FILES_SHOWN]
    found = _found_in(rows, entity, [drift.file for drift in shown])
    lines = [
        f"  {drift.file}: {_sides(drift)}; found: {_listed(found.get(drift.file, ()))}"
        for drift in shown
    ]
    if len(drifts) > FILES_SHOWN:
        lines.append(f"  and {len(drifts) - FILES_SHOWN} more files")
    listed = "\n".join(lines)
    rule = f" and no others, as `drift: {entity.drift}` says" if entity.drift == "freeze" else ""
    return (
        f"Files of {name} should have the columns that shop.entities.{name} names{rule}. "
        f"Received:\n{listed}\nDeliver them again, or change the entity's `columns`, `ignored` or "
        f"`drift`; bronze.{name} has the rows as delivered, nothing else of {name} was written."
    )


def _sides(drift: Drift) -> str:
    sides = [("missing", drift.missing), ("new", drift.new)]
    return "; ".join(f"{side}: {_listed(names)}" for side, names in sides if names)


def _descriptions(drifts: Collection[Drift]) -> Iterator[str]:
    """One text for the same drift of any number of files."""
    by_new: dict[tuple[str, ...], list[Drift]] = {}
    by_missing: dict[tuple[str, ...], list[Drift]] = {}
    for drift in drifts:
        by_new.setdefault(drift.new, []).append(drift)
        by_missing.setdefault(drift.missing, []).append(drift)
    for names, alike in by_new.items():
        if names:
            rows = sum(drift.new_rows for drift in alike)
            yield (
                f"new columns: {_listed(names)}, in {rows} rows of {_files(alike)}; "
                "map them, or list them under `ignored`"
            )
    for names, alike in by_missing.items():
        if names:
            yield f"missing columns: {_listed(names)}, in {_files(alike)}"


def _files(drifts: list[Drift]) -> str:
    more = f" and {len(drifts) - 1} more files" if len(drifts) > 1 else ""
    return f"{drifts[0].file}{more}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(name if name.isprintable() and name else repr(name) for name in names)


def _found_in(rows: DataFrame, entity: Entity, files: list[str]) -> dict[str, list[str]]:
    """The columns of the files, each by its row with the most."""
    raw = rows.where(F.col("source_file").isin(files)).select("source_file", "raw", "header")
    most = F.max(
        F.struct(F.size(KEYS).alias("n"), _cut(_reportable_columns(entity)).alias("names"))
    )
    found = with_text(with_elements(raw, entity), entity).groupBy("source_file").agg(most).collect()
    return {row[0]: row[1]["names"] for row in found}


def _names(names: Collection[str]) -> Column:
    return F.array(*map(F.lit, names)).cast("array<string>")


def _cut(names: str | Column) -> Column:
    """The first of the names, none of them long: they come from files that may hold anything."""
    return F.transform(
        F.slice(names, 1, NAMES_SHOWN), lambda name: F.left(name, F.lit(LETTERS_SHOWN))
    )
