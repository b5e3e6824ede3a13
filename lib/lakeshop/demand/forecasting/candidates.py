"""What each method says of a panel: mean and dispersion of every day ahead.

Candidates are the local methods, analogy for series that are new, the network of all series, and
the means of most local methods with the network's: a plain average is hard to beat (Makridakis
et al. 2022).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lakeshop.demand.forecasting.classes import Names
from lakeshop.demand.forecasting.cold_start import by_analogy
from lakeshop.demand.forecasting.dispersion import dispersion_of, moments
from lakeshop.demand.forecasting.methods import DEFAULT, METHODS
from lakeshop.demand.forecasting.panel import Floats, Panel

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
    """What a series takes from others: its class, weekdays, dispersion and, if new, its level.

    One entry per series: `weekdays` float64[n, 7]; `dispersion` that of its class; `level` (units
    a day) and `strength` (days) of the prior of its kind, NaN where there is none.
    """

    classes: Names
    weekdays: Floats
    dispersion: Floats
    level: Floats
    strength: Floats


def named(has_network: bool) -> tuple[str, ...]:
    """All candidates, with or without those that need the network."""
    blends = tuple(f"{name}{BLEND}" for name in BLENDED)
    return (*LOCAL, NETWORK, *blends) if has_network else LOCAL


def uses_network(name: str) -> bool:
    """Whether a candidate needs the network."""
    return name == NETWORK or name.endswith(BLEND)


def candidates(
    panel: Panel, priors: PooledPriors, network: MeanForecast | None, names: Collection[str]
) -> dict[str, MeanForecast]:
    """What the named candidates say; without a network its blends are the local methods alone.

    A network that has no number for a series leaves its blend to the local method, and a local
    method that fails leaves it to the network.
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
    """The average mean, with the network's dispersion; what one lacks the other gives."""
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
