"""Groups of users that figures are compared by: their names, and how far one is from all others."""

import math
from typing import NamedTuple

from lakeshop.ml.ranking import MIN_USERS, NORMAL_95, Interval

# What the shop knows of its users, by the column that a group is named in.
GROUPS = {"group_age": "age_band", "group_region": "region"}
PREFIX = "group_"
LEAST_GROUP = 100  # users, or genuine lines: a figure of fewer is chance


class Sums(NamedTuple):
    """Number of users, the sum of their values, and the sum of the squares of these."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return self.total / self.n

    @property
    def variance_of_mean(self) -> float:
        """The variance of the mean, by the sample's variance."""
        deviations = max(0.0, self.squares - self.total**2 / self.n)
        return deviations / (self.n - 1) / self.n


def segment(column: str, group: str) -> str:
    """Name the segment of a group: `age 25-34` of the column `group_age`."""
    return f"{column.removeprefix(PREFIX)} {group}"


def gap(group: Sums, everybody: Sums) -> Interval:
    """Mean of a group less that of all others, with its normal 95 % interval (Welch 1947).

    A group and all others have no user in common. All are NaN where either has fewer than 2 users.

    Args:
        group: its users, each with one value.
        everybody: the users of the group and all others.
    """
    n, total, squares = (all_of - own for all_of, own in zip(everybody, group, strict=True))
    others = Sums(int(n), total, squares)
    if min(group.n, others.n) < MIN_USERS:
        return Interval(*(float("nan"),) * 3, n=everybody.n)
    mean = group.mean - others.mean
    half = NORMAL_95 * math.sqrt(group.variance_of_mean + others.variance_of_mean)
    return Interval(mean, mean - half, mean + half, everybody.n)
