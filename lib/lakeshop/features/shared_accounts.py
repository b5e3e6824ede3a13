"""Users who are hardly persons, such as one account of all walk-ins: told of, never left out.

Counted over the look-back, from features.users alone. An account is told of where chance does not
explain its share: it has as many lines as ten average others, or five times the limit. The fewer
its days are, the more it must have: one large basket may be much of a single day.
"""

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

LEAST_USERS, LEAST_LINES, LEAST_DAYS = 10, 30, 5
TIMES_OTHERS, TIMES_LIMIT = 10, 5
_MOST_DAYS = 2**10  # above each number of visit days
_LINES = "CAST(round(visit_days * lines_per_visit) AS BIGINT)"


def accounts() -> Column:
    """An aggregate over features.users: the most lines with their days, all lines, users."""
    days = f"least(visit_days, {_MOST_DAYS - 1})"
    return F.struct(
        F.max(F.expr(f"{_LINES} * {_MOST_DAYS} + {days}")).alias("most"),
        F.sum(F.expr(_LINES)).alias("lines"),
        F.count("*").alias("users"),
    )


def shared_account(limit: float, found: Any, users: DataFrame) -> str | None:
    """Warn of the user with most lines, if that is hardly a person.

    Args:
        limit: share of all lines, 0 to 1, that is told of.
        found: value of `accounts`.
        users: the rows that it was found in.
    """
    most, days = divmod(found["most"] or 0, _MOST_DAYS)
    if found["users"] < LEAST_USERS or most < LEAST_LINES:
        return None
    others = (found["lines"] - most) / (found["users"] - 1)
    share = most / found["lines"]
    stands_out = most >= TIMES_OTHERS * others or share > TIMES_LIMIT * limit
    if share <= limit * max(1.0, LEAST_DAYS / days) or not stands_out:
        return None
    user = users.where(F.expr(_LINES) == most).agg(F.min("user_id")).collect()[0][0]
    return (
        f"user {user} has {share:.0%} of all lines of users ({most} of {found['lines']}, on {days} "
        "days), hardly as a person. If many share this account, list the shop's own id (see "
        "restricted.user_keys) under shop.shared_accounts: its lines count as guests' from then on"
    )
