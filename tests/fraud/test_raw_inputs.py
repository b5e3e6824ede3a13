"""Layers that take raw values, against loops."""

from itertools import pairwise

import numpy as np
import pytest
from fraud_rows import rows

from lakeshop.fraud.network import statistics
from lakeshop.training.backend import configured

INPUTS, _ = rows(1000)
STATED = statistics(INPUTS, bins=5)


@pytest.fixture(scope="module")
def layers():
    configured()
    from lakeshop.ml import layers

    return layers


def scaling(layers):
    return layers.RobustScaling(**{k: v for k, v in STATED.items() if k != "edges"})


def encoded(value, place):
    """Channels of one value: how far each bin is filled, scaled value, missing."""
    edges, scale = STATED["edges"][place], STATED["scale"][place]
    is_missing = not np.isfinite(value)
    known = STATED["center"][place] if is_missing else value
    filled = [min(max((known - a) / (b - a), 0.0), 1.0) for a, b in pairwise(edges)]
    z = np.arcsinh((known - STATED["center"][place]) / scale) if scale else 0.0
    return filled, z, float(is_missing and STATED["is_sometimes_missing"][place])


def test_scaled_values_and_indicators_are_those_of_a_loop(layers):
    found = scaling(layers)(INPUTS[:60]).numpy()
    expected = [[encoded(v, i)[1:] for i, v in enumerate(row)] for row in INPUTS[:60]]
    expected = np.array(expected).transpose(0, 2, 1).reshape(60, 12)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_embeddings_are_linear_in_how_far_bins_are_filled(layers):
    layer = layers.PiecewiseLinearEmbedding(**STATED, width=3)
    found = layer(INPUTS[:60]).numpy().reshape(60, 6, 3)
    kernel, bias = (w.numpy() for w in (layer.kernel, layer.bias))
    for row in range(60):
        for place in range(6):
            filled, z, missing = encoded(INPUTS[row, place], place)
            channels = np.zeros(kernel.shape[1])
            channels[: len(filled)] = filled
            channels[-2:] = z, missing
            expected = channels @ kernel[place] + bias[place]
            np.testing.assert_allclose(found[row, place], expected, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0])
def test_no_value_gives_anything_but_numbers(layers, value):
    for layer in (scaling(layers), layers.PiecewiseLinearEmbedding(**STATED)):
        assert np.isfinite(layer(np.full((2, 6), value, np.float32)).numpy()).all()


def test_values_never_seen_in_training_do_not_matter(layers):
    usual = np.array([[1, 1, 1, 7, np.nan, 1]], np.float32)
    strange = usual.copy()
    strange[0, 3], strange[0, 4] = 8.0, 5.0  # a constant that moves, one that was never there
    gone = usual.copy()
    gone[0, 3] = np.nan
    for layer in (scaling(layers), layers.PiecewiseLinearEmbedding(**STATED)):
        expected = layer(usual).numpy()
        np.testing.assert_array_equal(layer(strange).numpy(), expected)
        indicators = layer(gone).numpy()
        assert STATED["is_sometimes_missing"][3] is False
        np.testing.assert_array_equal(indicators, expected)


def test_gradients_of_missing_values_are_numbers(layers):
    import tensorflow as tf

    layer = layers.PiecewiseLinearEmbedding(**STATED)
    layer.build((None, 6))
    values = tf.constant(INPUTS)
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(tf.square(layer(values)))
    for gradient in tape.gradient(loss, [values, *layer.trainable_variables]):
        assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize("name", ["RobustScaling", "PiecewiseLinearEmbedding"])
def test_a_configuration_is_complete(layers, name):
    options = STATED if name == "PiecewiseLinearEmbedding" else None
    layer = scaling(layers) if options is None else layers.PiecewiseLinearEmbedding(**options)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    layer.build((None, 6))
    again.build((None, 6))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(INPUTS).numpy(), layer(INPUTS).numpy())
    assert again(INPUTS).shape == again.compute_output_shape(INPUTS.shape)
