"""Layer and loss of a model that learns without labels, by how badly it restores its inputs.

Importing this imports Keras.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from lakeshop.ml.inputs import RawInputs

registered = keras.saving.register_keras_serializable(package="lakeshop")


@registered
class ReconstructionError(RawInputs):
    """Mean squared error of a reconstruction, [batch, 1], over the inputs that a row has.

    Called with raw inputs [batch, d], scaled inputs [batch, 2 d] of `RobustScaling`, and their
    reconstruction [batch, d]. Constant and missing inputs do not count. A row without any other
    input has error 0.
    """

    def call(self, values: Any, scaled: Any, restored: Any) -> Any:
        """Errors."""
        is_informative = np.array([1.0 if x > 0 else 0.0 for x in self.scale], np.float32)
        counts = ops.cast(ops.isfinite(values), "float32") * is_informative
        errors = ops.square(scaled[:, : len(self.scale)] - restored) * counts
        total = ops.sum(errors, axis=-1, keepdims=True)
        return total / ops.maximum(ops.sum(counts, axis=-1, keepdims=True), 1.0)

    def compute_output_shape(
        self, values: Sequence[int | None], *others: Any
    ) -> tuple[int | None, ...]:
        """Return the output shape."""
        return (values[0], 1)


@registered
class OutputLoss(keras.losses.Loss):  # type: ignore[misc]
    """The mean of the output itself, whatever the target: of a model that returns its error."""

    def __init__(
        self, reduction: str = "sum_over_batch_size", name: str = "output", **options: Any
    ) -> None:
        super().__init__(name=name, reduction=reduction, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row."""
        return ops.mean(y_pred, axis=-1)
