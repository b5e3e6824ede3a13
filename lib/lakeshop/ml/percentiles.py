"""Scores that have no unit become shares: how many usual rows are less unusual."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lakeshop.ml.calibration import log_odds, strictly_ascending

LEVELS = 200
TAIL = (0.998, 0.999, 0.9995, 0.9999)  # alerts are there


def percentiles(model: Any, scores: ArrayLike) -> Any:
    """Return the model with its output of 0 or more turned into the share of scores below it.

    One Keras model from raw inputs to a number between 0 and 1, strictly increasing in the score.

    Args:
        model: raw inputs to one score of 0 or more, [batch, 1].
        scores: predictions for rows outside the training set, float[n]; non-finite ones are left
            out.

    Raises:
        ValueError: no score is a number.
    """
    import keras

    from lakeshop.ml.layers import MonotoneCalibration

    known = np.asarray(scores, np.float64).ravel()
    known = known[np.isfinite(known)]
    if not known.size:
        msg = "scores should hold a number. Received none; train the model anew."
        raise ValueError(msg)
    levels = np.r_[np.arange(1, LEVELS) / LEVELS, TAIL]
    bounded = np.quantile(known / (1 + known), levels)
    knots, heights = strictly_ascending(log_odds(bounded), log_odds(levels))
    below_one = keras.layers.Activation("softsign", name="bounded")(model.output)  # x / (1 + x)
    layer = MonotoneCalibration(knots.tolist(), heights.tolist(), name="share_below")
    return keras.Model(model.input, layer(below_one), name=f"{model.name}_percentiles")
