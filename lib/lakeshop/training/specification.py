"""Specification of a training as frozen values: model, columns and plan.

Everything here is plain data that can be written as JSON, so that its digest names a training run:
the same specification on the same data gives the same weights. No Spark and no TensorFlow here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from lakeshop.ml.arrays import Floats32, Integers

Config = str | Mapping[str, Any]


@dataclass(frozen=True)
class FeatureSpec:
    """Flat columns of a frame that a model reads.

    Each input of the model gets its columns as float32[rows, n]; integers up to 2^24 are exact.
    `target` is float32[rows, n], `weight` of a row float32[rows]. An autoencoder's target names the
    columns of the inputs.
    """

    inputs: Mapping[str, tuple[str, ...]]
    target: tuple[str, ...]
    weight: str | None = None

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """Every column once: inputs, target, weight."""
        named = [c for columns in self.inputs.values() for c in columns] + list(self.target)
        return tuple(dict.fromkeys([*named, *([self.weight] if self.weight else [])]))

    @property
    def known(self) -> tuple[str, ...]:
        """Columns that may not be NULL, NaN or infinite: no model can handle it there.

        The inputs of an autoencoder are among them.
        """
        return tuple(dict.fromkeys([*self.target, *([self.weight] if self.weight else [])]))

    def inputs_of(self, records: Floats32) -> Floats32 | dict[str, Floats32]:
        """The model's input from records float32[rows, stored]: by name where it has several."""
        stored = self.stored
        parts = {name: _gathered(records, stored, names) for name, names in self.inputs.items()}
        return next(iter(parts.values())) if len(parts) == 1 else parts

    def arrays(self, records: Floats32) -> tuple[Any, ...]:
        """Arguments of Keras' `fit`: inputs, target and, where there is one, weight."""
        stored = self.stored
        weight = () if self.weight is None else (records[:, stored.index(self.weight)].copy(),)
        return self.inputs_of(records), _gathered(records, stored, self.target), *weight


def _gathered(records: Floats32, stored: tuple[str, ...], names: tuple[str, ...]) -> Floats32:
    places = _places(stored, names)
    first, last = int(places[0]), int(places[-1])
    if np.array_equal(places, np.arange(first, last + 1)):
        return np.ascontiguousarray(records[:, first : last + 1])
    return np.ascontiguousarray(records[:, places])


@lru_cache(maxsize=64)
def _places(stored: tuple[str, ...], names: tuple[str, ...]) -> Integers:
    """Of lists of pairs there are thousands of columns, and each batch asks."""
    place = {name: number for number, name in enumerate(stored)}
    return np.array([place[name] for name in names], np.int64)


@dataclass(frozen=True)
class ModelSpec:
    """A model and its training in one process.

    `builder` is "package.module:function", which returns an uncompiled Keras model for the keyword
    `arguments`; it must be importable where Spark's workers run. `optimizer` and `loss` are in
    Keras' serialised form: a name, or {"class_name": ..., "config": {...}}. A loss of None is for a
    model that computes its own.
    """

    builder: str
    columns: FeatureSpec
    arguments: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Config = "adam"
    loss: Config | None = "binary_crossentropy"
    batch_size: int = 1024
    seed: int = 0

    def digest(self) -> str:
        """Digest of the specification."""
        return digest_of(asdict(self))

    def __hash__(self) -> int:
        """Hash of the content: its mappings have no hash of their own."""
        return hash(self.digest())


PLAIN_AVERAGE: Mapping[str, Any] = {"class_name": "SGD", "config": {"learning_rate": 1.0}}
DILOCO: Mapping[str, Any] = {
    "class_name": "SGD",
    "config": {"learning_rate": 0.7, "momentum": 0.9, "nesterov": True},
}
PLAIN_SGD: Mapping[str, Any] = PLAIN_AVERAGE


@dataclass(frozen=True)
class TrainingPlan:
    """Division of a run: a property of the run, never of the cluster that runs it.

    Every shard does `local_steps` batches a round (in the first `warm_up_rounds` rounds
    `warm_up_steps`). Then `outer`, a Keras optimiser, takes the mean change of the weights: SGD
    with learning rate 1 averages, `DILOCO` adds momentum (Douillard et al. 2023). One step with the
    inner optimiser SGD(1) is synchronous training on large batches. Training ends after `rounds`,
    by default after `epochs`. It ends early once the validation loss has not fallen for `patience`
    measurements, one every `evaluate_every` rounds.
    """

    shards: int = 1
    local_steps: int = 100
    rounds: int | None = None
    epochs: float = 1.0
    outer: Config = field(default_factory=lambda: PLAIN_AVERAGE)
    evaluate_every: int = 1
    patience: int | None = None
    shuffle: bool = True
    warm_up_rounds: int = 0
    warm_up_steps: int = 1
    batches_per_chunk: int = 8

    def __post_init__(self) -> None:
        least = {
            "shards": self.shards,
            "local_steps": self.local_steps,
            "evaluate_every": self.evaluate_every,
            "warm_up_steps": self.warm_up_steps,
            "batches_per_chunk": self.batches_per_chunk,
        }
        wrong = [f"{name} = {value}" for name, value in least.items() if value < 1]
        if wrong:
            msg = f"A plan's numbers should be at least 1. Received {', '.join(wrong)}."
            raise ValueError(msg)

    def steps_before(self, training_round: int) -> int:
        """Local steps that each shard has done when a round begins; rounds count from 0."""
        warm = min(training_round, self.warm_up_rounds)
        return warm * self.warm_up_steps + (training_round - warm) * self.local_steps

    def steps_of(self, training_round: int) -> int:
        """Local steps of a round."""
        return self.steps_before(training_round + 1) - self.steps_before(training_round)

    def rounds_for(self, longest_epoch: int) -> int:
        """Rounds of the run, where an epoch of the largest shard has that many steps."""
        if self.rounds is not None:
            return self.rounds
        steps = max(1, round(self.epochs * longest_epoch))
        rounds = 0
        while self.steps_before(rounds) < steps:
            rounds += 1
        return rounds


def training_id(spec: ModelSpec, plan: TrainingPlan, data_version: str) -> str:
    """Names a training run by all that its weights depend on."""
    return digest_of({"recipe": asdict(spec), "plan": asdict(plan), "data": data_version})


def digest_of(value: object) -> str:
    """Digest of a value that can be written as JSON, the order of keys aside.

    Raises:
        TypeError: it cannot be written as JSON.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def seed_of(*names: object) -> int:
    """A seed of 31 bits, as a function of names alone."""
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:4], "big") >> 1
