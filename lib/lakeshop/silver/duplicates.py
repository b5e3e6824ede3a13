"""Duplicates: one delivered row counts of several with the same key.

Of events the first delivery within the look-back counts. Of versions of an entity the newest of a
day counts, and only if it changed something. A range of days gives the same result as its days one
after the other.
"""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.transforms import latest_versions
from lakeshop.sources.json_rows import ITEM

VALID = "is_valid"
DUPLICATE = "is_duplicate"
_PLACE = ("source_file", "source_line", ITEM)


def _place(rows: DataFrame) -> list[str]:
    """Columns of a row's place in its delivery; only where arrays are opened it has an item."""
    return [name for name in _PLACE if name in rows.columns]


def with_repeated_events(
    rows: DataFrame, accepted: DataFrame, key: Sequence[str], *, look_back_days: int
) -> DataFrame:
    """Add `is_duplicate`: the key was accepted within the look-back, or stands in an earlier row.

    Args:
        rows: rows of a range of at most `look_back_days` days, with file and line; only rows with
            `is_valid` take part.
        accepted: rows of the same table accepted before the range.
        key: columns of the key.
        look_back_days: maximal age of an earlier acceptance.
    """
    mine = accepted.join(rows.select(*key).distinct(), on=list(key), how="left_semi")
    before = mine.groupBy(*key).agg(F.max(BUSINESS_DATE).alias("accepted_on"))
    is_new = F.col("accepted_on").isNull() | (
        F.col(BUSINESS_DATE) > F.date_add("accepted_on", look_back_days)
    )
    in_order = W.partitionBy(*key, "_is_open").orderBy(BUSINESS_DATE, *_place(rows))
    # Within such a range, once a key is accepted no later row of it is open again.
    return (
        rows.join(before, on=list(key), how="left")
        .withColumn("_is_open", F.col(VALID) & is_new)
        .withColumn("_place", F.row_number().over(in_order))
        .withColumn(DUPLICATE, F.col(VALID) & (~F.col("_is_open") | (F.col("_place") > 1)))
        .drop("accepted_on", "_is_open", "_place")
    )


def with_unchanged_versions(
    rows: DataFrame, known: DataFrame, key: Sequence[str], content: Sequence[str]
) -> DataFrame:
    """Add `is_duplicate`: not the day's newest version of its key, or nothing changed by it.

    Args:
        rows: rows of a range of days, with file and line; only rows with `is_valid` take part.
        known: versions of the same table accepted before the range.
        key: columns of the key.
        content: the other columns, which make a version; `updated_at` decides which is newest.
    """
    newest = [F.col("updated_at").desc_nulls_last()] if "updated_at" in content else []
    of_day = W.partitionBy(*key, BUSINESS_DATE, VALID).orderBy(
        *newest, *[F.col(c).desc() for c in _place(rows)]
    )
    columns = [*key, BUSINESS_DATE, *content]
    ranked = rows.withColumn("_rank", F.row_number().over(of_day))
    before = latest_versions(known, key).select(
        *columns, F.lit(0).alias("_rank"), F.lit(True).alias(VALID)
    )
    current = ranked.unionByName(before, allowMissingColumns=True)
    # Only the day's newest rows follow one another; all others are duplicates anyway.
    line = W.partitionBy(*key, VALID, F.col("_rank") <= 1).orderBy(BUSINESS_DATE)
    version = F.struct(*content) if content else F.lit(True)
    return (
        current.withColumn("_before", F.lag(version).over(line))
        .where(F.col("_rank") > 0)
        .withColumn(
            DUPLICATE,
            F.col(VALID)
            & (
                (F.col("_rank") > 1)
                | (F.col("_before").isNotNull() & version.eqNullSafe(F.col("_before")))
            ),
        )
        .drop("_rank", "_before")
    )
