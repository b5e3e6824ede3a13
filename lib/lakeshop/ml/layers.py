"""Layers and losses of the product's Keras models.

Importing this module imports Keras and registers all of them as `lakeshop>NAME`, the ones of
`damping`, `likelihoods` and `list_loss` included. Import it before a model file is loaded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from lakeshop.ml.damping import Damping
from lakeshop.ml.likelihoods import DaysAhead, NegativeBinomial, NegativeBinomialHead
from lakeshop.ml.list_loss import ListLoss

__all__ = [
    "Damping",
    "DaysAhead",
    "ListLoss",
    "MemberCrossentropy",
    "MemberProbabilities",
    "Members",
    "MonotoneCalibration",
    "NegativeBinomial",
    "NegativeBinomialHead",
    "OutputLoss",
    "PiecewiseLinearEmbedding",
    "ReconstructionError",
    "RobustScaling",
]

_is_portable = False


@contextmanager
def portable() -> Iterator[None]:
    """Trace layers by operations that every runtime has, while this lasts; not for training."""
    global _is_portable  # noqa: PLW0603 - Keras traces layers in this thread, without arguments
    _is_portable = True
    try:
        yield
    finally:
        _is_portable = False


def _arcsinh(z: Any) -> Any:
    if not _is_portable:
        return ops.arcsinh(z)
    size = ops.abs(z)
    # log(1 + ...) keeps the digits of small values.
    return ops.sign(z) * ops.log1p(size + size * size / (1 + ops.sqrt(size * size + 1)))


registered = keras.saving.register_keras_serializable(package="lakeshop")
MIN_PROBABILITY = 1e-7  # a probability's distance from 0 and 1, so that its logarithm exists


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
        return _arcsinh(z) * is_informative

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


@registered
class Members(keras.Layer):  # type: ignore[misc]
    """A copy of each row per ensemble member, [batch, f] to [batch, k, f], times a member's vector.

    Members differ only by this vector and their heads (TabM-mini, Gorishniy et al. 2024).
    """

    def __init__(self, members: int, **options: Any) -> None:
        super().__init__(**options)
        self.members = int(members)

    def build(self, shape: Sequence[int | None]) -> None:
        """Make the weights."""
        drawn = keras.initializers.RandomUniform(-1.0, 1.0)
        self.scaling = self.add_weight(
            shape=(self.members, int(shape[-1] or 0)),
            initializer=lambda shape, dtype=None: ops.where(drawn(shape, dtype) < 0, -1.0, 1.0),
            name="scaling",
        )

    def call(self, values: Any) -> Any:
        """The row times each vector."""
        return values[:, None, :] * self.scaling

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the output shape."""
        return (shape[0], self.members, shape[-1])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "members": self.members}


@registered
class MemberProbabilities(keras.Layer):  # type: ignore[misc]
    """One head per member, [batch, k, f] to the mean of their probabilities, [batch, 1].

    In training the output is the members' probabilities, [batch, k]. The loss is then the mean of
    the members' losses, not the loss of their mean: each member is trained on its own.

    Args:
        base_rate: initial probability of the heads.
    """

    def __init__(self, base_rate: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.base_rate = float(base_rate)

    def build(self, shape: Sequence[int | None]) -> None:
        """Make the weights."""
        members, features = int(shape[-2] or 0), int(shape[-1] or 0)
        limit = float(features) ** -0.5
        begin = float(np.log(self.base_rate / (1 - self.base_rate)))
        self.kernel = self.add_weight(
            shape=(members, features),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(members,), initializer=keras.initializers.Constant(begin), name="bias"
        )

    def call(self, values: Any, training: bool = False) -> Any:
        """The mean, or in training each."""
        each = ops.sigmoid(ops.einsum("bkf,kf->bk", values, self.kernel) + self.bias)
        return each if training else ops.mean(each, axis=-1, keepdims=True)

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the output shape."""
        return (shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "base_rate": self.base_rate}


@registered
class MemberCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """Mean of the members' binary cross-entropies, of target [batch, 1] and [batch, members].

    Args:
        positive_weight: how much more a row of class 1 counts than one of class 0.
        gamma: above 0 the focal loss (Lin et al. 2017): rows that are right already count less.
    """

    def __init__(
        self,
        positive_weight: float = 1.0,
        gamma: float = 0.0,
        reduction: str = "sum_over_batch_size",
        name: str = "member_crossentropy",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **options)
        self.positive_weight, self.gamma = float(positive_weight), float(gamma)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row."""
        is_one = ops.cast(y_true, y_pred.dtype)
        right = ops.clip(is_one * y_pred + (1 - is_one) * (1 - y_pred), MIN_PROBABILITY, 1.0)
        loss = -ops.log(right) * (1 + (self.positive_weight - 1) * is_one)
        if self.gamma:
            loss = loss * ops.power(1 - right + MIN_PROBABILITY, self.gamma)
        return ops.mean(loss, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        stated = {"positive_weight": self.positive_weight, "gamma": self.gamma}
        return {**super().get_config(), **stated}


@registered
class MonotoneCalibration(keras.Layer):  # type: ignore[misc]
    """A score between 0 and 1, [batch, 1], to a probability, by a piecewise linear map of log-odds.

    Beyond its ends the map has slope 1. Without points the log-odds are shifted.

    Args:
        knots: log-odds of scores, strictly ascending.
        heights: log-odds of the probability at each, strictly ascending.
        shift: added to the log-odds without points.
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
