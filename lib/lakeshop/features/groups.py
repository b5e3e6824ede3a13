"""Groups of users by what the shop knows of them, for figures that are compared by group."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.transforms import latest_versions
from lakeshop.ml.groups import GROUPS


def groups_of(users: DataFrame) -> DataFrame:
    """user_id and the columns of `GROUPS`, NULL where the shop does not know it.

    Args:
        users: rows of silver.users, of which the newest of each user counts.
    """
    named = [F.col(column).alias(group) for group, column in GROUPS.items()]
    return latest_versions(users, ["user_id"]).select("user_id", *named)
