"""The features that an order line has from its user's history and from its order."""

import numpy as np
from numpy.typing import NDArray

from lakeshop.features.windows import (
    HAS_COUPON,
    HISTORY_DAYS,
    NULL,
    EntityHistories,
    Rows,
    is_flagged,
)
from lakeshop.fraud.columns import Columns, Floats, Prior, of_asked, of_entity, ratio

LOG_ONE = 2**16  # the fixed-point 1 of log amounts: 4 million lines of any amount can be squared
LEAST_DEVIATION = 0.1  # of log amounts: who always pays the same is not alarmed by a cent
HOUR = 3_600_000_000  # microseconds


def user_columns(rows: Rows, prior: Prior) -> Columns:
    """The line against what its user did before, and its order."""
    del prior
    return {**of_entity(rows, "user", _habits), **of_asked(rows, _orders)}


def _habits(histories: EntityHistories) -> Columns:
    rows = histories.rows
    cents, units, logs = rows["cents"], rows["units"], rows["logs"]
    days = (1, 7, 30, HISTORY_DAYS)
    sums = histories.sums(days, np.ones_like(cents), cents, units, logs, logs * logs)
    windows = {}
    for window, name in enumerate(("_1", "_7", "_30", "")):
        windows[f"user_count{name}"] = sums[:, window, 0].astype(np.float64)
        windows[f"user_amount{name}"] = sums[:, window, 1] / 100
    del windows["user_amount"]
    lines, paid, bought, log_sum, log_squares = sums[:, -1].T.astype(np.float64)
    last = histories.last_times()
    since = (rows["time"] - np.where(last == NULL, rows["time"], last)) / HOUR
    return {
        **windows,
        "user_mean_amount": ratio(paid, 100 * lines),
        "amount_to_user_mean": ratio(cents, ratio(paid, lines)),
        "amount_to_user_max": ratio(cents, np.maximum(histories.maxima(cents), 0)),
        "amount_z": _deviations(rows, lines, log_sum / LOG_ONE, log_squares / LOG_ONE**2),
        "quantity_to_user_mean": ratio(units, ratio(bought, lines)),
        "hours_since_user": np.where(last == NULL, np.nan, since),
        "user_frauds": histories.frauds(HISTORY_DAYS).astype(np.float64),
    }


def _deviations(rows: Rows, lines: Floats, log_sum: Floats, log_squares: Floats) -> Floats:
    """Standard deviations that a line's log amount is above the mean of two lines or more."""
    is_usual = (lines >= 2) & (rows["cents"] >= 0)
    mean = ratio(log_sum, lines)
    variance = ratio(log_squares - log_sum * np.nan_to_num(mean), lines - 1)
    deviation = np.sqrt(np.maximum(np.nan_to_num(variance), 0.0))
    score = (rows["logs"] / LOG_ONE - mean) / np.maximum(deviation, LEAST_DEVIATION)
    return np.where(is_usual, score, np.nan)


def _orders(rows: Rows) -> Columns:
    """Sums over the lines of one user's order that were delivered on one day."""
    _, order, lines = np.unique(rows["order"], return_inverse=True, return_counts=True)
    by_order = np.argsort(order, kind="stable")
    starts = np.cumsum(lines) - lines

    def total(values: NDArray[np.int64]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.add.reduceat(values[by_order], starts)[order]
        return found

    return {
        "order_lines": lines[order].astype(np.float64),
        "order_amount": total(rows["cents"]) / 100,
        "order_units": total(rows["units"]) / 1000,
        "order_coupons": total(is_flagged(rows, HAS_COUPON).astype(np.int64)).astype(np.float64),
    }
