"""A day of one table as the whole of another, in one commit: files are copied, no row is read.

To write the rows again takes three jobs of Spark and the CPU of the first writing. The tables have
the same columns, and so the same rules, which hold for rows that are published.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

from pyspark.sql import SparkSession

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.storage.file_list import days_within, files_of_days

File: TypeAlias = dict[str, Any]  # what Delta says of a file that it adds

MOST_BYTES = 256 * 1024 * 1024  # copied by the driver alone; tasks write more, side by side


def copied_as_whole(
    spark: SparkSession,
    contract: Contract,
    day: date,
    source: tuple[Any, str],
    target: tuple[Any, str],
    *,
    run_id: str,
) -> bool:
    """Have the target hold the files of a day, and no others.

    Args:
        spark: the session.
        contract: of both tables, but for their names.
        day: a business date.
        source: Delta's snapshot of the table that holds the day, and its folder.
        target: Delta's log of the other table, and its folder.
        run_id: noted in the commit.

    Returns:
        Whether it does. It does not where the day's files hold other days too, or more than
        MOST_BYTES, or lie outside of the source's folder.
    """
    jvm: Any = spark._jvm
    (snapshot, source_folder), (log, target_folder) = source, target
    listed = _listed(spark, snapshot, contract, day)
    files: list[File] = [json.loads(file.json())["add"] for file in listed]
    if not all(_is_of(file, day) and _is_plain(file) for file in files):
        return False
    if sum(file["size"] for file in files) > MOST_BYTES:
        return False
    nothing = jvm.scala.Option.empty()
    transaction = log.startTransaction(nothing, nothing)
    transaction.readWholeTable()
    _lay_out_alike(spark, transaction, snapshot)
    actions = jvm.java.util.ArrayList()
    for file in _listed(spark, transaction.snapshot(), contract):
        actions.add(file.remove())
    for file in files:
        _copy(spark, f"{source_folder}/{file['path']}", f"{target_folder}/{file['path']}")
        # What is listed says of itself that it changes nothing.
        actions.add(_action(spark, {"add": file | {"dataChange": True}}))
    noted, overwrite = jvm.scala.Option.apply(run_id), jvm.org.apache.spark.sql.SaveMode.Overwrite
    write = getattr(jvm.org.apache.spark.sql.delta, "DeltaOperations$Write")
    operation = write(overwrite, nothing, nothing, noted, *[nothing] * 5)
    converters = jvm.scala.jdk.javaapi.CollectionConverters
    transaction.commit(converters.asScala(actions).toSeq(), operation)
    return True


def _listed(spark: SparkSession, snapshot: Any, contract: Contract, day: date | None = None) -> Any:
    converters: Any = spark._jvm.scala.jdk.javaapi.CollectionConverters  # type: ignore[union-attr]
    return converters.asJava(files_of_days(spark, snapshot, contract, day, day))


def _is_of(file: File, day: date) -> bool:
    """Return whether a file is known to hold rows of a day alone."""
    held = days_within(file.get("stats"), file["partitionValues"].get(BUSINESS_DATE))
    return held == (f"{day}", f"{day}")


def _is_plain(file: File) -> bool:
    """Return whether a file lies in its table's folder, under its own name, with all its rows."""
    path = file["path"]
    is_below = not path.startswith("/") and ":" not in path and "%" not in path
    return is_below and file.get("deletionVector") is None


def _action(spark: SparkSession, said: Mapping[str, Any]) -> Any:
    actions: Any = spark._jvm.org.apache.spark.sql.delta.actions  # type: ignore[union-attr]
    return actions.Action.fromJson(json.dumps(said))


def _lay_out_alike(spark: SparkSession, transaction: Any, snapshot: Any) -> None:
    """Give the target the source's columns and partitions, which its files rely on."""
    ours, theirs = (
        json.loads(held.metadata().json())["metaData"] for held in (transaction, snapshot)
    )
    layout = {name: theirs[name] for name in ("schemaString", "partitionColumns")}
    if not layout.items() <= ours.items():
        transaction.updateMetadataForTableOverwrite(_action(spark, {"metaData": ours | layout}))


def _copy(spark: SparkSession, source: str, target: str) -> None:
    """Copy a file; what a killed run has left under its name is replaced."""
    hadoop: Any = spark._jvm.org.apache.hadoop.fs  # type: ignore[union-attr]
    settings = spark._jsc.hadoopConfiguration()
    start, end = hadoop.Path(source), hadoop.Path(target)
    hadoop.FileUtil.copy(
        *(start.getFileSystem(settings), start, end.getFileSystem(settings), end),
        *(False, True, settings),
    )
