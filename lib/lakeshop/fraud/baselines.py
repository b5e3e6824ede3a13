"""What people use instead of our fraud model, on the same rows: LightGBM and logistic regression.

Both are optional packages (`lakeshop[baselines]`): where they are not installed, a night reports
without them. No Spark here.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Baseline = Callable[[Floats, Floats, Floats, Floats], Floats]
ROUNDS = 300
STOP_AFTER = 30  # rounds without a better validation
SEED = 1


def lightgbm(values: Floats, target: Floats, weight: Floats, test: Floats) -> Floats:
    """Scores of test rows by gradient-boosted trees (Ke et al. 2017), missing values as they are.

    The last tenth of the rows, in their order of time, says when to stop.

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
    else:  # one class only: nothing says when to stop
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
    """The baselines whose packages are there, by the name of their method."""
    needs = {
        "lightgbm": ("lightgbm", lightgbm),
        "logistic_regression": ("sklearn", logistic_regression),
        "logistic_regression_raw": ("sklearn", logistic_regression),
    }
    return {name: fit for name, (package, fit) in needs.items() if find_spec(package)}
