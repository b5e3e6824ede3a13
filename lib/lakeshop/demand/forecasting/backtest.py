"""Rolling origins (Tashman 2000): forecasts as of earlier days, and the actual demand after them.

Per segment: a method is chosen by wRMSSE, its variance is rescaled by past errors, its quantiles
are calibrated, and the metrics of all methods are kept. Quantiles of an origin are evaluated by
levels from the other origins: no day evaluates itself.

`chosen` is the forecast by the policies; forecasts of single methods stand beside it. Quantiles are
evaluated for `chosen`, for the network and the default by their own distributions, and for
`own_quantiles`: quantiles of each series' last 112 days (Hyndman & Fan 1996, type 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lakeshop.demand.forecasting.calibration import BANDS, calibrated_levels, histograms, week_band
from lakeshop.demand.forecasting.candidates import BY_ANALOGY, NETWORK, NEW, MeanForecast
from lakeshop.demand.forecasting.distribution import probability_interval, quantiles
from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.demand.forecasting.model_selection import ModelSelection, choose
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.forecasting.policies import SegmentPolicy, rescaled
from lakeshop.ml import forecast_metrics as metrics
from lakeshop.ml.arrays import Bools, Floats, Names

CHOSEN, OWN_QUANTILES, ALL = "chosen", "own_quantiles", "all"
OWN_DAYS = 112
WEEK = 7
Figures = Mapping[str, float]
LEAST_FACTOR, MOST_FACTOR = 0.25, 8.0
MOST_LEVEL_VARIANCE = 1.0


@dataclass(frozen=True, eq=False)
class BacktestOrigin:
    """One origin: known history, forecast of each method, and actual values, float64[n, H].

    `value` is each series' value at the origin, its weight among others.
    """

    past: Panel
    segments: Names
    value: Floats
    forecasts: Mapping[str, MeanForecast]
    units: Floats
    exposure: Floats

    @cached_property
    def weight(self) -> Floats:
        """1 on fully exposed days, else 0: sales on stock-out days measure supply, not demand."""
        return (self.exposure >= 1).astype(np.float64)

    @cached_property
    def scales(self) -> metrics.Scales:
        """Scales of each series' errors."""
        return metrics.scales(self.past.units, self.past.exposure)


def choices(
    origins: Sequence[BacktestOrigin], last: Mapping[str, str]
) -> dict[str, ModelSelection]:
    """The method of each segment, or of its class where the segment has too few series.

    Args:
        origins: origins of the same series.
        last: previous method by segment.
    """
    found: dict[str, ModelSelection] = {}
    of_all = [o.segments for o in origins]
    value = np.mean([o.value for o in origins], axis=0)
    for segment in np.unique(np.concatenate(of_all)).tolist():
        family = segment.split()[0]
        default = BY_ANALOGY if family == NEW else DEFAULT
        wide = [np.char.startswith(names, f"{family} ") for names in of_all]
        of_class = choose(_scores(origins, wide), value, default=default)
        narrow = [names == segment for names in of_all]
        before = last.get(segment, of_class.method)
        found[segment] = choose(_scores(origins, narrow), value, last=before, default=default)
    return found


def _scores(origins: Sequence[BacktestOrigin], rows: Sequence[Bools]) -> dict[str, Floats]:
    """RMSSE of each series by method: mean over the origins at which it was in the rows."""
    scores = {}
    for name in origins[0].forecasts:
        found = [
            np.where(
                among,
                metrics.rmsse(o.units, o.forecasts[name].mean, o.scales.squared, o.weight),
                np.nan,
            )
            for o, among in zip(origins, rows, strict=True)
        ]
        scores[name] = _mean_known(np.stack(found))
    return scores


def _mean_known(values: Floats) -> Floats:
    """Mean of each column without NaN; NaN where all are."""
    is_known = np.isfinite(values)
    count = is_known.sum(axis=0)
    total = np.where(is_known, values, 0.0).sum(axis=0)
    nothing = np.full(values.shape[1], np.nan)
    return np.asarray(np.divide(total, count, out=nothing, where=count > 0))


@dataclass(frozen=True, eq=False)
class Days:
    """All series of a segment at all origins, stacked: [m, H] by one method.

    `series` is the place of each row's series. `scales` float64[m, 3] are the squared, absolute and
    seasonal scale of its errors.
    """

    mean: Floats
    spread: Floats
    units: Floats
    weight: Floats
    origin: NDArray[np.int64]
    series: NDArray[np.int64]
    value: Floats
    scales: Floats
    is_fractional: Bools

    def without_origin(self, origin: int) -> "Days":
        """Without one origin."""
        return self.where(self.origin != origin)

    def where(self, rows: Bools) -> "Days":
        """Some of the rows."""
        return Days(*[getattr(self, name)[rows] for name in self.__dataclass_fields__])


def days_of(
    origins: Sequence[BacktestOrigin], segment: str | None, method: str, is_fractional: Bools
) -> Days:
    """Forecasts of a method for a segment's days, or for all; the default fills its gaps."""
    parts = []
    for number, origin in enumerate(origins):
        rows = origin.segments == segment if segment else np.ones(len(origin.past), np.bool_)
        own, step_in = origin.forecasts[method], origin.forecasts[DEFAULT]
        lacks = ~np.isfinite(own.mean) | ~np.isfinite(own.dispersion)
        mean = np.nan_to_num(np.where(lacks, step_in.mean, own.mean))
        spread = np.nan_to_num(np.where(lacks, step_in.dispersion, own.dispersion))
        place = np.full(int(rows.sum()), number, np.int64)
        of_days = (mean[rows], spread[rows], origin.units[rows], origin.weight[rows])
        scale = np.stack(origin.scales, axis=1)[rows]
        worth = origin.value[rows]
        parts.append((*of_days, place, np.flatnonzero(rows), worth, scale, is_fractional[rows]))
    return Days(*[np.concatenate(column) for column in zip(*parts, strict=True)])


def segment_policy(days: Days, choice: ModelSelection, levels: Floats) -> SegmentPolicy:
    """Policy of a segment, from its method's past forecasts."""
    factor = variance_factor(days)
    return SegmentPolicy(
        method=choice.method,
        reason=choice.reason,
        levels=levels_of(days, factor, levels),
        variance_factor=factor,
        level_variance=level_variance(days, factor),
    )


def variance_factor(days: Days) -> float:
    """Mean ratio of squared error to forecast variance."""
    variance = days.mean + days.spread * days.mean**2
    counts = (days.weight > 0) & (variance > 0)
    if not counts.any():
        return 1.0
    ratio = (days.units - days.mean)[counts] ** 2 / variance[counts]
    return float(np.clip(ratio.mean(), LEAST_FACTOR, MOST_FACTOR))


def level_variance(days: Days, factor: float) -> float:
    """Variance of a factor common to all days of a path, from errors of whole paths.

    The sum of n days has the variance of its days plus the factor's variance times its squared
    mean. Estimated by moments, each path weighted by its precision.
    """
    variance = factor * (days.mean + days.spread * days.mean**2)
    known = days.weight
    mean, own = (days.mean * known).sum(axis=1), (variance * known).sum(axis=1)
    error = ((days.units - days.mean) * known).sum(axis=1)
    counts = mean > 0
    weight = (mean[counts] / (own[counts] + 0.1 * mean[counts] ** 2)) ** 2
    if not weight.sum() > 0:
        return 0.0
    excess = (error[counts] ** 2 - own[counts]) / mean[counts] ** 2
    return float(np.clip((weight * excess).sum() / weight.sum(), 0.0, MOST_LEVEL_VARIANCE))


def levels_of(days: Days, factor: float, levels: Floats) -> Floats:
    """Nominal levels of quantiles, float64[4, Q], that make them hold on these days."""
    spread = rescaled(MeanForecast(days.mean, days.spread), np.full(len(days.mean), factor))
    low, high = probability_interval(days.mean, spread, days.units, days.is_fractional)
    band = np.broadcast_to(week_band(1 + np.arange(days.mean.shape[1])), days.mean.shape)
    counts = histograms(low.ravel(), high.ravel(), days.weight.ravel(), band.ravel(), BANDS)
    requested: Floats = calibrated_levels(counts[None], levels)[0]
    return requested


def calibrated(days: Days, levels: Floats) -> Floats:
    """Quantiles [m, H, Q] of each origin, by the variance and levels of the other origins."""
    found = np.zeros((*days.mean.shape, levels.size))
    band = week_band(1 + np.arange(days.mean.shape[1]))
    for origin in np.unique(days.origin).tolist():
        others, rows = days.without_origin(origin), days.origin == origin
        factor = variance_factor(others)
        requested = levels_of(others, factor, levels)[band]
        own = days.where(rows)
        spread = rescaled(MeanForecast(own.mean, own.spread), np.full(len(own.mean), factor))
        whole = np.broadcast_to(requested, (len(own.mean), *requested.shape))
        found[rows] = quantiles(own.mean, spread, np.ascontiguousarray(whole), own.is_fractional)
    return found


@dataclass(frozen=True, eq=False)
class SegmentBacktest:
    """A segment: its policy (None for all segments together), its series, and metrics by method."""

    policy: SegmentPolicy | None
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
        found[segment] = SegmentBacktest(segment_policy(days, choice, levels), series, figures)
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
