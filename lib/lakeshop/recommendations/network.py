"""Networks of recommendations: features of a pair to the log-odds of a purchase, one list at once.

What is trained reads a list of pairs, [batch, size * width], and gives their log-odds. `of_pairs`
takes from it what lists are made by: the features of one pair to a probability. A wide part reads
all features apart for products bought before and for others: it contains a logistic regression of
each of the two.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lakeshop.recommendations.features import GROUPS
from lakeshop.recommendations.shelf import BUCKETS

SCORER = "scorer"
ADDED = "added"  # layer of what a network adds to the prior terms


def log_odds(statistics: Mapping[str, Any]) -> Any:
    """Logistic regression on the terms of the lists, with weights of its own for each of the two.

    Args:
        statistics: means and variances of the inputs, prior terms, sizes.
    """
    import keras

    names: Sequence[str] = statistics["names"]
    inputs, scaled = _inputs(statistics)
    wanted = {name for terms in statistics["prior"].values() for name in terms}
    kept = [1.0 if name in wanted else 0.0 for name in names]
    chosen = keras.layers.Rescaling(kept, name="terms")(scaled)
    return _of_lists(inputs, _linear(chosen, inputs["known"]), statistics)


def baseline(statistics: Mapping[str, Any]) -> Any:
    """One hidden layer: Dense(64, relu), Dropout(0.5), Dense(1)."""
    import keras

    inputs, scaled = _inputs(statistics)
    hidden = keras.layers.Dense(64, activation="relu")(scaled)
    hidden = keras.layers.Dropout(0.5)(hidden)
    return _of_lists(inputs, keras.layers.Dense(1)(hidden), statistics)


def wide_and_deep(
    statistics: Mapping[str, Any],
    *,
    width: int = 128,
    embedding: int = 4,
    dropout: float = 0.3,
) -> Any:
    """What prior terms lack: a linear part and a deep one (Cheng et al. 2016), added to them.

    The deep part has embeddings of the product's groups.

    Args:
        statistics: means and variances of the inputs, prior terms, sizes.
        width: units of the first hidden layer; the second has half of them.
        embedding: size of the embedding of a department, and of a category.
        dropout: after each hidden layer.
    """
    import keras

    from lakeshop.ml.damping import Damping

    inputs, scaled = _inputs(statistics)
    group = keras.layers.Embedding(BUCKETS, embedding)(inputs["group"])
    hidden = keras.layers.Concatenate()([scaled, keras.layers.Flatten()(group)])
    for units in (width, width // 2):
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    deep = keras.layers.Dense(1)(hidden)
    learned = keras.layers.Add()([deep, _linear(scaled, inputs["known"])])
    parts = [_prior(inputs, statistics), Damping(1.0, name=ADDED)(learned)]
    return _of_lists(inputs, keras.layers.Add()(parts), statistics)


def adds_to_prior(model: Any) -> bool:
    """Whether a network of lists adds what it learned to the prior terms."""
    return any(layer.name == ADDED for layer in model.get_layer(SCORER).layers)


def damped(model: Any, share: float) -> Any:
    """The network, whose predictions add a share of what it learned to the prior terms."""
    model.get_layer(SCORER).get_layer(ADDED).share = share
    return model


def of_pairs(model: Any) -> Any:
    """The part of a trained network that reads one pair, as a probability."""
    import keras

    scorer = model.get_layer(SCORER)
    probability = keras.layers.Activation("sigmoid", name="probability")(scorer.output)
    return keras.Model(scorer.input, probability, name=model.name.removesuffix("_lists"))


def _inputs(statistics: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Inputs of one pair, and the scaled features."""
    import keras

    from lakeshop.ml import layers  # noqa: F401 - registers the loss

    parts = {"features": len(statistics["names"]), "known": 1, "group": len(GROUPS)}
    inputs = {name: keras.Input((size,), name=name) for name, size in parts.items()}
    scaling = keras.layers.Normalization(mean=statistics["mean"], variance=statistics["variance"])
    return inputs, scaling(inputs["features"])


def _prior(inputs: dict[str, Any], statistics: Mapping[str, Any]) -> Any:
    """Log-odds by the terms of a shop that has not learned its own; nothing here is trained."""
    import keras

    def of(terms: Mapping[str, float]) -> Any:
        kernel = [[terms.get(name, 0.0)] for name in statistics["names"]]
        return keras.layers.Dense(
            1,
            kernel_initializer=keras.initializers.Constant(kernel),
            bias_initializer=keras.initializers.Constant(terms["constant"]),
            trainable=False,
        )(inputs["features"])

    again, new = (of(statistics["prior"][name]) for name in ("again", "new"))
    difference = keras.layers.Multiply()([keras.layers.Subtract()([again, new]), inputs["known"]])
    return keras.layers.Add()([new, difference])


def _linear(scaled: Any, known: Any) -> Any:
    """A linear map of its own for products bought before, and for others."""
    import keras

    own = keras.layers.Multiply()([scaled, known])
    return keras.layers.Dense(1)(keras.layers.Concatenate()([scaled, own, known]))


def _of_lists(inputs: dict[str, Any], log_odds: Any, statistics: Mapping[str, Any]) -> Any:
    """The network of one pair, applied to each pair of a list."""
    import keras

    scorer = keras.Model(inputs, log_odds, name=SCORER)
    size = int(statistics["list_size"])
    lists = {name: keras.Input((size * part.shape[1],), name=name) for name, part in inputs.items()}
    pairs = {
        name: keras.ops.reshape(lists[name], (-1, part.shape[1])) for name, part in inputs.items()
    }
    found = keras.ops.reshape(scorer(pairs), (-1, size))
    return keras.Model(lists, found, name=f"recommendations_{statistics['method']}_lists")
