"""Models that threads build side by side are those that they build alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lakeshop.training.backend import compiled_model
from lakeshop.training.specification import FeatureSpec, ModelSpec


def spec(seed):
    columns = FeatureSpec({"features": ("a", "b")}, ("y",))
    arguments = {"inputs": 2, "pause": 0.2}
    return ModelSpec("toy_networks:slow", columns, arguments, "adam", "mse", 8, seed)


def weights(seed):
    model = compiled_model(spec(seed))
    return [layer.name for layer in model.layers], model.get_weights()


def test_applications_that_train_side_by_side_begin_with_the_same_weights():
    alone = [weights(seed) for seed in (1, 2, 3)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(weights, (1, 2, 3)))
    for (names, one), (other_names, other) in zip(alone, together, strict=True):
        assert names == other_names
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
