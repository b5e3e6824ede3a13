"""The loss of a list of pairs of a user and a product. Importing this imports Keras."""

from typing import Any

import keras
from keras import ops

registered = keras.saving.register_keras_serializable(package="lakeshop")


@registered
class ListLoss(keras.losses.Loss):  # type: ignore[misc]
    """Loss of log-odds [batch, size] of a list's pairs, whose target is 1, 0, or -1 for no pair.

    The mean binary cross-entropy of the pairs, and `listwise` times the cross-entropy of each
    bought product against all pairs of its list (Cao et al. 2007).
    """

    def __init__(self, listwise: float = 0.0, name: str = "list_loss", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.listwise = float(listwise)

    def call(self, target: Any, log_odds: Any) -> Any:
        """Loss of each list."""
        is_pair = ops.cast(target >= 0, "float32")
        bought = ops.maximum(target, 0.0)
        # log(1 + exp(x)) - x * target, without an overflow
        apart = ops.softplus(log_odds) - log_odds * bought
        pairs = ops.maximum(ops.sum(is_pair, axis=-1), 1.0)
        loss = ops.sum(apart * is_pair, axis=-1) / pairs
        if not self.listwise:
            return loss
        among = ops.log_softmax(log_odds - 1e9 * (1 - is_pair), axis=-1)
        return loss - self.listwise * ops.sum(bought * among, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "listwise": self.listwise}
