"""Forecast policy of each segment from the backtest, and forecasts by it.

A segment is a demand class and a value class, such as "lumpy A".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lakeshop.demand.forecasting.calibration import week_band
from lakeshop.demand.forecasting.candidates import BY_ANALOGY, NEW, MeanForecast
from lakeshop.demand.forecasting.distribution import quantiles
from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.ml.arrays import Bools, Floats, Names

FALLBACK = "zero"


@dataclass(frozen=True, eq=False)
class SegmentPolicy:
    """Forecast policy of a segment.

    `levels` float64[4, Q] are nominal levels per week of the horizon that make quantiles hold.
    `variance_factor` is the ratio of past squared errors to forecast variances. `level_variance` is
    the variance of a factor common to all days of the horizon.
    """

    method: str
    reason: str
    levels: Floats
    variance_factor: float = 1.0
    level_variance: float = 0.0


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts: float64[n, H] mean and variance, [n, H, Q] quantiles, and their method.

    `method` is the method used, `failed` the chosen one where it failed, or "".
    """

    mean: Floats
    variance: Floats
    quantiles: Floats
    level_variance: Floats
    method: Names
    failed: Names


def segments(classes: Names, abc: Names) -> Names:
    """The segment of each series."""
    return np.char.add(np.char.add(classes, " "), abc)


def default_policy(segment: str, levels: Floats) -> SegmentPolicy:
    """Policy of a segment without a backtest."""
    method = BY_ANALOGY if segment.startswith(NEW) else DEFAULT
    return SegmentPolicy(method, "no backtest knows series like this one", np.tile(levels, (4, 1)))


def policies_for(
    policies: Mapping[str, SegmentPolicy], found: Names, levels: Floats
) -> dict[str, SegmentPolicy]:
    """A policy for each segment that occurs."""
    return {s: policies.get(s, default_policy(s, levels)) for s in np.unique(found).tolist()}


def forecast(
    forecasts: Mapping[str, MeanForecast],
    found: Names,
    policies: Mapping[str, SegmentPolicy],
    is_fractional: Bools,
) -> Forecast:
    """Forecast each series by its segment's policy; fall back where its method fails.

    Args:
        forecasts: of the candidates: methods of the policies, and the default.
        found: the segment of each series; each has a policy.
        policies: by segment.
        is_fractional: true for series with fractional units.
    """
    chosen, method, failed = _chosen(forecasts, found, policies)
    factor, shift = (
        np.array([getattr(policies[s], name) for s in found.tolist()], np.float64)
        for name in ("variance_factor", "level_variance")
    )
    spread = rescaled(chosen, factor)
    band = week_band(1 + np.arange(chosen.mean.shape[1]))
    levels = np.stack([policies[s].levels for s in found.tolist()])[:, band]
    return Forecast(
        mean=chosen.mean,
        variance=chosen.mean + spread * chosen.mean**2,
        quantiles=quantiles(chosen.mean, spread, levels, is_fractional),
        level_variance=shift,
        method=method,
        failed=failed,
    )


def rescaled(candidate: MeanForecast, factor: Floats) -> Floats:
    """Dispersions that multiply variances by the factor, at least Poisson's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        more = (factor[:, None] - 1) / candidate.mean + factor[:, None] * candidate.dispersion
    found: Floats = np.where(candidate.mean > 0, np.maximum(more, 0.0), 0.0)
    return found


def _chosen(
    forecasts: Mapping[str, MeanForecast], found: Names, policies: Mapping[str, SegmentPolicy]
) -> tuple[MeanForecast, Names, Names]:
    """Forecast of each series' method, else the default's, else zero."""
    methods = np.array([policies[s].method for s in found.tolist()], dtype=object)
    shape = forecasts[DEFAULT].mean.shape
    mean, spread = np.full(shape, np.nan), np.full(shape, np.nan)
    used = methods.copy()
    for name in np.unique(methods).tolist():
        rows = methods == name
        if name in forecasts:
            mean[rows], spread[rows] = forecasts[name].mean[rows], forecasts[name].dispersion[rows]
    for name, step_in in ((DEFAULT, forecasts[DEFAULT]), (FALLBACK, None)):
        lacking = ~(np.isfinite(mean) & np.isfinite(spread)).all(axis=1)
        mean[lacking] = 0.0 if step_in is None else step_in.mean[lacking]
        spread[lacking] = 0.0 if step_in is None else step_in.dispersion[lacking]
        used[lacking] = name
    failed = np.where(used == methods, "", methods)
    return MeanForecast(mean, spread), used.astype(np.str_), failed.astype(np.str_)
