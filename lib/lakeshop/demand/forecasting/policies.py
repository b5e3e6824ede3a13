"""What the backtest found of each segment of series, and forecasts by it.

A segment is a class of demand and a class of value, such as "lumpy A".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop.demand.forecasting.calibration import week_band
from lakeshop.demand.forecasting.candidates import BY_ANALOGY, NEW, MeanForecast
from lakeshop.demand.forecasting.classes import Names
from lakeshop.demand.forecasting.distribution import quantiles
from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.demand.forecasting.panel import Floats

FALLBACK = "zero"
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SegmentPolicy:
    """How series of a segment are forecast.

    `levels` float64[4, Q] are what a quantile is asked for in each week of the horizon so that
    its days keep their promise; `variance_factor` is the variance of past errors by what was
    forecast; `level_variance` that of a common factor on all days of the horizon.
    """

    method: str
    reason: str
    levels: Floats
    variance_factor: float = 1.0
    level_variance: float = 0.0


@dataclass(frozen=True, eq=False)
class Forecast:
    """Of each series: float64[n, H] mean and variance, [n, H, Q] quantiles, and who said it.

    `method` is the one used, `failed` the one that was chosen and could not be, or "".
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


def default_rule(segment: str, levels: Floats) -> SegmentPolicy:
    """Of a segment that no backtest knows."""
    method = BY_ANALOGY if segment.startswith(NEW) else DEFAULT
    return SegmentPolicy(method, "no backtest knows series like this one", np.tile(levels, (4, 1)))


def rules_for(
    rules: Mapping[str, SegmentPolicy], found: Names, levels: Floats
) -> dict[str, SegmentPolicy]:
    """A rule for each segment that occurs."""
    return {s: rules.get(s, default_rule(s, levels)) for s in np.unique(found).tolist()}


def forecast(
    forecasts: Mapping[str, MeanForecast],
    found: Names,
    rules: Mapping[str, SegmentPolicy],
    is_fractional: Bools,
) -> Forecast:
    """Each series by the rule of its segment; a series that its method cannot do by another.

    Args:
        said: what candidates say; those of the rules, and the default.
        found: the segment of each series; each has a rule.
        rules: by segment.
        is_fractional: whether a series' units may be fractions.
    """
    chosen, method, failed = _chosen(forecasts, found, rules)
    factor, shift = (
        np.array([getattr(rules[s], name) for s in found.tolist()], np.float64)
        for name in ("variance_factor", "level_variance")
    )
    spread = rescaled(chosen, factor)
    band = week_band(1 + np.arange(chosen.mean.shape[1]))
    levels = np.stack([rules[s].levels for s in found.tolist()])[:, band]
    return Forecast(
        mean=chosen.mean,
        variance=chosen.mean + spread * chosen.mean**2,
        quantiles=quantiles(chosen.mean, spread, levels, is_fractional),
        level_variance=shift,
        method=method,
        failed=failed,
    )


def rescaled(candidate: MeanForecast, factor: Floats) -> Floats:
    """Dispersions with which variances are so many times as large, but no less than Poisson's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        more = (factor[:, None] - 1) / candidate.mean + factor[:, None] * candidate.dispersion
    found: Floats = np.where(candidate.mean > 0, np.maximum(more, 0.0), 0.0)
    return found


def _chosen(
    forecasts: Mapping[str, MeanForecast], found: Names, rules: Mapping[str, SegmentPolicy]
) -> tuple[MeanForecast, Names, Names]:
    """What each series' method says; where that is nothing, the default; where that is, zero."""
    methods = np.array([rules[s].method for s in found.tolist()], dtype=object)
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
