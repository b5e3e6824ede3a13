"""Figures of our lists by groups of users, so that nobody is served worse unseen.

The groups are those of fraud, and thirds of users by the days on which they bought. A segment names
list and group, such as `new activity low`.
"""

import math
from collections.abc import Iterator

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.metrics import Figure
from lakeshop.engine.transforms import FIXED_POINT_SCALE
from lakeshop.features.groups import groups_of
from lakeshop.ml.groups import GROUPS, LEAST_GROUP, Sums, gap, segment
from lakeshop.recommendations.methods import OURS

ACTIVITY = "group_activity"
JOINED = "shuffle_hash"  # users grow with the shop: to broadcast them is a job and memory of each


def user_groups(users: DataFrame, versions: DataFrame) -> DataFrame:
    """user_id, groups: the names of all groups of each user, such as `age 25-34`.

    Args:
        users: rows of features.users.
        versions: rows of silver.users; a user without a row has an activity alone.
    """
    named = [F.concat(F.lit(segment(name, "")), F.col(name)) for name in (*GROUPS, ACTIVITY)]
    return (
        users.select("user_id", _activity(users).alias(ACTIVITY))
        .join(groups_of(versions).hint(JOINED), on="user_id", how="left")
        .select("user_id", F.array_compact(F.array(*named)).alias("groups"))
    )


def _activity(users: DataFrame) -> Column:
    """The third of a user by visit days of 84 days; equal users are in the same, the lower one."""
    cuts = F.percentile("visit_days_long", F.array(F.lit(1 / 3), F.lit(2 / 3)))
    found = users.agg(cuts).first()
    low, middle = (found and found[0]) or (0.0, 0.0)  # nothing of no users
    visits = F.col("visit_days_long")
    return F.when(visits <= low, "low").when(visits <= middle, "middle").otherwise("high")


def with_groups(rows: DataFrame, groups: DataFrame) -> DataFrame:
    """Rows of all methods, and ours again under each group of their user.

    Args:
        rows: have method, list and user_id.
        groups: as from `user_groups`.
    """
    named = F.transform("groups", lambda group: F.concat_ws(" ", "list", group))
    # One join of all rows: to union rows with some of them again would compute these anew.
    nothing = F.array().cast("array<string>")
    every = F.coalesce(F.when(F.col("method") == OURS, named), nothing)
    joined = rows.join(groups.hint(JOINED), on="user_id", how="left")
    return joined.withColumn("list", F.explode(F.array_prepend(every, F.col("list")))).select(
        *rows.columns
    )


def group_figures(
    scores: DataFrame, groups: DataFrame, *, least: int = LEAST_GROUP
) -> list[Figure]:
    """Users and nDCG of ours in each list and group, and its gap to all other users of the list.

    Args:
        scores: as from `user_scores`.
        groups: as from `user_groups`.
        least: groups of fewer users who came are left out.
    """
    scale, is_group = F.lit(FIXED_POINT_SCALE), F.col("list").contains(" ")
    ndcg = F.col("ndcg")
    total, squares = (F.sum(F.rint(v * scale).cast("bigint")) for v in (ndcg, ndcg * ndcg))
    found = (
        with_groups(scores.where(F.col("method") == OURS), groups)
        .groupBy("list")
        .agg(F.count("*").alias("n"), total.alias("total"), squares.alias("squares"))
        .where(~is_group | (F.col("n") >= least))
        .collect()
    )
    sums = {
        row["list"]: Sums(
            row["n"], row["total"] / FIXED_POINT_SCALE, row["squares"] / FIXED_POINT_SCALE
        )
        for row in found
    }
    everybody = {name: name.partition(" ")[0] for name in sorted(sums) if " " in name}
    return [
        figure for name, of in everybody.items() for figure in _figures(name, sums[name], sums[of])
    ]


def _figures(name: str, group: Sums, everybody: Sums) -> Iterator[Figure]:
    found = gap(group, everybody)
    yield OURS, "users", name, float(group.n)
    yield OURS, "ndcg", name, group.mean
    for metric, value in (("", found.mean), ("_low", found.low), ("_high", found.high)):
        yield OURS, f"ndcg_gap{metric}", name, None if math.isnan(value) else value
