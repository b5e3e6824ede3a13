"""What a model needs to know of its inputs before it is trained: centre, scale, quantiles.

Computed once from training rows with NumPy and given to a builder as an argument, so that a model's
file holds all that leads from raw values to a score.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
TAIL = (0.99, 0.995, 0.998, 0.999, 0.9995)  # frauds are rare: a bin of 1/16 would hold them all
LARGEST = float(np.finfo(np.float32).max)


def statistics(values: ArrayLike, *, bins: int = 16) -> dict[str, Any]:
    """Statistics of each input over training rows, as JSON-able lists with an entry per input.

    Args:
        values: float[rows, inputs]; NaN is missing, and so is an infinite value.
        bins: equally likely bins between the edges; finer ones are added at both tails.

    Returns:
        center: the median of the values that are there, 0 where there are none.
        scale: half the distance of the quartiles, or the standard deviation where they are equal;
            0 of an input that says nothing: constant, or never there. Models ignore its value.
        is_sometimes_missing: whether some rows have the input and some have not. Of any other
            input models ignore whether it is there.
        edges: of the bins for piecewise linear encoding, ascending, fewer where values repeat;
            none of an input with scale 0.

    Raises:
        ValueError: not a matrix, or without rows.
    """
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not len(matrix):
        msg = f"values should be a matrix with rows. Received shape {matrix.shape}."
        raise ValueError(msg)
    known = np.isfinite(matrix) & (np.abs(matrix) <= LARGEST)
    has_gaps = np.any(known, axis=0) & ~np.all(known, axis=0)
    parts = [_of_input(matrix[known[:, i], i], bins) for i in range(matrix.shape[1])]
    return {
        "center": [center for center, _, _ in parts],
        "scale": [scale for _, scale, _ in parts],
        "is_sometimes_missing": has_gaps.tolist(),
        "edges": [edges for _, _, edges in parts],
    }


def _of_input(known: Floats, bins: int) -> tuple[float, float, list[float]]:
    """Centre, scale and edges of one input's values that are there."""
    if not known.size:
        return 0.0, 0.0, []
    values = known.astype(np.float32).astype(np.float64)  # as models see them
    low, center, high = np.quantile(values, (0.25, 0.5, 0.75), method="closest_observation")
    if values.min() == values.max():
        return float(center), 0.0, []
    scale = (high - low) / 2 if high > low else max(float(values.std()), 1e-6)
    return float(center), float(scale), _edges(values, bins)


def _edges(values: Floats, bins: int) -> list[float]:
    """Distinct quantiles as edges; all values where they are few."""
    distinct = np.unique(values)
    if len(distinct) <= bins + 1:
        return [float(x) for x in distinct]
    levels = np.concatenate([np.linspace(0, 1, bins + 1), TAIL, 1 - np.array(TAIL)])
    return [float(x) for x in np.unique(np.quantile(values, levels, method="closest_observation"))]


def checked(stated: Mapping[str, Sequence[Any]]) -> int:
    """The number of inputs that statistics are of.

    Raises:
        ValueError: parts are missing or not equally long.
    """
    names = ("center", "scale", "is_sometimes_missing", "edges")
    lengths = {name: len(stated[name]) for name in names if name in stated}
    if len(lengths) < len(names) or len(set(lengths.values())) > 1 or 0 in lengths.values():
        msg = (
            f"statistics should have {', '.join(names)}, equally long. Received {lengths}. "
            "Give what lakeshop.fraud.statistics.statistics returned."
        )
        raise ValueError(msg)
    return lengths["center"]
