"""LambdaMART as the bar: it ranks what it can learn, and leaves out empty places."""

import numpy as np

from lakeshop.recommendations.bar import lambdarank


def test_what_decides_is_learned_and_empty_places_teach_nothing() -> None:
    draw = np.random.default_rng(1)
    inputs = draw.normal(size=(300, 8, 4)).astype(np.float32)
    target = (inputs[:, :, 1] > 0.8).astype(float)
    inputs[:, 6:, 1] = -9.0  # of empty places
    target[:, 6:] = -1.0
    test = draw.normal(size=(400, 4)).astype(np.float32)
    scores = lambdarank(inputs, target, test)
    is_best = test[:, 1] > 0.8
    assert scores[is_best].min() > np.median(scores[~is_best])
    assert np.array_equal(scores, lambdarank(inputs, target, test))
