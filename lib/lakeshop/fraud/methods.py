"""Scores of the last weeks' lines by models of their time: our networks beside the baselines.

Every fold is one group of rows, and every method fits each fold in a task of its own; see
`trainers.prequential` for what a fold knows.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.fraud.baselines import Baseline, installed
from lakeshop.fraud.examples import TARGET
from lakeshop.fraud.prequential import WEIGHT
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.statistics import statistics
from lakeshop.fraud.training import INPUTS, KEY, MODEL_NAME, sampled
from lakeshop.training.groups import FOLD, IS_TRAIN, PREDICTION, fit_per_group
from lakeshop.training.networks import recipe_of, steps_of
from lakeshop.training.specification import FeatureSpec

# What a line says by itself, before anything is known of who and where.
RAW = (
    *("line_amount", "quantity", "unit_price", "discount_share", "hour", "is_night", "is_weekend"),
    *("has_coupon", "order_lines", "order_amount", "order_units", "order_coupons"),
)
READS: Mapping[str, tuple[str, ...]] = {
    "lightgbm": INPUTS,
    "logistic_regression": INPUTS,
    "logistic_regression_raw": RAW,
}
COLUMNS = FeatureSpec({"features": INPUTS}, (TARGET,), WEIGHT)
SCORE = f"{FOLD} DATE, {KEY} STRING, {PREDICTION} DOUBLE"


def scores_by_method(rows: DataFrame, options: Fraud) -> DataFrame:
    """method, fold, transaction_id, prediction of each line that a fold is tested on.

    Args:
        rows: folds as of `trainers.prequential.folds`.
        options: the networks.
    """
    known, lines = _known(rows)
    ours = {
        method: fit_per_group(
            rows,
            recipe_of(network, COLUMNS, known, f"{MODEL_NAME} {method}", steps_of(network, lines)),
            group=FOLD,
            key=[KEY],
            epochs=max(1, round(network.epochs)),
        )
        for method, network in options.labelled.items()
    }
    theirs = {method: _by_baseline(rows, fit, READS[method]) for method, fit in installed().items()}
    scored = [
        found.select(F.lit(method).alias("method"), FOLD, KEY, PREDICTION)
        for method, found in {**ours, **theirs}.items()
    ]
    return reduce(DataFrame.unionByName, scored)


def _known(rows: DataFrame) -> tuple[dict[str, Any], int]:
    """What the training lines of the oldest fold say of the inputs, and how many they are.

    No fold is told of a later one.
    """
    taught = rows.where(F.col(IS_TRAIN))
    oldest = taught.agg(F.min(FOLD).alias(FOLD))
    of_oldest = taught.join(F.broadcast(oldest), on=FOLD, how="left_semi")
    lines = of_oldest.count()
    values = sampled(of_oldest, lines).select(*INPUTS).toPandas().to_numpy(np.float64)
    return statistics(values), lines


def _by_baseline(rows: DataFrame, fit: Baseline, inputs: tuple[str, ...]) -> DataFrame:
    """Each fold's scores by a baseline; NULL where its training lines are of one class."""
    needed = rows.select(FOLD, KEY, "occurred_at", IS_TRAIN, TARGET, WEIGHT, *inputs)
    return needed.groupBy(FOLD).applyInPandas(_fitter(fit, list(inputs)), SCORE)


def _fitter(fit: Baseline, inputs: list[str]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def fitted(fold: pd.DataFrame) -> pd.DataFrame:
        ordered = fold.sort_values(["occurred_at", KEY], ignore_index=True)
        values = ordered[inputs].to_numpy(np.float64)
        trains = ordered[IS_TRAIN].to_numpy(bool)
        target, weight = ordered[TARGET].to_numpy(float), ordered[WEIGHT].to_numpy(float)
        result = ordered.loc[~trains, [FOLD, KEY]].assign(**{PREDICTION: np.nan})
        if len(np.unique(target[trains])) == 2 and len(result):
            result[PREDICTION] = fit(
                values[trains], target[trains], weight[trains], values[~trains]
            )
        return result

    return fitted
