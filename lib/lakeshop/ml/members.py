"""Layers and loss of TabM-mini: many small networks in one (Gorishniy et al. 2024).

Importing this imports Keras.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

registered = keras.saving.register_keras_serializable(package="lakeshop")
MIN_PROBABILITY = 1e-7  # of a probability, so that its logarithm exists


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
