"""The layer that turns a score into a probability. Importing this imports Keras."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

registered = keras.saving.register_keras_serializable(package="lakeshop")
MIN_PROBABILITY = 1e-7  # of a probability, so that its log-odds exist


@registered
class MonotoneCalibration(keras.Layer):  # type: ignore[misc]
    """A score between 0 and 1, [batch, 1], to a probability, by a broken line on log-odds.

    Beyond its ends the line goes on with slope 1. Without points the log-odds are shifted.

    Args:
        knots: log-odds of scores, strictly ascending.
        heights: log-odds of the probability at each, strictly ascending.
        shift: added to the log-odds where there are no points.
    """

    def __init__(
        self,
        knots: Sequence[float] = (),
        heights: Sequence[float] = (),
        shift: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.knots, self.heights = [float(x) for x in knots], [float(x) for x in heights]
        self.shift = float(shift)

    def call(self, scores: Any) -> Any:
        """Probabilities."""
        p = ops.clip(scores, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        odds = ops.log(p) - ops.log(1 - p)
        return ops.sigmoid(self._moved(odds) if self.knots else odds + self.shift)

    def _moved(self, odds: Any) -> Any:
        """Sums of terms that never fall as odds rise, so that rounding keeps their order too."""
        x, y = np.array(self.knots, np.float32), np.array(self.heights, np.float32)
        moved = y[0] + ops.minimum(odds - x[0], 0.0) + ops.maximum(odds - x[-1], 0.0)
        for begin, width, rise in zip(x[:-1], np.diff(x), np.diff(y), strict=True):
            moved = moved + ops.clip((odds - begin) / width, 0.0, 1.0) * rise
        return moved

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the output shape."""
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        stated = {"knots": self.knots, "heights": self.heights, "shift": self.shift}
        return {**super().get_config(), **stated}
