"""Steps that several tables share, each from DataFrame to DataFrame or Column."""

from collections.abc import Sequence
from datetime import date

import pandas as pd
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE

FIXED_POINT_SCALE = (
    2**20
)  # the fixed-point 1 of weights that are summed: sums of integers have no order


def latest_versions(versions: DataFrame, key: Sequence[str]) -> DataFrame:
    """The newest version of each key: what was known after the last day in `versions`."""
    newest_first = W.partitionBy(*key).orderBy(F.col(BUSINESS_DATE).desc())
    return (
        versions.withColumn("_age", F.row_number().over(newest_first))
        .where(F.col("_age") == 1)
        .drop("_age")
    )


def rows_of_newest_day(rows: DataFrame) -> list[Row]:
    """The rows of the last business date there is, of a table whose rows are few."""
    found = rows.collect()
    newest = max((row[BUSINESS_DATE] for row in found), default=None)
    return [row for row in found if row[BUSINESS_DATE] == newest]


def sorted_frame(rows: DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Rows as pandas has them, by their unique key: sorted here, they are computed once.

    Spark's own sort computes all rows to find the borders of its partitions, then again.
    """
    return rows.toPandas().sort_values(list(key), ignore_index=True)


def age_in_days(day: date, event_date: str = "event_date") -> Column:
    """Days from the event to `day`; 0 on the day itself."""
    return F.date_diff(F.lit(day), F.col(event_date))


def decayed(age: Column, half_life_days: float) -> Column:
    """The weight of something `age` days old, 2^(-age / half-life), in units of 1 / ONE."""
    return F.round(F.pow(F.lit(2.0), -age / F.lit(half_life_days)) * F.lit(FIXED_POINT_SCALE)).cast(
        "bigint"
    )


def bounded(value: Column, least: float, most: float) -> Column:
    """The value within bounds. NULL for NULL and NaN: a fault of ours stays one for the audit."""
    within = F.least(F.greatest(value, F.lit(least)), F.lit(most))
    return F.when(value.isNotNull() & ~F.isnan(value), within)


def in_parts(name: str, parts: int) -> Column:
    """A decimal in its smallest parts: sums of integers are several times as fast.

    A double holds every number of the column exactly enough to be rounded to its part.
    """
    return F.rint(F.col(name).cast("double") * parts).cast("bigint")


def net_of_refunds(entries: Column, days: int) -> Column:
    """What is left of the sums of the last `days` days; a refund takes from the newest before it.

    So a sum and its refund leave nothing, and a refund of older sums takes nothing from later
    ones. It is the largest sum of the newest days, however many, or 0.

    Args:
        entries: array of structs of `age` and `net`, a bigint, in any order. An age has one sum,
            or one sum and one refund.
        days: ages below it count.
    """
    newest_first = F.array_sort(F.filter(entries, lambda entry: entry["age"] < days))
    nothing = F.lit(0).cast("bigint")

    def added(sums: Column, entry: Column) -> Column:
        total = sums["total"] + entry["net"]
        return F.struct(total.alias("total"), F.greatest(sums["best"], total).alias("best"))

    start = F.struct(nothing.alias("total"), nothing.alias("best"))
    return F.aggregate(newest_first, start, added, lambda sums: sums["best"])


def is_nth(key: str, every: int) -> Column:
    """True of one row in `every`, by a hash of its key: the same rows however they are divided."""
    return F.pmod(F.xxhash64(key), F.lit(every)) == 0


def top_per(rows: DataFrame, group: Sequence[str], order: Sequence[Column], k: int) -> DataFrame:
    """The first `k` rows of each group, with their `rank` from 1. `order` must leave no ties."""
    best_first = W.partitionBy(*group).orderBy(*order)
    return rows.withColumn("rank", F.row_number().over(best_first)).where(F.col("rank") <= k)
