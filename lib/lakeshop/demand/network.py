"""The demand network: one for all series, all days ahead at once.

A dense encoder of a series' past and nature, and a decoder that is the same for each day ahead and
sees that day's plan: an all-MLP design after TiDE (Das et al. 2023), with a count distribution for
a head. Inputs are those of `lakeshop.demand.inputs`.
"""

from collections.abc import Mapping
from typing import Any

from lakeshop.demand.inputs import BUCKETS


def tide(
    statistics: Mapping[str, Any],
    *,
    width: int = 96,
    context: int = 48,
    embedding: int = 4,
    decoder: tuple[int, int] = (64, 32),
    dropout: float = 0.2,
) -> Any:
    """Means and dispersions of units of the H days ahead, [batch, 2 H].

    Compile with loss `lakeshop>NegativeBinomial`.

    Args:
        statistics: widths of the inputs by name, and `horizon`.
        width: units of the encoder's two layers.
        context: numbers that a series becomes.
        embedding: numbers that a department, and a category, becomes.
        decoder: units of the decoder's two layers.
        dropout: after each layer but the last ones.
    """
    import keras

    from lakeshop.ml import layers

    horizon = int(statistics["horizon"])
    names = ("past", "static", "future", "weekday", "group", "scale")
    inputs = {name: keras.Input((int(statistics[name]),), name=name) for name in names}
    group = keras.layers.Embedding(BUCKETS, embedding)(inputs["group"])
    nature = keras.layers.Concatenate()([inputs["static"], keras.layers.Flatten()(group)])
    hidden = keras.layers.Concatenate()([inputs["past"], nature])
    hidden = keras.layers.Dense(width, activation="relu")(hidden)
    hidden = keras.layers.LayerNormalization()(keras.layers.Dropout(dropout)(hidden))
    hidden = keras.layers.Dense(width, activation="relu")(hidden)
    # Past the encoder once more: what a series is need not squeeze through it.
    hidden = keras.layers.Concatenate()([keras.layers.Dropout(dropout)(hidden), nature])
    code = keras.layers.Dense(context, activation="relu")(hidden)
    planned = keras.layers.Reshape((horizon, -1))(inputs["future"])
    days = layers.DaysAhead(horizon)(inputs["weekday"])
    hidden = keras.layers.Concatenate()([keras.layers.RepeatVector(horizon)(code), planned, days])
    hidden = keras.layers.Dense(decoder[0], activation="relu")(hidden)
    hidden = keras.layers.Dropout(dropout)(hidden)
    hidden = keras.layers.Dense(decoder[1], activation="relu")(hidden)
    small = keras.initializers.RandomNormal(stddev=0.01)
    numbers = keras.layers.Dense(2, kernel_initializer=small)(hidden)
    outputs = layers.NegativeBinomialHead(name="demand")(numbers, inputs["scale"])
    return keras.Model(inputs, outputs, name="demand_tide")
