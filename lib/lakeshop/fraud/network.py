"""Networks of fraud: raw input values [batch, inputs], NaN and infinity among them, to one score.

Preprocessing is part of each network, so one `.keras` file leads from raw values to a score. Its
constants are `statistics` of the training rows: centre, scale and quantiles of each input. A
missing value becomes the centre, beside an indicator.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lakeshop.ml.arrays import Floats

Statistics = Mapping[str, Sequence[Any]]
TAIL = (0.99, 0.995, 0.998, 0.999, 0.9995)  # frauds are rare: a bin of 1/16 would hold them all
LARGEST = float(np.finfo(np.float32).max)


def baseline(statistics: Statistics) -> Any:
    """One hidden layer: Dense(64, relu), Dropout(0.5), Dense(1, sigmoid).

    Args:
        statistics: of the training rows, as of `statistics`.
    """
    import keras

    features, scaled = _scaled(statistics)
    hidden = keras.layers.Dense(64, activation="relu")(scaled)
    hidden = keras.layers.Dropout(0.5)(hidden)
    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden)
    return keras.Model(features, probability, name="fraud_baseline")


def tabm(
    statistics: Statistics,
    *,
    members: int = 8,
    width: int = 96,
    blocks: int = 2,
    embedding: int = 6,
    dropout: float = 0.1,
    base_rate: float = 0.005,
) -> Any:
    """TabM-mini on piecewise linear embeddings (Gorishniy et al. 2022, 2024).

    `members` networks share all weights but a vector at their input and their heads. The output is
    the mean of their probabilities; in training it is all of them, [batch, members]: compile with
    loss `lakeshop>MemberCrossentropy`.

    Args:
        statistics: of the training rows.
        members: networks.
        width: units of a block.
        blocks: hidden layers.
        embedding: numbers that each input becomes.
        dropout: after each block.
        base_rate: probability that training begins with.
    """
    import keras

    from lakeshop.ml import layers

    features = keras.Input((checked(statistics),), name="features")
    hidden = layers.PiecewiseLinearEmbedding(**dict(statistics), width=embedding)(features)
    hidden = layers.Members(members)(hidden)
    for _ in range(blocks):
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    probability = layers.MemberProbabilities(base_rate, name="probability")(hidden)
    return keras.Model(features, probability, name="fraud_tabm")


def autoencoder(statistics: Statistics, *, width: int = 96, bottleneck: int = 24) -> Any:
    """Error of a narrow network that restores a row's inputs: a score without labels, 0 or more.

    The output is the error itself: compile with loss `lakeshop>OutputLoss`, which is its mean and
    ignores the target. Frequent rows are restored well, rare ones badly (Hawkins et al. 2002).

    Args:
        statistics: of the training rows.
        width: units of the hidden layers.
        bottleneck: numbers that a row is squeezed into.
    """
    import keras

    from lakeshop.ml import layers

    features, scaled = _scaled(statistics)
    hidden = keras.layers.Dense(width, activation="relu")(scaled)
    code = keras.layers.Dense(bottleneck)(hidden)
    hidden = keras.layers.Dense(width, activation="relu")(code)
    restored = keras.layers.Dense(checked(statistics))(hidden)
    measure = layers.ReconstructionError(**_without_edges(statistics), name="error")
    return keras.Model(features, measure(features, scaled, restored), name="fraud_autoencoder")


def _scaled(statistics: Statistics) -> tuple[Any, Any]:
    """The raw input, and its scaled values beside indicators of missing ones."""
    import keras

    from lakeshop.ml import layers

    features = keras.Input((checked(statistics),), name="features")
    return features, layers.RobustScaling(**_without_edges(statistics))(features)


def _without_edges(statistics: Statistics) -> dict[str, Sequence[Any]]:
    return {name: value for name, value in statistics.items() if name != "edges"}


def statistics(values: ArrayLike, *, bins: int = 16) -> dict[str, Any]:
    """Statistics of each input over training rows, as JSON-able lists with an entry per input.

    Args:
        values: float[rows, inputs]; NaN is missing, and so is an infinite value.
        bins: equally likely bins between the edges; finer ones are added at both tails.

    Returns:
        center: the median of the known values, 0 without any.
        scale: half the distance of the quartiles, or the standard deviation where they are equal;
            0 of an input that is constant or always missing. Models ignore its value.
        is_sometimes_missing: true where some rows have the input and some lack it. Models ignore
            the absence of any other input.
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
    """Centre, scale and edges of one input's known values."""
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
    """Number of inputs that the statistics describe.

    Raises:
        ValueError: parts are missing or not equally long.
    """
    names = ("center", "scale", "is_sometimes_missing", "edges")
    lengths = {name: len(stated[name]) for name in names if name in stated}
    if len(lengths) < len(names) or len(set(lengths.values())) > 1 or 0 in lengths.values():
        msg = (
            f"statistics should have {', '.join(names)}, equally long. Received {lengths}. "
            "Give what lakeshop.fraud.network.statistics returned."
        )
        raise ValueError(msg)
    return lengths["center"]
