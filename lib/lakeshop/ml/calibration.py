"""Calibration: ranking scores become probabilities that can be multiplied with money.

Isotonic regression finds the share of class 1 at each score. A curve through the centres of its
steps preserves the order of rows, since the steps themselves would tie most of them (centred
isotonic regression, Oron & Flournoy 2017). Everything is on the log-odds scale: scores beyond the
slice are shifted, not clipped. Scores without a unit become percentiles instead.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from lakeshop.ml.arrays import Floats

LEVELS = 200  # of percentiles
TAIL = (0.998, 0.999, 0.9995, 0.9999)  # levels of alerts
MIN_PROBABILITY = 1e-7  # a probability's distance from 0 and 1, so that its log-odds exist


@dataclass(frozen=True)
class Calibrated:
    """A model from raw inputs to a probability, with the `reason` where `is_calibrated` is false.

    An uncalibrated model keeps its scores, shifted to the true odds where they are known.
    """

    model: Any
    is_calibrated: bool
    reason: str | None


def calibrated(
    model: Any,
    scores: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    odds_factor: float = 1.0,
) -> Calibrated:
    """Return the model with a calibrated probability as output, as one Keras model.

    Args:
        model: raw inputs to one score between 0 and 1, [batch, 1].
        scores: predictions for rows outside the training set, float[n].
        target: their classes, 0 or 1.
        weight: rows that each one represents, where the slice was thinned.
        odds_factor: ratio of the odds of class 1 in training to the true odds: its weight, or n
            where every n-th row of class 0 was kept (Dal Pozzolo et al. 2015). Used only where the
            slice does not allow calibration.
    """
    from lakeshop.ml.layers import MonotoneCalibration

    x, y = np.asarray(scores, np.float64).ravel(), np.asarray(target, np.float64).ravel()
    rows = np.ones_like(x) if weight is None else np.asarray(weight, np.float64).ravel()
    usable = np.isfinite(x) & np.isfinite(y) & (rows > 0)
    classes = np.unique(y[usable])
    reason, shift = None, -float(np.log(odds_factor))
    knots, heights = np.empty(0), np.empty(0)
    if len(classes) < 2:
        found = f"only class {classes[0]:g}" if len(classes) else "no row"
        reason = f"not calibrated: the slice should have rows of both classes and has {found}"
    else:
        knots, heights = calibration_curve(x[usable], y[usable], rows[usable])
    layer = MonotoneCalibration(knots.tolist(), heights.tolist(), shift, name="calibrated")
    import keras

    whole = keras.Model(model.input, layer(model.output), name=f"{model.name}_calibrated")
    return Calibrated(whole, reason is None, reason)


def calibration_curve(scores: Floats, target: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Log-odds of scores and of the probabilities they stand for, both strictly ascending.

    A row of the mean rate beyond either end keeps probabilities off 0 and 1.
    """
    order = np.lexsort((target, scores))
    x, y, w = log_odds(scores[order]), target[order], weight[order]
    values, first = np.unique(x, return_index=True)
    rows = np.add.reduceat(w, first)
    share = np.add.reduceat(w * y, first) / rows
    rate = np.average(y, weights=w)
    shares, sizes = np.r_[rate, share, rate], np.r_[1.0, rows, 1.0]
    fit = isotonic_regression(shares, weights=sizes)
    begins, ends = fit.blocks[:-1], fit.blocks[1:]
    places, own = np.r_[values[0], values, values[-1]], np.r_[0.0, rows, 0.0]
    mass = [own[a:b].sum() for a, b in zip(begins, ends, strict=True)]
    centres = [
        float(np.average(places[a:b], weights=own[a:b] if m else None))
        for a, b, m in zip(begins, ends, mass, strict=True)
    ]
    heights = log_odds(fit.x[begins])
    return strictly_ascending(np.array(centres), heights)


def log_odds(probability: ArrayLike) -> Floats:
    """ln(p / (1 - p)), with p at least 1e-7 from 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    odds: Floats = np.log(p) - np.log1p(-p)
    return odds


def strictly_ascending(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the points that exceed the previous one in both coordinates, as float32."""
    kept = [0]
    for i in range(1, len(x)):
        last = kept[-1]
        if np.float32(x[i]) > np.float32(x[last]) and np.float32(y[i]) > np.float32(y[last]):
            kept.append(i)
    return x[kept], y[kept]


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
