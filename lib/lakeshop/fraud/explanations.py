"""Why a line is an alert: which of its features raised the score, in sentences with its numbers.

What a feature adds is its Shapley value on the log-odds of the score, against a line whose
features are all usual (see `models.attribution`); features of one family speak as one. Only
alerts are explained, a hundred customers' lines a night, so one task does it.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Row

from lakeshop.fraud.families import players_of
from lakeshop.fraud.reasons import reasons
from lakeshop.ml.attribution import contributions
from lakeshop.training.registry import LAYER_MODULES
from lakeshop.training.scoring import loaded

REASONS = "transaction_id STRING, why ARRAY<STRING>"


def reasons_of(alerts: DataFrame, model: Row, most: int) -> DataFrame:
    """transaction_id, why: at most `most`, the weightiest first.

    Args:
        alerts: lines with the inputs of the model.
        model: a row of models.fraud.
        most: reasons per line.
    """
    needed = alerts.select("transaction_id", *model["inputs"])
    explain = _explainer(
        bytes(model["model"]), model["sha256"], tuple(model["inputs"]), model["usual"], most
    )
    return needed.coalesce(1).mapInPandas(explain, REASONS)


def _explainer(
    payload: bytes, sha256: str, inputs: tuple[str, ...], usual: list[float], most: int
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    names, players = players_of(inputs)

    def explain(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            predict = loaded(payload, sha256, LAYER_MODULES)
            keys = batch["transaction_id"].tolist()
            values = batch[list(inputs)].to_numpy(np.float64)
            added = contributions(predict, values, np.array(usual), keys, players=players)
            told = [
                reasons(
                    dict(zip(inputs, line, strict=True)), dict(zip(names, by, strict=True)), most
                )
                for line, by in zip(values.tolist(), added.tolist(), strict=True)
            ]
            yield pd.DataFrame({"transaction_id": keys, "why": told})

    return explain
