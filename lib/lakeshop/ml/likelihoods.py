"""Days ahead, and a head and a loss for their counts: means and dispersions.

Importing this imports Keras.
"""

from typing import Any

import keras
from keras import ops

registered = keras.saving.register_keras_serializable(package="lakeshop")
LEAST_MEAN, LEAST_DISPERSION = 1e-4, 1e-3
MAX_LOG_RATIO = 4.0  # of a logarithm: 55 times the recent rate, and a 55th of it


@registered
class DaysAhead(keras.Layer):  # type: ignore[misc]
    """Tomorrow's weekday, one of seven [batch, 7], to weekday and distance of each day ahead.

    [batch, H, 8]: a record holds seven numbers instead of eight for each day.
    """

    def __init__(self, horizon: int, **options: Any) -> None:
        super().__init__(**options)
        self.horizon = int(horizon)

    def call(self, tomorrow: Any) -> Any:
        """The weekday n days later is tomorrow's, moved n places on."""
        moved = [(day - n) % 7 for n in range(self.horizon) for day in range(7)]
        weekdays = ops.reshape(ops.take(tomorrow, moved, axis=1), (-1, self.horizon, 7))
        distance = ops.reshape(ops.arange(self.horizon, dtype="float32"), (1, -1, 1))
        return ops.concatenate(
            [weekdays, ops.zeros_like(weekdays[:, :, :1]) + distance / self.horizon], axis=2
        )

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "horizon": self.horizon}


@registered
class NegativeBinomialHead(keras.Layer):  # type: ignore[misc]
    """Two numbers of each day and the series' scale to mean and dispersion, [batch, 2 H].

    The mean is the scale times an exponential; the variance of the day is mean + dispersion mean^2.
    """

    def call(self, values: Any, scale: Any) -> Any:
        """Of values [batch, H, 2] and scale [batch, 1]: the H means, then the H dispersions."""
        ratio = ops.exp(ops.clip(values[:, :, 0], -MAX_LOG_RATIO, MAX_LOG_RATIO))
        mean = ratio * scale + LEAST_MEAN
        dispersion = ops.softplus(values[:, :, 1]) + LEAST_DISPERSION
        return ops.concatenate([mean, dispersion], axis=1)


@registered
class NegativeBinomial(keras.losses.Loss):  # type: ignore[misc]
    """Mean negative log-likelihood of the known days of a series.

    The target [batch, 2 H] holds units and exposures, the prediction [batch, 2 H] means and
    dispersions of fully exposed days. A partly exposed day expects its part of the mean; an
    unexposed one is ignored (DeepAR's likelihood, Salinas et al. 2020, with exposure).
    """

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "negative_binomial",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row, without the terms that do not depend on the prediction."""
        units, exposure = ops.split(ops.cast(y_true, y_pred.dtype), 2, axis=1)
        mean, dispersion = ops.split(y_pred, 2, axis=1)
        mean = mean * ops.maximum(exposure, 0.05)
        size = 1 / dispersion
        total = ops.log(size + mean)
        likelihood = (
            _log_gamma(units + size)
            - _log_gamma(size)
            + size * (ops.log(size) - total)
            + units * (ops.log(mean) - total)
        )
        return -ops.mean(ops.where(exposure > 0, likelihood, 0.0), axis=1)


def _log_gamma(values: Any) -> Any:
    import tensorflow as tf  # Keras has no such operation

    return tf.math.lgamma(values)
