"""Layers of the product's Keras models.

Importing this module imports Keras and registers every layer and loss under `lakeshop>`. Raw input
layers replace missing, infinite and constant values.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

registered = keras.saving.register_keras_serializable(package="lakeshop")


class RawInputs(keras.Layer):  # type: ignore[misc]
    """Knows centre, scale and gaps of raw inputs [batch, d], as `statistics` has them."""

    def __init__(
        self,
        center: Sequence[float],
        scale: Sequence[float],
        is_sometimes_missing: Sequence[bool],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.center = [float(x) for x in center]
        self.scale = [float(x) for x in scale]
        self.is_sometimes_missing = [bool(x) for x in is_sometimes_missing]

    def known(self, values: Any) -> tuple[Any, Any]:
        """Values with missing ones replaced by the centre, and a 0/1 indicator of missing ones.

        No NaN may reach a computation: 0 * NaN is NaN, in gradients too.
        """
        is_there = ops.isfinite(values)
        center = ops.broadcast_to(ops.convert_to_tensor(self.center, "float32"), ops.shape(values))
        counted = ops.convert_to_tensor(self.is_sometimes_missing, "float32")
        return ops.where(is_there, values, center), (1 - ops.cast(is_there, "float32")) * counted

    def scaled(self, known: Any) -> Any:
        """Distance from the centre in scales, compressed: asinh is linear near 0, then a log."""
        is_informative = np.array([1.0 if x > 0 else 0.0 for x in self.scale], np.float32)
        scale = np.array([x if x > 0 else 1.0 for x in self.scale], np.float32)
        # Clipped before asinh, which squares: of float32 that is infinite beyond 1.8e19.
        z = ops.clip((known - np.array(self.center, np.float32)) / scale, -1e6, 1e6)
        return ops.arcsinh(z) * is_informative

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        stated = {
            "center": self.center,
            "scale": self.scale,
            "is_sometimes_missing": self.is_sometimes_missing,
        }
        return {**super().get_config(), **stated}


@registered
class RobustScaling(RawInputs):
    """Raw inputs [batch, d], NaN and infinity among them, to [batch, 2 d]: scaled, missing."""

    def call(self, values: Any) -> Any:
        """Scaled values and indicators."""
        known, missing = self.known(values)
        return ops.concatenate([self.scaled(known), missing], axis=-1)

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the output shape."""
        return (*shape[:-1], 2 * len(self.center))


@registered
class PiecewiseLinearEmbedding(RawInputs):
    """Raw inputs [batch, d] to an embedding of each, [batch, d * width].

    Each value is encoded by how far it fills each bin between quantiles (Gorishniy et al. 2022),
    beside its scaled value and whether it is missing; a linear map of its own per input makes the
    embedding. A value beyond the training range fills the outermost bins and no more.

    Args:
        center, scale, is_sometimes_missing, edges: as `statistics` has them.
        width: of the embedding of one input.
    """

    def __init__(
        self,
        center: Sequence[float],
        scale: Sequence[float],
        is_sometimes_missing: Sequence[bool],
        edges: Sequence[Sequence[float]],
        width: int = 8,
        **options: Any,
    ) -> None:
        super().__init__(center, scale, is_sometimes_missing, **options)
        self.edges = [[float(x) for x in of_input] for of_input in edges]
        self.width = int(width)
        bins = max(1, *(len(x) - 1 for x in self.edges)) if self.edges else 1
        shape = (len(self.edges), bins)
        self._low, self._size = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        self._is_bin = np.zeros(shape, np.float32)
        for i, of_input in enumerate(self.edges):
            n = max(0, len(of_input) - 1)
            self._low[i, :n], self._size[i, :n] = of_input[:-1], np.diff(of_input)
            self._is_bin[i, :n] = 1

    def build(self, shape: Sequence[int | None]) -> None:
        """Make the weights."""
        inputs, bins = self._low.shape
        # Each input counts by itself: fan-in is its own channels, not all channels.
        self.kernel = self.add_weight(
            shape=(inputs, bins + 2, self.width),
            initializer=keras.initializers.RandomUniform(-0.3, 0.3),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(inputs, self.width),
            initializer=keras.initializers.RandomUniform(-0.3, 0.3),
            name="bias",
        )

    def call(self, values: Any) -> Any:
        """Embeddings side by side."""
        known, missing = self.known(values)
        filled = ops.clip((known[..., None] - self._low) / self._size, 0.0, 1.0) * self._is_bin
        channels = [filled, self.scaled(known)[..., None], missing[..., None]]
        encoded = ops.concatenate(channels, axis=-1)
        embedded = ops.einsum("bdt,dtw->bdw", encoded, self.kernel) + self.bias
        return ops.reshape(embedded, (-1, len(self.center) * self.width))

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the output shape."""
        return (*shape[:-1], len(self.center) * self.width)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "edges": self.edges, "width": self.width}
