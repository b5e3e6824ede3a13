"""Methods of scoring the folds of `fraud.prequential`: our networks beside the baselines.

A fold is one group of rows, and each method fits each fold in a task of its own. The baselines
are LightGBM and logistic regression, of optional packages (`lakeshop[baselines]`). Where a package
is not installed, a night reports without it.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.fraud.features import FEATURES, INPUTS
from lakeshop.fraud.network import statistics
from lakeshop.fraud.prequential import WEIGHT
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.terms import ORDER
from lakeshop.fraud.training import KEY, MODEL_NAME, TARGET, sampled
from lakeshop.ml.arrays import Floats
from lakeshop.training.groups import FOLD, IS_TRAIN, PREDICTION, fit_per_group
from lakeshop.training.networks import batches_of, model_spec
from lakeshop.training.specification import FeatureSpec

Baseline = Callable[[Floats, Floats, Floats, Floats], Floats]
ROUNDS = 300
STOP_AFTER = 30  # rounds without a better validation
SEED = 1
# Inputs of the line and its order alone, without any history.
RAW = (*(feature.name for feature in FEATURES.line), *FEATURES.names(ORDER))
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
        rows: folds as of `prequential.folds`.
        options: the networks.
    """
    known, lines = _known(rows)
    ours = {
        method: fit_per_group(
            rows,
            model_spec(
                network, COLUMNS, known, f"{MODEL_NAME} {method}", batches_of(network, lines)
            ),
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
    """Statistics and number of the training lines of the oldest fold.

    So no fold depends on a later one.
    """
    training = rows.where(F.col(IS_TRAIN))
    oldest = training.agg(F.min(FOLD).alias(FOLD))
    of_oldest = training.join(F.broadcast(oldest), on=FOLD, how="left_semi")
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


def lightgbm(values: Floats, target: Floats, weight: Floats, test: Floats) -> Floats:
    """Scores of test rows by gradient-boosted trees (Ke et al. 2017), missing values as they are.

    The last tenth of the rows, in the order of time, stops the training early.

    Args:
        values: inputs, rows x columns, in order of time.
        target: 1 for fraud, 0 else.
        weight: of each row.
        test: rows to score.
    """
    import lightgbm as lgb

    cut = len(values) - len(values) // 10
    parameters = {
        "objective": "binary",
        "metric": "average_precision",
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": 50,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    known = lgb.Dataset(values[:cut], target[:cut], weight=weight[:cut])
    held_out = known.create_valid(values[cut:], target[cut:], weight=weight[cut:])
    if 0 < target[cut:].sum() < len(target) - cut:
        stop = lgb.early_stopping(STOP_AFTER, verbose=False)
        trees = lgb.train(parameters, known, ROUNDS, valid_sets=[held_out], callbacks=[stop])
    else:  # one class only: no early stopping
        trees = lgb.train(parameters, known, ROUNDS // 3)
    return np.asarray(trees.predict(test), dtype=np.float64)


def logistic_regression(values: Floats, target: Floats, weight: Floats, test: Floats) -> Floats:
    """Scores of test rows by logistic regression on standardised inputs, missing ones as the mean.

    Arguments as of `lightgbm`; the order of rows has no meaning.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    steps = (SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())
    fitted = make_pipeline(*steps).fit(
        _finite(values), target, logisticregression__sample_weight=weight
    )
    return np.asarray(fitted.predict_proba(_finite(test))[:, 1], dtype=np.float64)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def installed() -> Mapping[str, Baseline]:
    """The baselines whose packages are installed, by the name of their method."""
    needs = {
        "lightgbm": ("lightgbm", lightgbm),
        "logistic_regression": ("sklearn", logistic_regression),
        "logistic_regression_raw": ("sklearn", logistic_regression),
    }
    return {name: fit for name, (package, fit) in needs.items() if find_spec(package)}
