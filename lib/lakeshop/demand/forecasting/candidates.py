"""Candidate forecasts of a panel: mean and dispersion of every day ahead, by method.

Candidates are the local methods, analogy for new series, the network of all series, and averages of
local methods with the network. A plain average is hard to beat (Makridakis et al. 2022).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lakeshop.demand.forecasting.cold_start import by_analogy
from lakeshop.demand.forecasting.dispersion import dispersion_of, moments
from lakeshop.demand.forecasting.methods import DEFAULT, METHODS
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.ml.arrays import Floats, Names

NETWORK = "network"
BY_ANALOGY = "by_analogy"
BLEND = "_and_network"
LOCAL = (*METHODS, BY_ANALOGY)
BLENDED = ("mean_28", "mean_56", "mean_112", "exponential_smoothing", "croston_sba", "tsb")
NEW = "new"


class MeanForecast(NamedTuple):
    """Mean and dispersion of each day ahead, float64[n, H]; NaN where a method has none.

    The variance of a day is mean + dispersion mean^2.
    """

    mean: Floats
    dispersion: Floats


@dataclass(frozen=True, eq=False)
class PooledPriors:
    """Priors of each series: class, weekdays, dispersion and, for a new series, level.

    One entry per series: `weekdays` float64[n, 7]; `dispersion` of its class; `level` (units a day)
    and `strength` (days) of the prior of its group, NaN where there is none.
    """

    classes: Names
    weekdays: Floats
    dispersion: Floats
    level: Floats
    strength: Floats


def named(has_network: bool) -> tuple[str, ...]:
    """Names of all candidates, with or without the ones that need the network."""
    blends = tuple(f"{name}{BLEND}" for name in BLENDED)
    return (*LOCAL, NETWORK, *blends) if has_network else LOCAL


def uses_network(name: str) -> bool:
    """Return true for candidates that need the network."""
    return name == NETWORK or name.endswith(BLEND)


def candidates(
    panel: Panel, priors: PooledPriors, network: MeanForecast | None, names: Collection[str]
) -> dict[str, MeanForecast]:
    """Forecasts of the named candidates; without a network, its blends are the local methods alone.

    Where the network has no number for a series, its blend is the local method. Where a local
    method fails, its blend is the network.
    """
    local = {name.removesuffix(BLEND) for name in names} - {NETWORK} | {DEFAULT}
    found: dict[str, MeanForecast] = {}
    spread = dispersion_of(moments(panel, priors.weekdays), priors.dispersion)
    for name in LOCAL:
        if name in local:
            mean = _mean(name, panel, priors)
            found[name] = MeanForecast(mean, np.broadcast_to(spread[:, None], mean.shape))
    if network is not None:
        found[NETWORK] = network
    for name in names:
        if name.endswith(BLEND):
            own = found[name.removesuffix(BLEND)]
            found[name] = own if network is None else blended(own, network)
    return found


def blended(own: MeanForecast, network: MeanForecast) -> MeanForecast:
    """Average mean, with the network's dispersion; each fills the gaps of the other."""
    mean = np.where(
        np.isnan(own.mean),
        network.mean,
        np.where(np.isnan(network.mean), own.mean, (own.mean + network.mean) / 2),
    )
    spread = np.where(np.isnan(network.dispersion), own.dispersion, network.dispersion)
    return MeanForecast(mean, spread)


def _mean(name: str, panel: Panel, priors: PooledPriors) -> Floats:
    if name != BY_ANALOGY:
        return METHODS[name](panel, priors.weekdays)
    means, _ = by_analogy(panel, priors.weekdays, priors.level, priors.strength)
    # Analogy is for series that have no history of their own.
    only_new: Floats = np.where((priors.classes == NEW)[:, None], means, np.nan)
    return only_new
