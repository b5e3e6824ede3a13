"""Forecasts of products, departments and the shop that add up.

Bottom-up sums do by themselves. Where departments and the shop were forecast for their own sake,
all levels are moved as little as their errors allow (Wickramasuriya, Athanasopoulos & Hyndman
2019): the sum of squared changes by variance is least, with the variance of a sum that of its
products added up. With the same variance for all products this is structural scaling. Written
with sums over groups: the matrix of the hierarchy is never made.
"""

import numpy as np
from numpy.typing import NDArray

from lakeshop.forecasting.panel import Floats

Integers = NDArray[np.int64]


def group_sums(means: Floats, group: Integers, n_groups: int) -> Floats:
    """Sums of the rows of each group, float64[n_groups, H], added in the order of rows.

    Rows in the same order give the same sums to the last bit; a group without rows has 0.
    """
    sums = np.zeros((n_groups, means.shape[1]))
    np.add.at(sums, group, means)
    return sums


def reconciled(
    products: Floats,
    departments: Floats,
    total: Floats,
    group: Integers,
    *,
    variance: Floats | None = None,
) -> Floats:
    """Means of products, float64[n, H], that take up what was forecast above them.

    Where a product would come out below 0 it is 0, and the others of its department make up for
    it, so that the department's sum is that of the solution, or 0 where that is less.

    Args:
        products: float64[n, H], forecast one by one.
        departments: float64[D, H], forecast as wholes.
        total: float64[H], forecast as a whole.
        group: int64[n], the department of each product.
        variance: of each product's error, float64[n], above 0 (say, its mean units); all the
            same unless given.
    """
    spread = np.ones(len(products)) if variance is None else variance
    n_groups = len(departments)
    of_group = group_sums(spread[:, None], group, n_groups)
    is_there = of_group > 0
    sums = group_sums(products, group, n_groups)
    lacking = np.where(is_there, departments - sums, 0.0)
    # Setting the gradient to 0 leaves one unknown, what the shop lacks by variance.
    whole = float(of_group.sum())
    if whole <= 0:
        return products.copy()
    of_shop = (total - sums.sum(axis=0) - lacking.sum(axis=0) / 2) / (1.5 * whole)
    change = (lacking / np.where(is_there, of_group, 1.0) + of_shop) / 2
    moved = products + spread[:, None] * change[group]
    wanted = np.maximum(group_sums(moved, group, n_groups), 0.0)
    kept = np.maximum(moved, 0.0)
    found = group_sums(kept, group, n_groups)
    factor = np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0)
    # Where nothing was cut the factor would only add rounding.
    has_cut = group_sums((moved < 0).astype(np.float64), group, n_groups) > 0
    result: Floats = kept * np.where(has_cut, factor, 1.0)[group]
    return result
