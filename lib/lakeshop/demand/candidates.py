"""Rows of features.demand as inputs of forecasting: panel, hierarchy, priors, and the network."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lakeshop.demand.examples import groups_of
from lakeshop.demand.forecaster import network_forecasts
from lakeshop.demand.forecasting.candidates import MeanForecast, PooledPriors, candidates
from lakeshop.demand.forecasting.classes import demand_class
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.forecasting.policies import segments
from lakeshop.demand.forecasting.pooling import Hierarchy, Pooled, pool
from lakeshop.demand.forecasting.weekdays import panel_weekdays
from lakeshop.demand.panels import panel_of
from lakeshop.demand.settings import DemandSettings
from lakeshop.ml.arrays import Floats, Names
from lakeshop.training.inference import Network

Borders = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Series:
    """Some series as known on a day; one entry per series in every attribute."""

    panel: Panel
    hierarchy: Hierarchy
    groups: Floats
    abc: Names
    classes: Names
    weekdays: Floats
    value: Floats

    @property
    def segments(self) -> Names:
        """Class of demand and of value."""
        return segments(self.classes, self.abc)

    def until(self, days_before: int, borders: Borders, active_days: int) -> "Series":
        """The series as known `days_before` days earlier, with weekdays of these series alone.

        Args:
            days_before: number of days.
            borders: least sales of a series of value class A, and of class B.
            active_days: days over which the value is summed.
        """
        past = self.panel.until(days_before)
        paid = past.units * np.nan_to_num(past.price, nan=0.0)
        value = np.cumsum(paid[:, -active_days:], axis=1)[:, -1]
        return replace(
            self,
            panel=past,
            classes=demand_class(past),
            weekdays=panel_weekdays(past, _places(self.hierarchy.department)),
            value=value,
            abc=np.where(value >= borders[0], "A", np.where(value >= borders[1], "B", "C")),
        )

    def pooled(self) -> Pooled:
        """Priors pooled over these series."""
        return pool(self.panel, self.classes, self.weekdays, self.hierarchy)

    def priors(self, shared: Pooled) -> PooledPriors:
        """Priors of each series."""
        return shared.priors(self.panel, self.classes, self.weekdays, self.hierarchy)

    def candidate_forecasts(
        self,
        shared: Pooled,
        network: Network | None,
        names: Collection[str],
        options: DemandSettings,
    ) -> dict[str, MeanForecast]:
        """Forecasts of the named candidates."""
        of_network = None
        if network is not None:
            of_network = MeanForecast(*network_forecasts(network, self.panel, self.groups, options))
        return candidates(self.panel, self.priors(shared), of_network, names)


def series_of(rows: pd.DataFrame | pa.RecordBatch, day: date, options: DemandSettings) -> Series:
    """Rows of features.demand of the day, in their order."""
    groups = pd.DataFrame({name: _column(rows, name) for name in ("department", "category")})
    return Series(
        panel=panel_of(rows, day, options.history_days, options.horizon_days),
        hierarchy=Hierarchy(_texts(groups["category"]), _texts(groups["department"])),
        groups=groups_of(groups),
        abc=_column(rows, "abc").to_numpy(np.str_),
        classes=_column(rows, "demand_class").to_numpy(np.str_),
        weekdays=np.stack(_column(rows, "weekdays").to_list()).astype(np.float64),
        value=np.maximum(_column(rows, "value").to_numpy(np.float64), 0),  # a weight of errors
    )


def _column(rows: pd.DataFrame | pa.RecordBatch, name: str) -> pd.Series:
    found: pd.Series = rows[name] if isinstance(rows, pd.DataFrame) else rows[name].to_pandas()
    return found


def _texts(column: pd.Series) -> tuple[str, ...]:
    return tuple(column.fillna("").tolist())


def _places(names: tuple[str, ...]) -> NDArray[np.int64]:
    """The place of each name among all, -1 for none."""
    known, place = np.unique(np.array(names), return_inverse=True)
    found: NDArray[np.int64] = np.where(known[place] == "", -1, place).astype(np.int64)
    return found
