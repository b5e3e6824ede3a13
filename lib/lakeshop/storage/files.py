"""Upkeep of Delta tables; what tables hold is written by `lakeshop.storage.lake` alone.

Rows are deleted by a join with a frame, never by a literal: Delta keeps predicates in its log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE, within
from lakeshop.storage.content import comparable
from lakeshop.storage.file_list import days_within
from lakeshop.storage.file_system import list_files, remove_folder
from lakeshop.storage.lake import Lake

UPKEEP = "upkeep"  # noted in commits


@dataclass(frozen=True)
class File:
    """A file of a table's newest version: its bytes and the first and last day in it."""

    size: int
    first: date
    last: date


def version(lake: Lake, table: str) -> int:
    """The newest version, which upkeep may just have made."""
    return int(lake.snapshot(table).version())


def is_empty(lake: Lake, table: str) -> bool:
    """Return whether the newest version has no file."""
    return int(lake.snapshot(table).numOfFiles()) == 0


def files_of(lake: Lake, table: str) -> list[File]:
    """The files of the newest version, by their days."""
    found = DataFrame(lake.snapshot(table).allFiles().toDF(), lake.spark)
    rows = found.select(
        "size", "stats", F.col("partitionValues")[BUSINESS_DATE].alias(BUSINESS_DATE)
    ).collect()
    return sorted(
        (file for row in rows if (file := _file(row["size"], row["stats"], row[BUSINESS_DATE]))),
        key=lambda file: (file.first, file.last),
    )


def _file(size: int, stats: str | None, day: str | None) -> File | None:
    """None where the log does not know the days."""
    first, last = days_within(stats, day)
    if first is None or last is None:
        return None
    return File(size, date.fromisoformat(first), date.fromisoformat(last))


def identified(lake: Lake, table: str, rows: DataFrame, on: Sequence[str]) -> DataFrame:
    """Distinct values of some columns, as `delete` compares them: what is nested as text."""
    kinds = lake.contract(table).schema(*on)
    values = [comparable(F.col(f.name), f.dataType).alias(f.name) for f in kinds]
    return rows.select(*values).distinct()


def delete(lake: Lake, table: str, doomed: DataFrame, on: Sequence[str]) -> None:
    """Delete the rows whose columns `on`, NULL or not, are those of a row of `doomed`.

    Args:
        lake: the lake.
        table: the table.
        doomed: as from `identified` where a column is nested.
        on: names of the columns.
    """
    same = reduce(
        lambda one, other: one & other,
        (
            comparable(F.col(f"row.{field.name}"), field.dataType).eqNullSafe(
                F.col(f"doomed.{field.name}")
            )
            for field in lake.contract(table).schema(*on)
        ),
    )
    rows = DeltaTable.forPath(lake.spark, lake.path(table)).alias("row")
    with lake.commit_lock():
        rows.merge(doomed.alias("doomed"), same).whenMatchedDelete().execute()


def delete_before(lake: Lake, table: str, day: date) -> None:
    """Delete the rows filed before a day."""
    with lake.commit_lock():
        DeltaTable.forPath(lake.spark, lake.path(table)).delete(F.col(BUSINESS_DATE) < F.lit(day))


def empty_rounds(lake: Lake, table: str, trainings: DataFrame) -> None:
    """Empty the weights of all rounds of the trainings but those of their ends."""
    same = F.col("row.training_id") == F.col("done.training_id")
    is_full = ~F.col("row.is_finished") & (F.length("row.weights") > 0)
    empty: dict[str, str | Column] = {"weights": F.lit(b""), "slots": F.lit(b"")}
    rows = DeltaTable.forPath(lake.spark, lake.path(table)).alias("row")
    with lake.commit_lock():
        merge = rows.merge(trainings.alias("done"), same)
        merge.whenMatchedUpdate(is_full, set=empty).execute()


def compact(lake: Lake, table: str, first: date, last: date) -> None:
    """Put all rows of a stretch of days into one file, or one per partition; no row changes.

    OPTIMIZE would fill files by their size, days mixed, the newest among them: then a day that is
    redone would rewrite them all, and statistics would no longer lead to a day.
    """
    days = within(first, last)
    rows = lake.read_raw(table).where(days).coalesce(1)
    writer = rows.write.format("delta").mode("overwrite").option("userMetadata", UPKEEP)
    with lake.commit_lock():
        writer.options(replaceWhere=days).save(lake.path(table))


def set_durations(lake: Lake, table: str, *, keep_days: int, log_days: int) -> None:
    """Set the days for which a table keeps its log, and files of older versions."""
    wanted = {
        "delta.deletedFileRetentionDuration": f"interval {keep_days} days",
        "delta.logRetentionDuration": f"interval {log_days} days",
    }
    changed = dict(wanted.items() - lake.properties(table).items())
    if changed:
        pairs = ", ".join(f"'{name}' = '{value}'" for name, value in sorted(changed.items()))
        with lake.commit_lock():
            lake.spark.sql(f"ALTER TABLE delta.`{lake.path(table)}` SET TBLPROPERTIES ({pairs})")


def vacuum(lake: Lake, table: str) -> None:
    """Remove files that no version of the kept time needs, those of killed runs among them."""
    # Else ten thousand tasks list the folder.
    tasks = lake.spark.sparkContext.defaultParallelism * 4
    lake.spark.conf.set("spark.sql.sources.parallelPartitionDiscovery.parallelism", tasks)
    with lake.commit_lock():
        lake.spark.sql(f"VACUUM delta.`{lake.path(table)}` FULL")


def unknown_tables(lake: Lake) -> list[str]:
    """Return the names of tables that lie below the lake and that no contract knows."""
    root = lake.root.rstrip("/")
    found = list_files(lake.spark, root, "*/*/_delta_log", with_hidden=True)
    names = {".".join(status.name.split("/")[:2]) for status in found}
    twins = {f"{c.name}_latest" for c in lake.contracts.values() if c.has_latest_twin}
    return sorted(names - set(lake.contracts) - twins)


def drop(lake: Lake, table: str) -> None:
    """Remove a table with all its files."""
    with lake.commit_lock():
        remove_folder(lake.spark, lake.path(table))


def size(lake: Lake, table: str) -> int:
    """Bytes of all data files in the table's folder, whatever version needs them."""
    folders = lake.spark._jvm.org.apache.hadoop.fs.Path  # type: ignore[union-attr]
    root = folders(lake.path(table))
    files = root.getFileSystem(lake.spark._jsc.hadoopConfiguration())
    log = files.getContentSummary(folders(root, "_delta_log"))
    return int(files.getContentSummary(root).getLength() - log.getLength())
