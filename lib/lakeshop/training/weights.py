"""A model's weights as one flat array, in the order of `model.weights`.

Only floating-point weights travel. State of random generators, metrics and optimisers is no weight
in Keras and never averaged; tables of integers are as the builder makes them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Floats32


def synchronized_weights(model: Any) -> list[Any]:
    """The weights that are sent and averaged, trainable or not."""
    return [w for w in model.weights if "float" in str(w.dtype)]


def flat(model: Any) -> Floats32:
    """Its weights, float32[P]."""
    parts = [np.asarray(w, dtype=np.float32).ravel() for w in synchronized_weights(model)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def assign(model: Any, weights: NDArray[np.floating[Any]]) -> None:
    """Set a model's weights from one flat array[P].

    Raises:
        ValueError: the array is not of the model's size.
    """
    layout = Layout.of(model)
    for variable, part in zip(synchronized_weights(model), layout.split(weights), strict=True):
        variable.assign(part.astype(np.float32))


@dataclass(frozen=True)
class Layout:
    """Shapes of the parts of a flat array, and which of them are trained."""

    shapes: tuple[tuple[int, ...], ...]
    is_trained: tuple[bool, ...]

    @classmethod
    def of(cls, model: Any) -> "Layout":
        """Layout of a model."""
        variables = synchronized_weights(model)
        trained = {id(w) for w in model.trainable_weights}
        return cls(
            tuple(tuple(v.shape) for v in variables), tuple(id(v) in trained for v in variables)
        )

    @property
    def sizes(self) -> list[int]:
        """Numbers in each part."""
        return [int(np.prod(shape, dtype=np.int64)) for shape in self.shapes]

    def split(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """The parts of a flat array[P], in their shapes.

        Raises:
            ValueError: the array is not of this size.
        """
        if len(array) != sum(self.sizes):
            msg = (
                f"Weights should be {sum(self.sizes)} numbers, as the model has. Received "
                f"{len(array)}; they belong to another model."
            )
            raise ValueError(msg)
        parts = np.split(array, np.cumsum(self.sizes)[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
