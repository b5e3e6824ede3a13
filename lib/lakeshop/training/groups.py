"""The second mode: one model per group, each by plain `fit` in one task, without communication.

It serves temporal cross-validation: a fold trains on rows known at its start and predicts the
following days, as the nightly run would have done.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.ml.arrays import Floats32
from lakeshop.training.backend import compiled_model
from lakeshop.training.specification import FeatureSpec, ModelSpec, seed_of

FOLD, IS_TRAIN = "fold", "is_train"
PREDICTION, REASON = "prediction", "reason"


def fit_per_group(
    rows: DataFrame, spec: ModelSpec, *, group: str, key: Sequence[str], epochs: int = 1
) -> DataFrame:
    """The predictions of each group's own model for its test rows.

    A group's model is the result of Keras' `fit` on the group's training rows, in the order of a
    hash of their key. Its seed is derived from the group's value. A group that cannot be trained
    raises no error: its predictions are NULL, with the reason. A group's rows must fit into a
    worker.

    Args:
        rows: the model's columns, `is_train`, the group and the key.
        spec: the model; its outputs are one number a row.
        group: column of the group, a fold for example.
        key: columns that identify a group's rows.
        epochs: passes over the training rows.

    Returns:
        The group and the key of each row that is not `is_train`, `prediction` and `reason`.
    """
    stored = spec.columns.stored
    chosen = rows.select(
        group,
        *[name for name in key if name != group],
        IS_TRAIN,
        F.xxhash64(*key, F.lit(f"order {spec.seed}")).alias("__order"),
        *[F.col(name).cast("float").alias(f"__c{i}") for i, name in enumerate(stored)],
    )
    kept = [group, *[name for name in key if name != group]]
    added = [T.StructField(PREDICTION, T.DoubleType()), T.StructField(REASON, T.StringType())]
    schema = T.StructType([*[rows.schema[name] for name in kept], *added])
    return chosen.groupBy(group).applyInPandas(_fitter(spec, kept, epochs), schema)


def fitted(spec: ModelSpec, group: Any, records: Floats32, epochs: int) -> Any:
    """The group's model, trained on records float32[rows, stored] in their order.

    Raises:
        ValueError: there is no row, a target or a weight is not a number, or the loss became none.
    """
    wrong = _unfit(spec.columns, records)
    if wrong:
        raise ValueError(wrong)
    model = compiled_model(replace(spec, seed=seed_of(spec.seed, "group", str(group))))
    x, y, *weight = spec.columns.arrays(records)
    history = model.fit(
        x,
        y,
        sample_weight=weight[0] if weight else None,
        batch_size=spec.batch_size,
        epochs=epochs,
        verbose=0,
    )
    if not np.isfinite(history.history["loss"]).all():
        msg = "the loss became NaN; look for NaN in the inputs or lower the learning rate"
        raise ValueError(msg)
    return model


def _fitter(
    spec: ModelSpec, kept: list[str], epochs: int
) -> Callable[[tuple[Any, ...], pd.DataFrame], pd.DataFrame]:
    names = [f"__c{i}" for i in range(len(spec.columns.stored))]

    def fit(group: tuple[Any, ...], rows: pd.DataFrame) -> pd.DataFrame:
        ordered = rows.sort_values(["__order", *names], kind="stable", ignore_index=True)
        records = ordered[names].to_numpy(np.float32)
        trains = ordered[IS_TRAIN].to_numpy(bool)
        result = ordered.loc[~trains, kept].assign(**{PREDICTION: np.nan, REASON: None})
        try:
            model = fitted(spec, group[0], records[trains], epochs)
        except ValueError as error:
            return result.assign(**{REASON: str(error)})
        if len(result):
            inputs = spec.columns.inputs_of(records[~trains])
            predicted = model.predict(inputs, batch_size=spec.batch_size, verbose=0)
            values = np.asarray(predicted, np.float64).reshape(len(result))
            result[PREDICTION] = np.where(np.isfinite(values), values, np.nan)
        return result

    return fit


def _unfit(columns: FeatureSpec, records: Floats32) -> str | None:
    if not len(records):
        return "no rows to train on"
    known = records[:, [columns.stored.index(name) for name in columns.known]]
    return None if np.isfinite(known).all() else "a target or a weight is NULL, NaN or infinite"
