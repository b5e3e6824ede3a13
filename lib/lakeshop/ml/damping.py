"""A layer that believes what was learned by a part. Importing this imports Keras."""

from typing import Any

import keras

registered = keras.saving.register_keras_serializable(package="lakeshop")


@registered
class Damping(keras.layers.Layer):  # type: ignore[misc]
    """Gives its input in training, and `share` of it in predictions.

    Laid on what a network adds to a known model, it shrinks the prediction towards that model
    (James & Stein 1961): a few past weeks teach more than the next one keeps.

    Args:
        share: from 0, the known model alone, to 1.
        options: of the layer.
    """

    def __init__(self, share: float, **options: Any) -> None:
        super().__init__(**options)
        self.share = share

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the input, or its share."""
        return inputs if training else inputs * self.share

    def get_config(self) -> dict[str, Any]:
        """What the layer is made of."""
        return {**super().get_config(), "share": self.share}
