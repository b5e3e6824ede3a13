"""The files of a table's version that may hold rows of some days, as Delta lists them.

Delta's checksum of a version names all files where they are few, 2,000 by default. Where it does
not, or another engine wrote the version, a job of Spark finds them.
"""

import json
from datetime import date
from typing import Any

from pyspark.sql import SparkSession

from lakeshop.contracts.model import BUSINESS_DATE, Contract

MOST_LOOKED_AT = 500  # files, one by one, each by calls into the JVM


def files_of_days(
    spark: SparkSession, snapshot: Any, contract: Contract, first: date | None, last: date | None
) -> Any:
    """Return Scala's sequence of Delta's `AddFile`.

    Args:
        spark: the session.
        snapshot: Delta's snapshot of the table.
        contract: the table's.
        first: first day of interest, if any.
        last: last day of interest, if any.
    """
    converters = spark._jvm.scala.jdk.javaapi.CollectionConverters  # type: ignore[union-attr]
    named = _named_by_checksum(snapshot)
    if named is not None and first is None and last is None:
        return named.toSeq()
    if named is not None and named.size() <= MOST_LOOKED_AT:
        kept = spark._jvm.java.util.ArrayList()  # type: ignore[union-attr]
        for file in converters.asJava(named):
            if _may_hold(_days_of(file, contract), first, last):
                kept.add(file)
        return converters.asScala(kept).toSeq()
    files = snapshot.allFiles()
    for condition in _conditions(contract, first, last):
        files = files.filter(condition)
    return converters.asScala(files.collectAsList()).toSeq()


def _named_by_checksum(snapshot: Any) -> Any | None:
    """Return all files of the version, or None where its checksum does not name them."""
    checksum = snapshot.checksumOpt()
    if checksum.isEmpty() or checksum.get().allFiles().isEmpty():
        return None
    return checksum.get().allFiles().get()


def days_within(stats: str | None, day: str | None) -> tuple[str | None, str | None]:
    """Return the first and the last day of a file, None where Delta does not know.

    Args:
        stats: Delta's statistics of the file, JSON.
        day: the day of its partition, if any.
    """
    known = json.loads(stats or "{}")
    low, high = (known.get(f"{end}Values", {}).get(BUSINESS_DATE) for end in ("min", "max"))
    return day or low, day or high


def _days_of(file: Any, contract: Contract) -> tuple[str | None, str | None]:
    day = None
    if BUSINESS_DATE in contract.partition_by:
        held = file.partitionValues().get(BUSINESS_DATE)  # none in twins of older lakes
        day = held.get() if held.isDefined() else None
    return days_within(file.stats(), day)


def _may_hold(days: tuple[str | None, str | None], first: date | None, last: date | None) -> bool:
    low, high = days
    is_before = first is not None and high is not None and high < f"{first}"
    is_after = last is not None and low is not None and low > f"{last}"
    return not (is_before or is_after)


def _conditions(contract: Contract, first: date | None, last: date | None) -> list[str]:
    """The same as `_may_hold`, as conditions on Delta's table of files; none leaves all."""
    if BUSINESS_DATE in contract.partition_by:
        low = high = f"partitionValues['{BUSINESS_DATE}']"
    else:
        low, high = (
            f"get_json_object(stats, '$.{end}Values.{BUSINESS_DATE}')" for end in ("min", "max")
        )
    since = [f"coalesce({high} >= '{first}', true)"] if first else []
    return since + ([f"coalesce({low} <= '{last}', true)"] if last else [])
