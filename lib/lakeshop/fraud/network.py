"""Models of fraud: raw input values [batch, inputs], NaN and infinity among them, to one score.

Preprocessing is part of each model, from `statistics` of the training rows, so that one `.keras`
file leads from raw values to a score. What is missing becomes the centre beside an indicator.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lakeshop.fraud.statistics import checked

Statistics = Mapping[str, Sequence[Any]]


def baseline(statistics: Statistics) -> Any:
    """One hidden layer: Dense(64, relu), Dropout(0.5), Dense(1, sigmoid).

    Args:
        statistics: of the training rows, as `lakeshop.fraud.statistics.statistics` has them.
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
    """How badly a narrow network restores a row's inputs: a score without labels, 0 or more.

    The output is the error itself: compile with loss `lakeshop>OutputLoss`, which is its mean and
    ignores the target. What is frequent is restored well, what is rare is not (Hawkins et al.
    2002).

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
    """Raw input, and scaled values beside indicators of missing ones."""
    import keras

    from lakeshop.ml import layers

    features = keras.Input((checked(statistics),), name="features")
    return features, layers.RobustScaling(**_without_edges(statistics))(features)


def _without_edges(statistics: Statistics) -> dict[str, Sequence[Any]]:
    return {name: value for name, value in statistics.items() if name != "edges"}
