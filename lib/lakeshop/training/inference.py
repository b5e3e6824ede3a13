"""Inference of registered networks: as LiteRT where they were exported, else by TensorFlow.

TensorFlow starts in ten CPU seconds and takes 0.7 GB in each worker, LiteRT in a quarter of a
second. The `.keras` file stays the model of record; `exported` refuses a LiteRT file that does not
give the same.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import Row

from lakeshop.engine.context import BuildContext
from lakeshop.errors import ModelError
from lakeshop.ml.arrays import Floats, Floats32
from lakeshop.ml.hashing import draws_of
from lakeshop.training.backend import KERAS, without_greetings
from lakeshop.training.registry import LAYER_MODULES, Model, model_of, sha256_of, verify
from lakeshop.training.specification import FeatureSpec

BLOCK_ROWS = 4096
SIGNATURE = "serving_default"
LARGE = 3e38  # nearly the largest float32

Predict = Callable[[Any], Any]  # float32[n, inputs], or such by input name, to [n, outputs]


@dataclass(frozen=True)
class Network:
    """A registered network as sent to tasks: its files and their digests.

    Attributes:
        payload: the `.keras` file.
        sha256: its digest.
        litert: the same network as a LiteRT file; None where there is none.
        litert_sha256: its digest.
    """

    payload: bytes = field(repr=False)
    sha256: str
    litert: bytes | None = field(default=None, repr=False)
    litert_sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse altered files.

        Raises:
            ModelError: a file is not the one that was registered.
        """
        verify(self.payload, self.sha256)
        if self.litert is not None and sha256_of(self.litert) != self.litert_sha256:
            msg = (
                f"A model's LiteRT file should have the SHA-256 {self.litert_sha256}. Received "
                f"{sha256_of(self.litert)}: it was altered. Restore the table's earlier version or "
                "train anew."
            )
            raise ModelError(msg)

    @classmethod
    def of(cls, row: Row | Mapping[str, Any]) -> "Network":
        """Return the network of a row of `models.<application>`.

        Raises:
            ModelError: a file was altered.
        """
        litert = row["litert"]
        payload = bytes(row["model"])
        exported = None if litert is None else bytes(litert)
        return cls(payload, row["sha256"], exported, row["litert_sha256"])


def predictions(predict: Predict, columns: FeatureSpec, records: Floats32, outputs: int) -> Floats:
    """Outputs float64[rows, outputs] of records float32[rows, inputs]; NaN where not finite."""
    result = np.empty((len(records), outputs), np.float64)
    for start in range(0, len(records), BLOCK_ROWS):
        part = records[start : start + BLOCK_ROWS]
        block = np.zeros((BLOCK_ROWS, records.shape[1]), np.float32)
        block[: len(part)] = part
        predicted = np.asarray(predict(columns.inputs_of(block)), np.float64)
        result[start : start + len(part)] = predicted.reshape(BLOCK_ROWS, outputs)[: len(part)]
    result[~np.isfinite(result)] = np.nan
    return result


@lru_cache(maxsize=4)
def loaded(network: Network, modules: tuple[str, ...] = LAYER_MODULES) -> Predict:
    """Return a network as a function of its inputs, kept in the process.

    Args:
        network: the network.
        modules: imported where TensorFlow loads it, to register layers of one's own.
    """
    if network.litert is not None:
        return _by_litert(network.litert)
    model = model_of(network.payload, network.sha256, modules)
    import tensorflow as tf  # after it: the first import greets, unless `configured` does it

    run: Predict = tf.function(lambda x: model(x, training=False), autograph=False)
    return run


def _by_litert(content: bytes) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    with without_greetings():  # it greets when it runs first
        runner = Interpreter(model_content=content, num_threads=1).get_signature_runner(SIGNATURE)
        given = runner.get_input_details()
        runner(**{name: np.zeros(d["shape"], d["dtype"]) for name, d in given.items()})
    names = list(given)

    def predict(inputs: Any) -> Any:
        fed = inputs if isinstance(inputs, Mapping) else {names[0]: inputs}
        (found,) = runner(**fed).values()
        return found

    return predict


def with_export(
    model: Model,
    columns: FeatureSpec,
    records: Floats32,
    night: BuildContext,
    *,
    tolerance: float = 1e-6,
) -> Model:
    """Return a row of `models.<application>` with its network as a LiteRT file too.

    Where there can be none, TensorFlow scores; a warning says why.

    Args:
        model: the row.
        columns: inputs.
        records: rows float32[n, inputs] to compare both files on.
        night: is warned.
        tolerance: difference allowed of a number v, times 1 + |v|.
    """
    network = Network(model["model"], model["sha256"])
    try:
        litert = exported(network, columns, records, tolerance=tolerance)
    except ModelError as error:
        night.warn(f"{model['name']} {model['method']} is scored by TensorFlow, slowly: {error}")
        return model
    return model | {"litert": litert, "litert_sha256": sha256_of(litert)}


def exported(
    network: Network,
    columns: FeatureSpec,
    records: Floats32,
    *,
    modules: Sequence[str] = LAYER_MODULES,
    tolerance: float = 1e-6,
) -> bytes:
    """Return a network as a LiteRT file that gives the same, also of odd rows.

    Args:
        network: the network, as Keras saved it.
        columns: its inputs.
        records: rows float32[n, inputs] to compare both on.
        modules: imported first, where layers of one's own are registered with Keras.
        tolerance: difference allowed of a number v, times 1 + |v|.

    Raises:
        ModelError: LiteRT cannot hold the network, or gives other numbers.
    """
    model = model_of(network.payload, network.sha256, modules)
    with KERAS:
        model(columns.inputs_of(records))  # Keras exports what was called
        litert = _converted(model)
    found = _by_litert(litert)
    for rows in (records, _with_odd_values(records, network.sha256)):
        _compare(model, found, columns, rows, tolerance)
    return litert


def _converted(model: Any) -> bytes:
    from lakeshop.ml.layers import portable

    with tempfile.TemporaryDirectory() as folder, portable(), without_greetings():
        path = Path(folder) / "model.tflite"
        try:
            model.export(path, format="litert", verbose=False)
        except Exception as error:  # of many kinds: what counts is that there is no file
            msg = f"A network should consist of operations of LiteRT. Received another: {error}"
            raise ModelError(msg) from error
        return path.read_bytes()


def _with_odd_values(records: Floats32, seed: str) -> Floats32:
    """The same rows with missing, infinite and large values among theirs."""
    draw = draws_of(seed)
    odd = np.array([np.nan, np.nan, np.inf, -np.inf, LARGE, -LARGE], np.float32)
    places = draw.random(records.shape) < 0.15
    return np.where(places, draw.choice(odd, records.shape), records).astype(np.float32)


def _compare(
    model: Any, predict: Predict, columns: FeatureSpec, records: Floats32, tolerance: float
) -> None:
    """Refuse other numbers than those of Keras.

    Raises:
        ModelError: a number differs, or is there in one and not in the other.
    """
    if not len(records):
        return
    try:
        right = np.asarray(model(columns.inputs_of(records)), np.float64)
    except Exception:  # no night feeds rows to a network that refuses them
        return
    found = np.asarray(predict(columns.inputs_of(records)), np.float64)
    is_number = np.isfinite(right)
    if np.array_equal(is_number, np.isfinite(found)):
        with np.errstate(invalid="ignore"):
            differences = np.abs(found - right) / (1 + np.abs(right))
        worst = float(differences[is_number].max(initial=0.0))
        if worst <= tolerance:
            return
        text = f"a difference of {worst:.1e} times 1 + the value"
    else:
        text = "numbers where Keras has none, or none where it has some"
    msg = f"LiteRT should give what Keras gives, to {tolerance:.0e}. Received {text}."
    raise ModelError(msg)
