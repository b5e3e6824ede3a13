"""The driver's part of a round: the mean change of the weights, then one outer step.

Global weights are float64, and shards are added in their order: the result does not depend on the
order of task completion. With one shard and an outer SGD(1), the result equals the shard's to the
bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lakeshop.ml.arrays import Floats, Floats32
from lakeshop.training.backend import configured, optimizer_of
from lakeshop.training.local_steps import Outcome
from lakeshop.training.specification import Config
from lakeshop.training.weights import Layout


def mean_change(before: Floats32, outcomes: Sequence[Outcome]) -> Floats:
    """Mean of (before - after) over shards in the order given, by their weight; 0 without any."""
    change = np.zeros(len(before), np.float64)
    total = sum(outcome.weight for outcome in outcomes)
    if not total > 0:
        return change
    for outcome in outcomes:
        if outcome.weight > 0:
            after = outcome.weights.astype(np.float64)
            change += (outcome.weight / total) * (before.astype(np.float64) - after)
    return change


@dataclass(frozen=True, eq=False)
class GlobalState:
    """The run's weights float64[P] and the outer optimiser with its slots."""

    layout: Layout
    variables: list[Any]
    optimizer: Any

    @classmethod
    def of(cls, layout: Layout, weights: Floats, outer: Config) -> "GlobalState":
        """Begin with these weights and an optimiser that has seen nothing."""
        keras = configured()
        variables = [
            keras.Variable(part, dtype="float64", trainable=trained)
            for part, trained in zip(layout.split(weights), layout.is_trained, strict=True)
        ]
        optimizer = optimizer_of(outer)
        optimizer.build([v for v in variables if v.trainable])
        return cls(layout, variables, optimizer)

    def step(self, change: Floats) -> None:
        """Apply the mean change: to trained weights by the optimiser, to statistics directly."""
        pairs = list(zip(self.layout.split(change), self.variables, strict=True))
        trained = [(part, v) for part, v in pairs if v.trainable]
        if trained:
            keras = configured()
            gradients = [keras.ops.convert_to_tensor(part, dtype="float64") for part, _ in trained]
            self.optimizer.apply(gradients, [v for _, v in trained])
        for part, variable in pairs:
            if not variable.trainable:
                variable.assign(np.asarray(variable) - part)

    @property
    def weights(self) -> Floats:
        """Float64[P]."""
        return _joined(self.variables)

    @property
    def slots(self) -> Floats:
        """The optimiser's state, float64: steps, rate, moments."""
        return _joined(self.optimizer.variables)

    def restore(self, weights: Floats, slots: Floats) -> None:
        """Go on from a round that was committed."""
        for variable, part in zip(self.variables, self.layout.split(weights), strict=True):
            variable.assign(part)
        state = self.optimizer.variables
        sizes = [int(np.prod(v.shape, dtype=np.int64)) for v in state]
        for variable, part in zip(state, np.split(slots, np.cumsum(sizes)[:-1]), strict=True):
            variable.assign(part.reshape(variable.shape).astype(variable.dtype))


def _joined(variables: Sequence[Any]) -> Floats:
    parts = [np.asarray(v, dtype=np.float64).ravel() for v in variables]
    return np.concatenate(parts) if parts else np.zeros(0, np.float64)
