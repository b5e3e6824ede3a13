"""Model selection per class: the method in use, unless another is clearly better.

Methods are compared on the same series, by the mean difference of their scores and its standard
error over series: days of a series are dependent, series hardly. A method must beat the one in use
by more than one standard error (the rule of Breiman et al. 1984): noise of a week changes nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.ml.arrays import Floats

FEWEST_SERIES = 20


class ModelSelection(NamedTuple):
    """The method of a class, and a sentence with the reason."""

    method: str
    reason: str


class Difference(NamedTuple):
    """Mean reduction of the scores, its standard error, and the number of series."""

    mean: float
    error: float
    series: int


def choose(
    scores: Mapping[str, Floats], weight: Floats, *, last: str | None = None, default: str = DEFAULT
) -> ModelSelection:
    """Return the method of a class.

    Args:
        scores: of each method over the same series, lower is better (squared scaled errors). A
            series with NaN counts with its score by the default.
        weight: of each series, its value.
        last: the previous choice; by default the default method.
        default: the method without any evidence; must be among the scores.
    """
    is_known = np.isfinite(scores[default]) & np.isfinite(weight) & (weight > 0)
    filled = {
        name: np.where(np.isfinite(of), of, scores[default])[is_known]
        for name, of in scores.items()
    }
    weights, series = weight[is_known], int(is_known.sum())
    used = last if last in filled else default
    if series < FEWEST_SERIES:
        reason = f"{series} series are too few to compare methods by, {FEWEST_SERIES} are needed"
        return ModelSelection(used, f"{used} stays: {reason}")
    means = {name: float(np.average(of, weights=weights)) for name, of in filled.items()}
    ranked = sorted(means, key=lambda name: (means[name], name))
    for name in ranked[: ranked.index(used)]:
        by = difference(filled[used], filled[name], weights)
        if by.mean > by.error:
            return ModelSelection(name, f"{name} {_compared('beats', used, by, means[used])}")
    if ranked[0] == used:
        return ModelSelection(
            used, f"{used} has the lowest score of {len(means)} methods, {series} series"
        )
    by = difference(filled[used], filled[ranked[0]], weights)
    comparison = _compared("does not clearly beat it:", None, by, means[used])
    return ModelSelection(used, f"{used} stays: {ranked[0]} {comparison}")


def difference(scores: Floats, others: Floats, weight: Floats) -> Difference:
    """Reduction by the other scores: weighted mean and its standard error, linearised."""
    lower: NDArray[np.float64] = scores - others
    mean = float(np.average(lower, weights=weight))
    n = len(lower)
    squares = float(np.sum((weight * (lower - mean)) ** 2)) * n / max(n - 1, 1)
    return Difference(mean, float(np.sqrt(squares) / np.sum(weight)), n)


def _compared(verb: str, other: str | None, by: Difference, of: float) -> str:
    whole = of if of > 0 else 1.0
    words = [verb, *([other] if other else []), f"by {100 * by.mean / whole:.1f} %"]
    error = f"(standard error {100 * by.error / whole:.1f} %)"
    return " ".join([*words, error, f"over {by.series} series"])
