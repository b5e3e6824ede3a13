"""Metrics of scores of a rare class: ranking, alerts within a budget, calibration.

All metrics are pure NumPy and independent of the order of rows. Rows with a missing score or target
are left out. A metric is NaN where it is undefined: without rows, or with one class only.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lakeshop.ml.arrays import Floats


class Curve(NamedTuple):
    """Rows with a score at least as high as each distinct score, highest first, and of class 1."""

    rows: Floats
    positives: Floats


def roc_auc(target: ArrayLike, score: ArrayLike) -> float:
    """Share of pairs of a row of each class in which class 1 has the higher score; ties count half.

    Args:
        target: 1 or 0 of each row.
        score: of each row, higher for class 1.
    """
    curve = _curve(*check_scores(target, score))
    rows, positives = np.append(0.0, curve.rows), np.append(0.0, curve.positives)
    negatives = rows - positives
    area = np.sum(np.diff(negatives) * (positives[1:] + positives[:-1]) / 2)
    return _ratio(area, positives[-1] * negatives[-1])


def average_precision(target: ArrayLike, score: ArrayLike) -> float:
    """Precision at each distinct score, weighted by the recall that it adds.

    Rows of equal score come in together, so their order does not count.

    Args:
        target: 1 or 0 of each row.
        score: of each row, higher for class 1.
    """
    curve = _curve(*check_scores(target, score))
    if not curve.rows.size or curve.positives[-1] in {0.0, curve.rows[-1]}:
        return float("nan")
    gained = np.diff(curve.positives, prepend=0.0)
    return float(np.sum(gained * curve.positives / curve.rows) / curve.positives[-1])


def recall_at_false_positive_rate(target: ArrayLike, score: ArrayLike, rate: float = 0.01) -> float:
    """The largest recall of a threshold at which no more than that share of class 0 is above it."""
    curve = _curve(*check_scores(target, score))
    if not curve.rows.size or curve.positives[-1] in {0.0, curve.rows[-1]}:
        return float("nan")
    negatives = curve.rows - curve.positives
    allowed = negatives <= rate * negatives[-1]
    return float(np.max(curve.positives[allowed], initial=0.0) / curve.positives[-1])


def expected_calibration_error(
    target: ArrayLike, probability: ArrayLike, *, bins: int = 10
) -> float:
    """Mean distance between probability and share of class 1, over bins of equally many rows.

    Rows of equal probability share a bin, so that their order does not count (Naeini et al. 2015,
    with equal mass). NaN without rows; one class only is a number like any other.

    Args:
        target: 1 or 0 of each row.
        probability: of class 1, of each row.
        bins: at most so many.
    """
    is_one, chance = check_scores(target, probability)
    if not chance.size:
        return float("nan")
    _, of_value, counts = np.unique(chance, return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    places = (first * bins // len(chance))[of_value]
    gaps = np.bincount(places, weights=chance - is_one, minlength=bins)
    return float(np.sum(np.abs(gaps)) / len(chance))


def recall_per_pattern(pattern: ArrayLike, is_alert: ArrayLike) -> Mapping[str, float]:
    """Share of each pattern's rows that were alerted, by name; rows without pattern have none."""
    names, alerted = np.asarray(pattern, dtype=object), np.asarray(is_alert, dtype=bool)
    has_name = np.array([isinstance(name, str) for name in names], dtype=bool)
    return {
        str(name): float(alerted[has_name][names[has_name] == name].mean())
        for name in sorted(set(names[has_name]))
    }


def check_scores(target: ArrayLike, score: ArrayLike) -> tuple[Floats, Floats]:
    """Target and score of the rows that have both.

    Raises:
        ValueError: not equally long.
    """
    is_one = np.asarray(target, dtype=np.float64).ravel()
    scores = np.asarray(score, dtype=np.float64).ravel()
    if is_one.shape != scores.shape:
        msg = (
            "target and score should be equally long. "
            f"Received {len(is_one)} and {len(scores)} rows. Take them from the same rows."
        )
        raise ValueError(msg)
    has_both = ~np.isnan(is_one) & ~np.isnan(scores)
    return is_one[has_both], scores[has_both]


def _curve(is_one: Floats, scores: Floats) -> Curve:
    highest_first = np.argsort(-scores, kind="stable")
    ordered, ones = scores[highest_first], np.cumsum(is_one[highest_first])
    is_last = np.append(ordered[1:] != ordered[:-1], True) if ordered.size else ordered > 0
    rows: Floats = (np.flatnonzero(is_last) + 1).astype(np.float64)
    return Curve(rows, ones[is_last])


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
