"""Score rows with a model, loaded once per worker; no row can fail a run.

Workers keep the last models by their digest. A prediction does not depend on the other rows of its
batch: all go through the model in blocks of one size, the last one padded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.ml.arrays import Floats, Floats32
from lakeshop.training.registry import LAYER_MODULES, model_of, verify
from lakeshop.training.specification import FeatureSpec

BLOCK_ROWS = 4096
PREFIX = "__input_"


def score(
    rows: DataFrame,
    payload: bytes,
    sha256: str,
    columns: FeatureSpec,
    output: str | Sequence[str],
    *,
    modules: Sequence[str] = (),
) -> DataFrame:
    """Rows with the model's outputs beside their own columns.

    The model gets NULL as NaN. NaN and infinity are passed unchanged. A prediction that is not a
    finite number becomes NULL.

    Args:
        rows: with the columns of the model's inputs, numbers or booleans.
        payload: the model's `.keras` file.
        sha256: the digest under which it was registered.
        columns: columns of the inputs.
        output: name of the column of the prediction, or names, one for each number a row gets.
        modules: imported in the workers first, to register custom layers.

    Raises:
        ModelError: the file was altered.
    """
    verify(payload, sha256)
    outputs = (output,) if isinstance(output, str) else tuple(output)
    inputs = tuple(dict.fromkeys(c for names in columns.inputs.values() for c in names))
    sent = rows.sparkSession.sparkContext.broadcast(payload)
    scorer = _scorer(sent, sha256, FeatureSpec(columns.inputs, ()), len(inputs), outputs, modules)
    fed = rows.select(
        "*", *[F.col(name).cast("float").alias(f"{PREFIX}{i}") for i, name in enumerate(inputs)]
    )
    added = [T.StructField(name, T.DoubleType()) for name in outputs]
    return fed.mapInArrow(scorer, T.StructType([*rows.schema.fields, *added]))


def score_by_model(
    rows: DataFrame, model: Row, output: str, *, modules: Sequence[str] = LAYER_MODULES
) -> DataFrame:
    """Add the output of a registered model of one input, as `score` does.

    Args:
        rows: has the columns that the model was trained on.
        model: a row of `models.<application>`.
        output: name of the column of the prediction.
        modules: imported in the workers first, where layers of one's own are registered.

    Raises:
        ModelError: the file was altered.
    """
    columns = FeatureSpec({"features": tuple(model["inputs"])}, ())
    return score(rows, bytes(model["model"]), model["sha256"], columns, output, modules=modules)


def predictions(predict: Any, columns: FeatureSpec, records: Floats32, outputs: int) -> Floats:
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
def loaded(payload: bytes, sha256: str, modules: tuple[str, ...]) -> Any:
    """Return a model as a function of its inputs, kept in the process."""
    model = model_of(payload, sha256, modules)
    import tensorflow as tf  # after it: the first import greets, unless `configured` does it

    return tf.function(lambda x: model(x, training=False), autograph=False)


def _scorer(
    payload: Broadcast[bytes],
    sha256: str,
    columns: FeatureSpec,
    inputs: int,
    outputs: tuple[str, ...],
    modules: Sequence[str],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def scored(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            own = batch.num_columns - inputs
            fed = [column.to_numpy(zero_copy_only=False) for column in batch.columns[own:]]
            records = np.stack(fed, axis=1).astype(np.float32, copy=False)
            predict = loaded(payload.value, sha256, tuple(modules))
            found = predictions(predict, columns, records, len(outputs))
            values = [pa.array(found[:, i], from_pandas=True) for i in range(len(outputs))]
            names = [*batch.schema.names[:own], *outputs]
            yield pa.RecordBatch.from_arrays([*batch.columns[:own], *values], names)

    return scored
