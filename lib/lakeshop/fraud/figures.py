"""Figures of one method of finding fraud, over all its lines and by segment. No Spark."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lakeshop.ml.alerts import among_riskiest, false_positive_rates, precision_at
from lakeshop.ml.classification import (
    average_precision,
    expected_calibration_error,
    recall_at_false_positive_rate,
    recall_per_pattern,
    roc_auc,
)
from lakeshop.ml.groups import LEAST_GROUP, PREFIX, segment

Figure = tuple[str, str, float]  # metric, segment, value
ALL = "all"


def fraud_figures(lines: pd.DataFrame, k: int) -> list[Figure]:
    """Metric, segment and value; NaN where a figure is not defined.

    Args:
        lines: target, score, is_probability (bool), day, customer, and segments:
            week, pattern, and columns named `group_<name>`; a row per order line.
        k: customers that are alerted a day.
    """
    is_alert = among_riskiest(lines["day"], lines["customer"], lines["score"], k)
    return [
        *[(metric, ALL, value) for metric, value in _ranking(lines, k)],
        ("calibration_error", ALL, _calibration(lines)),
        *_by_week(lines, k),
        *_by_pattern(lines, is_alert),
        *_by_group(lines, is_alert),
    ]


def _ranking(lines: pd.DataFrame, k: int) -> Iterator[tuple[str, float]]:
    target, score = lines["target"].to_numpy(float), lines["score"].to_numpy(float)
    top = precision_at(lines["day"], lines["customer"], target, score, k)
    yield "lines", float(len(lines))
    yield "frauds", float(np.nansum(target))
    yield "roc_auc", roc_auc(target, score)
    yield "average_precision", average_precision(target, score)
    yield f"precision@{k}", top.precision
    yield f"precision@{k}_reachable", top.reachable
    yield f"precision@{k}_share", top.share
    yield "recall@1%fpr", recall_at_false_positive_rate(target, score, 0.01)


def _calibration(lines: pd.DataFrame) -> float:
    if not lines["is_probability"].all():
        return float("nan")
    return expected_calibration_error(lines["target"], lines["score"])


def _by_week(lines: pd.DataFrame, k: int) -> Iterator[Figure]:
    if "week" not in lines:
        return
    for week, part in lines.groupby("week"):
        yield from ((metric, f"week {week}", value) for metric, value in _ranking(part, k))


def _by_pattern(lines: pd.DataFrame, is_alert: NDArray[np.bool_]) -> Iterator[Figure]:
    if "pattern" in lines:
        found = recall_per_pattern(lines["pattern"].to_numpy(object), is_alert)
        yield from (("recall_of_alerts", f"pattern {name}", v) for name, v in found.items())


def _by_group(lines: pd.DataFrame, is_alert: NDArray[np.bool_]) -> Iterator[Figure]:
    """False-positive rates by group, and their evenness: the smallest over the largest."""
    for column in [str(name) for name in lines if str(name).startswith(PREFIX)]:
        groups = lines[column].to_numpy(object)
        found = false_positive_rates(groups, lines["target"], is_alert, least=LEAST_GROUP)
        for group, rate in found.rates.items():
            yield "false_positive_rate", segment(column, group), rate
        if len(found.rates) > 1:
            yield "false_positive_evenness", column.removeprefix(PREFIX), found.ratio
