"""Small labelled data with every kind of trouble that inputs have."""

import numpy as np


def rows(n=4000, seed=1):
    """Inputs float32[n, 6] and target [n]: fraud needs a large 0 or 1; 5 % are missing.

    Column 3 is constant, 4 never there, 5 noise with infinite values.
    """
    chance = np.random.default_rng(seed)
    values = chance.lognormal(0, 1, (n, 6))
    odds = 3 * (np.log(values[:, 0]) > 1.5) + 2 * (np.log(values[:, 1]) > 1.2) - 4.0
    target = (chance.random(n) < 1 / (1 + np.exp(-odds))).astype(np.float32)
    values[chance.random((n, 6)) < 0.05] = np.nan
    values[:, 3], values[:, 4] = 7.0, np.nan
    values[::50, 5], values[1::50, 5] = np.inf, -np.inf
    return values.astype(np.float32), target
