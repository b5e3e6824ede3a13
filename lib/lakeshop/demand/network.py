"""The demand network: one for all series, all days ahead at once.

A dense encoder of a series' past and attributes, and a decoder shared by all days ahead that sees
each day's plan: an all-MLP design after TiDE (Das et al. 2023), with a count distribution as head.
Inputs are described in `lakeshop.demand.inputs`.
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
        context: size of a series' encoding.
        embedding: size of the embedding of a department, and of a category.
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
    # Skip connection: attributes of a series bypass the encoder.
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
