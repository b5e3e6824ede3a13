"""Forecasts of the demand network, for the nightly run and the backtest alike."""

from dataclasses import dataclass

import numpy as np
from pyspark.sql import Row

from lakeshop.demand.examples import columns_of, inputs_on
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.settings import DemandSettings
from lakeshop.ml.arrays import Floats
from lakeshop.training.registry import LAYER_MODULES, verify
from lakeshop.training.scoring import loaded, predictions
from lakeshop.training.specification import FeatureSpec


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A trained network as sent to tasks: its file, and the file's digest."""

    payload: bytes
    sha256: str

    @classmethod
    def of(cls, row: Row) -> "LoadedNetwork":
        """Load from a row of models.demand.

        Raises:
            ModelError: the file was altered.
        """
        payload = bytes(row["model"])
        verify(payload, row["sha256"])
        return cls(payload, row["sha256"])

    def forecast(
        self, panel: Panel, groups: Floats, options: DemandSettings
    ) -> tuple[Floats, Floats]:
        """Mean and dispersion of each series' units on each day ahead, float64[n, H] each.

        NaN where the network gives no number; the variance of a day is mean + dispersion mean^2.
        """
        named = columns_of(options)
        predict = loaded(self.payload, self.sha256, LAYER_MODULES)
        records = inputs_on(panel, groups, options)
        found = predictions(predict, FeatureSpec(named.inputs, ()), records, len(named.target))
        means, dispersions = np.split(found, 2, axis=1)
        return means, dispersions
