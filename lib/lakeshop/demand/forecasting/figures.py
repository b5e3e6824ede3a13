"""Metrics of a backtest: every method on the same days, by segment and by week ahead.

`chosen` is the forecast by the policies; forecasts of single methods stand beside it. Quantiles are
evaluated for `chosen`, for the network and the default by their own distributions, and for
`own_quantiles`: quantiles of each series' last 112 days (Hyndman & Fan 1996, type 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lakeshop.demand.forecasting.backtest import (
    BacktestOrigin,
    Days,
    calibrated,
    choices,
    days_of,
    rule_of,
)
from lakeshop.demand.forecasting.candidates import NETWORK
from lakeshop.demand.forecasting.distribution import quantiles
from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.forecasting.policies import SegmentPolicy
from lakeshop.ml import forecast_metrics as metrics
from lakeshop.ml.arrays import Bools, Floats

CHOSEN, OWN_QUANTILES, ALL = "chosen", "own_quantiles", "all"
OWN_DAYS = 112
WEEK = 7

Figures = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class SegmentBacktest:
    """A segment: its policy (None for all segments together), its series, and metrics by method."""

    rule: SegmentPolicy | None
    series: int
    figures: Mapping[str, Figures]


def evaluate_backtest(
    origins: Sequence[BacktestOrigin],
    is_fractional: Bools,
    levels: Floats,
    last: Mapping[str, str],
) -> dict[str, SegmentBacktest]:
    """Policy and metrics of each segment, and metrics of all under "all".

    Args:
        origins: origins of the same n series, four or more.
        is_fractional: bool[n].
        levels: float64[Q].
        last: previous method of each segment.
    """
    found, whole = {}, []
    for segment, choice in choices(origins, last).items():
        days = days_of(origins, segment, choice.method, is_fractional)
        values = calibrated(days, levels)
        whole.append((days, values))
        figures = {CHOSEN: _figures(days, levels, values)}
        figures |= _of_methods(origins, segment, is_fractional, levels)
        series = len(np.unique(days.series))
        found[segment] = SegmentBacktest(rule_of(days, choice, levels), series, figures)
    figures = {CHOSEN: _figures(_joined(whole), levels, np.concatenate([t for _, t in whole]))}
    figures |= _of_methods(origins, None, is_fractional, levels)
    return {**found, ALL: SegmentBacktest(None, len(is_fractional), figures)}


def _joined(parts: Sequence[tuple[Days, Floats]]) -> Days:
    names = Days.__dataclass_fields__
    return Days(*[np.concatenate([getattr(days, name) for days, _ in parts]) for name in names])


def _of_methods(
    origins: Sequence[BacktestOrigin],
    segment: str | None,
    is_fractional: Bools,
    levels: Floats,
) -> dict[str, Figures]:
    figures: dict[str, Figures] = {}
    for method in origins[0].forecasts:
        days = days_of(origins, segment, method, is_fractional)
        values = None
        if method in {NETWORK, DEFAULT}:
            requested = np.broadcast_to(levels, (*days.mean.shape, levels.size))
            values = quantiles(days.mean, days.spread, requested, days.is_fractional)
        figures[method] = _figures(days, levels, values)
        if method == DEFAULT:
            own = _own(origins, days, levels)
            figures[OWN_QUANTILES] = _of_quantiles(days, levels, own)
    return figures


def _figures(days: Days, levels: Floats, values: Floats | None) -> Figures:
    """Errors of means, and of quantiles where there are some."""
    squared, _, seasonal = days.scales.T
    errors = metrics.rmsse(days.units, days.mean, squared, days.weight)
    found = {
        "wrmsse": metrics.weighted(errors, days.value),
        "mase": metrics.weighted(
            metrics.mase(days.units, days.mean, seasonal, days.weight), np.ones_like(days.value)
        ),
        "wape": metrics.wape(days.units, days.mean, days.weight),
        "weekly_wape": metrics.wape(days.units, days.mean, days.weight, days=WEEK),
        "bias": metrics.bias(days.units, days.mean, days.weight),
    }
    for week in range(days.mean.shape[1] // WEEK):
        ahead = slice(week * WEEK, (week + 1) * WEEK)
        of_week = (days.units[:, ahead], days.mean[:, ahead], days.weight[:, ahead])
        found[f"wape_week_{week + 1}"] = metrics.wape(*of_week)
        found[f"bias_week_{week + 1}"] = metrics.bias(*of_week)
    return found if values is None else {**found, **_of_quantiles(days, levels, values)}


def _of_quantiles(days: Days, levels: Floats, values: Floats) -> Figures:
    losses = metrics.scaled_pinball(days.units, values, levels, days.scales[:, 1], days.weight)
    covered = metrics.coverage(days.units, values, days.weight)
    known = losses[np.isfinite(losses).all(axis=1)]
    found = {"scaled_pinball": float(known.mean()) if known.size else float("nan")}
    for place, level in enumerate(levels.tolist()):
        found[f"below_{level:g}"] = float(covered.below[place])
        found[f"up_to_{level:g}"] = float(covered.up_to[place])
    return found


def _own(origins: Sequence[BacktestOrigin], days: Days, levels: Floats) -> Floats:
    """Quantiles of each row's own last days, the same on all days ahead: [m, H, Q]."""
    found = np.zeros((*days.mean.shape, levels.size))
    for number, origin in enumerate(origins):
        rows = days.origin == number
        own = own_quantiles(origin.past.take(days.series[rows]), levels)
        found[rows] = own[:, None, :]
    return found


def own_quantiles(panel: Panel, levels: Floats) -> Floats:
    """Order statistics of each series' last 112 days that are exposed: float64[n, Q]; 0 of none."""
    units, exposed = panel.units[:, -OWN_DAYS:], panel.exposure[:, -OWN_DAYS:] > 0
    ordered = np.sort(np.where(exposed, units, np.inf), axis=1)
    count = exposed.sum(axis=1)
    # Rounded first: 0.07 * 100 is 7.000000000000001, whose ceiling would be 8.
    places = np.ceil(np.round(np.outer(count, levels), 9)).astype(np.int64)
    own = np.take_along_axis(ordered, np.maximum(places - 1, 0), axis=1)
    found: Floats = np.where(count[:, None] > 0, own, 0.0)
    return found
