"""Priors pooled over similar series, from a sample of all.

Pooled once on the driver and sent to the tasks: a series' forecast does not depend on the other
series of its batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lakeshop.demand.forecasting.candidates import PooledPriors
from lakeshop.demand.forecasting.cold_start import PRICE_BANDS, Priors, priors
from lakeshop.demand.forecasting.dispersion import moments, pooled
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.ml.arrays import Floats, Names


@dataclass(frozen=True, eq=False)
class Pooled:
    """Dispersion by class, and the priors of new series by group.

    The group of a series is its category and price third, its category, or its department: the
    narrowest one with enough series. `borders` are the two prices between the thirds, by category.
    """

    dispersion: Mapping[str, float]
    levels: Mapping[str, tuple[float, float]]
    borders: Mapping[str, tuple[float, ...]]

    def priors(
        self, panel: Panel, classes: Names, weekdays: Floats, hierarchy: "Hierarchy"
    ) -> PooledPriors:
        """Priors of each series of a panel."""
        shared = self.dispersion[""]
        spread = np.array([self.dispersion.get(name, shared) for name in classes.tolist()])
        none = (np.nan, np.nan)
        found = [
            next((self.levels[k] for k in groups if k in self.levels), none)
            for groups in hierarchy.of(last_prices(panel), self.borders)
        ]
        level, strength = np.array(found, np.float64).reshape(-1, 2).T
        return PooledPriors(classes, weekdays, spread, level, strength)


@dataclass(frozen=True)
class Hierarchy:
    """Category and department of each series, "" where unknown."""

    category: tuple[str, ...]
    department: tuple[str, ...]

    def of(
        self, prices: Floats, borders: Mapping[str, tuple[float, ...]]
    ) -> list[tuple[str, str, str, str]]:
        """Groups of each series, the narrowest first; the last one holds all series."""
        bands = [
            int(np.searchsorted(borders[name], price)) if name in borders else -1
            for name, price in zip(self.category, np.nan_to_num(prices).tolist(), strict=True)
        ]
        known = ~np.isnan(prices)
        groups = []
        for n, (category, department) in enumerate(
            zip(self.category, self.department, strict=True)
        ):
            by_price = f"price {bands[n]} of {category}" if known[n] and bands[n] >= 0 else ""
            groups.append((by_price, f"category {category}", f"department {department}", "all"))
        return groups


def pool(panel: Panel, classes: Names, weekdays: Floats, hierarchy: Hierarchy) -> Pooled:
    """Pool the series of a panel by class and by group."""
    prices = last_prices(panel)
    borders = _borders(np.array(hierarchy.category), prices)
    levels: dict[str, tuple[float, float]] = {}
    for column in zip(*hierarchy.of(prices, borders), strict=True):
        known, group = np.unique(np.array(column), return_inverse=True)
        found: Priors = priors(panel, weekdays, group.astype(np.int64), len(known))
        levels |= {
            name: (float(level), float(strength))
            for name, level, strength in zip(known.tolist(), *found, strict=True)
            if name and np.isfinite(level)
        }
    return Pooled(pooled(moments(panel, weekdays), classes), levels, borders)


def last_prices(panel: Panel) -> Floats:
    """The last known price of each series, NaN where there is none."""
    known = np.isfinite(panel.price)
    place = panel.days - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.asarray(panel.price[np.arange(len(panel)), place])


def _borders(category: Names, prices: Floats) -> dict[str, tuple[float, ...]]:
    shares = np.arange(1, PRICE_BANDS) / PRICE_BANDS
    found = {}
    for name in np.unique(category).tolist():
        known = prices[(category == name) & np.isfinite(prices)]
        if known.size:
            found[name] = tuple(np.quantile(known, shares).tolist())
    return found
