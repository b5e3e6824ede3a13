"""Forecasts of the demand network, for the nightly run and the backtest alike."""

import numpy as np

from lakeshop.demand.examples import columns_of, inputs_on
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.settings import DemandSettings
from lakeshop.ml.arrays import Floats
from lakeshop.training.inference import Network, loaded, predictions
from lakeshop.training.specification import FeatureSpec


def network_forecasts(
    network: Network, panel: Panel, groups: Floats, options: DemandSettings
) -> tuple[Floats, Floats]:
    """Mean and dispersion of each series' units on each day ahead, float64[n, H] each.

    NaN where the network gives no number; the variance of a day is mean + dispersion mean^2.
    """
    named = columns_of(options)
    records = inputs_on(panel, groups, options)
    columns = FeatureSpec(named.inputs, ())
    found = predictions(loaded(network), columns, records, len(named.target))
    means, dispersions = np.split(found, 2, axis=1)
    return means, dispersions
