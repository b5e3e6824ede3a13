"""The bar: gradient-boosted trees on the same lists, beside which the networks are shown.

It needs the extra `baselines`. No Spark here.
"""

from importlib.util import find_spec

import numpy as np

from lakeshop.ml.arrays import Floats, Floats32
from lakeshop.recommendations.features import GROUPS

ROUNDS = 150


def can_be_set() -> bool:
    """Return whether LightGBM is installed."""
    return find_spec("lightgbm") is not None


def lambdarank(inputs: Floats32, target: Floats, test: Floats32) -> Floats:
    """Scores of pairs by LambdaMART (Burges 2010).

    Args:
        inputs: of the pairs of n lists, float32[n, size, inputs].
        target: 1 for bought, 0 for not, below 0 for no pair, float64[n, size].
        test: of the pairs to score, float32[m, inputs].
    """
    import lightgbm as lgb

    is_pair = target >= 0
    numbers = slice(0, inputs.shape[2] - len(GROUPS))  # codes of groups have no order
    known = lgb.Dataset(
        inputs[is_pair][:, numbers], target[is_pair], group=is_pair.sum(axis=1).tolist()
    )
    parameters = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": 20,
        "learning_rate": 0.06,
        "num_leaves": 31,
        "min_data_in_leaf": 100,
        "feature_fraction": 0.5,
        "seed": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    trees = lgb.train(parameters, known, ROUNDS)
    return np.asarray(trees.predict(test[:, numbers]), dtype=np.float64)
