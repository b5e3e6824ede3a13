"""Promotion of a candidate to champion, compared with the present one on the same lines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Row

from lakeshop.ml.classification import average_precision, roc_auc
from lakeshop.training.inference import predictions
from lakeshop.training.registry import LAYER_MODULES, Model, is_promoted, model_of
from lakeshop.training.specification import FeatureSpec

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Slice:
    """Lines in the order of their ids: inputs float64[n, len(names)], target float64[n]."""

    names: tuple[str, ...]
    inputs: Floats
    target: Floats


def promoted(
    candidates: Sequence[Model], present: Row | None, held_out: Slice, *, is_taught: bool
) -> list[Model]:
    """The candidates, the best as champion where it is not worse than the present one.

    Supervised candidates are compared by average precision on the same slice. An unsupervised one
    may replace an unsupervised champion, but never a supervised one.

    Args:
        candidates: rows of models.fraud, `metrics` as a mapping.
        present: the champion so far.
        held_out: the lines of validation.
        is_taught: true for supervised candidates.
    """
    before = figures(held_out, scores_of_row(present, held_out)) if present else {}
    if is_taught:
        best = max(candidates, key=lambda row: row["metrics"]["average_precision"] or 0.0)
        own, theirs = best["metrics"]["average_precision"], before.get("average_precision")
        is_new = is_promoted(own, theirs, higher_is_better=True)
    else:
        best = candidates[0]
        is_new = present is None or not is_supervised(present)
    known = {"is_taught": is_taught, "present": before}
    return [
        {
            **row,
            "is_champion": is_new and row is best,
            "metrics": json.dumps({**row["metrics"], **known}),
        }
        for row in candidates
    ]


def is_supervised(row: Row) -> bool:
    """True for a row of models.fraud whose scores are probabilities."""
    return bool(json.loads(row["metrics"])["is_taught"])


def scores_of_row(row: Row, held_out: Slice) -> Floats:
    """Scores of the slice by an earlier model; NaN if it reads an input that no longer exists."""
    if not set(row["inputs"]) <= set(held_out.names):
        return np.full(len(held_out.target), np.nan)
    places = [held_out.names.index(name) for name in row["inputs"]]
    model = model_of(bytes(row["model"]), row["sha256"], LAYER_MODULES)
    return scores(model, held_out.inputs[:, places])


def scores(model: Any, inputs: Floats) -> Floats:
    """A model's scores of lines, float64[n]; NaN where it gives no number."""
    columns = FeatureSpec({"features": tuple(str(n) for n in range(inputs.shape[1]))}, ())
    return predictions(model, columns, inputs.astype(np.float32), 1)[:, 0]


def figures(held_out: Slice, found: Floats) -> dict[str, float | None]:
    """Metrics of the scores of the validation lines."""
    return {
        "average_precision": average_precision(held_out.target, found),
        "roc_auc": roc_auc(held_out.target, found),
    }
