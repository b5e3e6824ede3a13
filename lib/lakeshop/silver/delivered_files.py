"""Files of a delivery: those that cannot be read, and those that hold the same rows as another.

Their figures are found with the outcomes of the rows, in the same pass.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from lakeshop.config.shop import MEASURES, Entity
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.engine.run import Run
from lakeshop.sources.json_rows import ITEM, is_array

SHOWN = 3  # files
LETTERS_SHOWN = 200  # of a fault
AGAIN = timedelta(days=7)  # before a delivery, in which the same file is looked for
LEAST = 2  # rows; two files with one row may be equal by chance

Contents = Mapping[str, tuple[int, ...]]


def file_aggregates(entity: Entity, columns: Iterable[str]) -> list[Column]:
    """Inputs of `unreadable_files` and `contents_of_files`, by file."""
    array = is_array("raw") if entity.format == "json" else F.lit(False)
    return [
        F.bool_or(F.col("source_line") == 0).alias("is_unreadable"),
        F.min(F.when(F.col("source_line") == 0, F.col("fault"))).alias("fault"),
        F.coalesce(F.bool_or(array), F.lit(False)).alias("has_array"),
        F.count("*").alias("n_rows"),
        *content_aggregates(columns),
    ]


def content_aggregates(columns: Iterable[str]) -> list[Column]:
    """The digest of a file's rows as delivered, in any order: a record that is opened is one."""
    first = F.coalesce(F.col(ITEM), F.lit(1)) == 1 if ITEM in columns else F.lit(True)
    found = F.when(first & F.col("raw").isNotNull(), F.xxhash64("raw"))
    high, low = F.shiftright(found, 32), found.bitwiseAND(F.lit(2**32 - 1))
    return [F.count(found).alias("n_raw"), F.sum(high).alias("high"), F.sum(low).alias("low")]


def unreadable_files(files: Iterable[Row], bad: str) -> dict[str, str]:
    """The files that cannot be read, each with its fault.

    One that holds an array in place of an object a line is one of them, unless it has other rows
    that are not `bad`.
    """
    array = "file should hold one object a line, received an array on a line"
    found = {}
    for file in files:
        if file["is_unreadable"]:
            found[file["source_file"]] = file["fault"] or "file should be readable"
        elif file["has_array"] and file["n_rows"] == file[bad]:
            found[file["source_file"]] = array
    return found


def unreadable_warnings(faults: Mapping[str, str], total: int) -> Iterator[str]:
    """A warning of files that cannot be read, with some of their faults."""
    if faults:
        listed = [f"{n}: {fault[:LETTERS_SHOWN]}" for n, fault in sorted(faults.items())[:SHOWN]]
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        yield (
            f"files that cannot be read: {len(faults)} of {total}: {'; '.join(listed)}{more}; "
            "deliver them again"
        )


def contents_of_files(files: Iterable[Row]) -> dict[str, tuple[int, ...]]:
    """The contents of files with several rows, by name."""
    return {
        file["source_file"]: (file["n_raw"], file["high"], file["low"])
        for file in files
        if file["n_raw"] >= LEAST
    }


def has_ids(contract: Contract) -> bool:
    """Return whether rows are events with an id: equal ones may each count, or be one."""
    return contract.rows == "event" and len(contract.key) == 1


def twin_warnings(contents: Contents, before: Contents) -> Iterator[str]:
    """Warnings of files that hold the same rows, in any order, as another one.

    Args:
        contents: of the files of a delivery.
        before: of files of earlier days.
    """
    known = {content: name for name, content in sorted(before.items(), reverse=True)}
    pairs = []
    for name, content in sorted(contents.items()):
        if known.setdefault(content, name) != name:
            pairs.append(f"{name} and {known[content]}")
    if pairs:
        more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
        yield (
            f"files with the same rows: {', '.join(pairs[:SHOWN])}{more}; where ids name the day "
            "or are generated, each row counts twice. If one is there by mistake, put an empty "
            "file in its place and run its day again"
        )


def repeated_files(
    run: Run, contract: Contract, first: date, last: date, contents: Contents
) -> tuple[str, ...]:
    """Warnings of files that hold the same rows as another one of the range or the days before.

    Of the days before, those alone are looked at that have as many rows as a day or a file now.
    """
    name = contract.name.removeprefix("silver.")
    if not has_ids(contract) or run.settings.shop.entities[name].jdbc is not None:
        return ()
    table = f"bronze.{name}"
    numbers = {*run.ledger.rows_by_day(table, first, last).values()}
    numbers |= {content[0] for content in contents.values()}
    earlier = run.ledger.rows_by_day(table, first - AGAIN, first - timedelta(days=1))
    days = [day for day, rows in earlier.items() if rows >= LEAST and rows in numbers]
    before: Contents = {}
    if days and contents:
        rows = run.lake.read(table, min(days), max(days))
        rows = rows.where(F.col(BUSINESS_DATE).isin(*days))
        found = rows.groupBy("source_file").agg(*content_aggregates(rows.columns)).collect()
        before = {n: c for n, c in contents_of_files(found).items() if n not in contents}
    return tuple(twin_warnings(contents, before))


def equal_rows_warning(
    number: int, name: str, key: Sequence[str], entity: Entity
) -> tuple[str, ...]:
    """A warning of events that equal another one of their file, or none.

    An id that the shop gives in one column tells a row that is delivered twice.

    Args:
        number: of such rows.
        name: of the entity.
        key: columns of its contract's key.
        entity: how it is delivered.
    """
    has_id = len(key) == 1
    if not number or (has_id and entity.columns[key[0]].column is not None):
        return ()
    ways = ["have the id generated"] if has_id else []
    ways += ["set on_conflict: sum"] if name in MEASURES else []
    return (
        f"{number} rows equal another one of the same file and count once; if each counts, "
        f"{' or '.join(ways)}",
    )
