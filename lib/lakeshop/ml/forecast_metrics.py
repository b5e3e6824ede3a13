"""Accuracy of forecasts of many series: scaled errors, shares below quantiles.

Actual units, means and weights are float64[n, H], one row per series. Days of weight 0 are ignored:
sales on stock-out days measure supply, not demand. Days with a missing actual or forecast are
ignored too. An undefined metric, without days or with a scale of 0, is NaN, and NULL in a table.
"""

from typing import NamedTuple

import numpy as np

from lakeshop.ml.arrays import Floats

WEEK = 7


class Scales(NamedTuple):
    """Scales of each series' errors, float64[n]; NaN for a series that never changes.

    From the first sale on, over days that are both exposed: mean squared and mean absolute
    difference from the day before, and mean absolute difference from the week before.
    """

    squared: Floats
    absolute: Floats
    seasonal: Floats


class Coverage(NamedTuple):
    """Shares of days below and up to the quantiles of each level, float64[Q].

    Of counts the level should lie between the two.
    """

    below: Floats
    up_to: Floats


def scales(units: Floats, exposure: Floats) -> Scales:
    """The scales of histories, float64[n, T] (Hyndman & Koehler 2006; M5, Makridakis 2022)."""
    sold = np.cumsum((units > 0) & (exposure > 0), axis=1) > 0
    counts = sold & (exposure > 0)
    found = []
    for lag, power in ((1, 2), (1, 1), (WEEK, 1)):
        both = counts[:, lag:] & counts[:, :-lag]
        errors = np.abs(units[:, lag:] - units[:, :-lag]) ** power
        means = _row_means(errors, both.astype(np.float64))
        found.append(np.where(means > 0, means, np.nan))
    return Scales(*found)


def rmsse(actual: Floats, mean: Floats, squared_scale: Floats, weight: Floats) -> Floats:
    """Root mean squared error by `Scales.squared`, of each series (M5)."""
    errors, known = _errors(actual, mean, weight)
    scaled: Floats = np.sqrt(_row_means(errors**2, known) / squared_scale)
    return scaled


def mase(actual: Floats, mean: Floats, scale: Floats, weight: Floats) -> Floats:
    """Mean absolute error by a scale, seasonal or not, of each series (Hyndman & Koehler 2006)."""
    errors, known = _errors(actual, mean, weight)
    scaled: Floats = _row_means(np.abs(errors), known) / scale
    return scaled


def weighted(figures: Floats, value: Floats) -> float:
    """Mean over series weighted by value (WRMSSE of M5), of series with a metric and a value."""
    known = np.isfinite(figures) & (value > 0)
    return _ratio(float(np.sum((figures * value)[known])), float(np.sum(value[known])))


def wape(actual: Floats, mean: Floats, weight: Floats, *, days: int = 1) -> float:
    """Sum of absolute errors by sum of actual units, over sums of so many days.

    With 7 days errors within a week cancel out. Days left over at the end are left out; where a
    day of a week does not count, its other days do.
    """
    errors, known = _errors(actual, mean, weight)
    weeks = errors.shape[1] // days
    whole = weeks * days
    sums = (errors * known)[:, :whole].reshape(len(errors), weeks, days).sum(axis=2)
    sold = np.where(known > 0, actual * known, 0.0)[:, :whole]
    return _ratio(float(np.sum(np.abs(sums))), float(np.sum(sold)))


def bias(actual: Floats, mean: Floats, weight: Floats) -> float:
    """Sum of errors, forecast less actual, by sum of actual units: above 0 is too much."""
    errors, known = _errors(actual, mean, weight)
    return _ratio(
        float(np.sum(errors * known)), float(np.sum(np.where(known > 0, actual * known, 0.0)))
    )


def scaled_pinball(
    actual: Floats, quantiles: Floats, levels: Floats, absolute_scale: Floats, weight: Floats
) -> Floats:
    """Pinball loss by `Scales.absolute`, of each series and level (Koenker & Bassett 1978; M5).

    Args:
        actual: float64[n, H].
        quantiles: float64[n, H, Q].
        levels: float64[Q].
        absolute_scale: float64[n].
        weight: float64[n, H].

    Returns:
        float64[n, Q].
    """
    losses = []
    for place, level in enumerate(levels):
        errors, known = _errors(actual, quantiles[:, :, place], weight)
        loss = np.maximum(-level * errors, (1 - level) * errors)
        losses.append(_row_means(loss, known) / absolute_scale)
    return np.stack(losses, axis=1) if losses else np.empty((len(actual), 0))


def coverage(actual: Floats, quantiles: Floats, weight: Floats) -> Coverage:
    """Shares of days that sold less than each quantile, and no more than it."""
    below, up_to = [], []
    for place in range(quantiles.shape[2]):
        of_level = quantiles[:, :, place]
        _, known = _errors(actual, of_level, weight)
        total = float(np.sum(known))
        below.append(_ratio(float(np.sum(known[actual < of_level])), total))
        up_to.append(_ratio(float(np.sum(known[actual <= of_level])), total))
    return Coverage(np.array(below), np.array(up_to))


def _errors(actual: Floats, forecast: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Forecast less actual, and the weights; both 0 on days that do not count.

    Raises:
        ValueError: not of one shape.
    """
    if not actual.shape == forecast.shape == weight.shape:
        msg = (
            "actual, forecast and weight should have one shape, series by days. Received "
            f"{actual.shape}, {forecast.shape} and {weight.shape}. Take them from the same series."
        )
        raise ValueError(msg)
    is_known = np.isfinite(actual) & np.isfinite(forecast) & (weight > 0)
    known: Floats = np.where(is_known, weight, 0.0)
    errors: Floats = np.where(is_known, forecast - actual, 0.0)
    return errors, known


def _row_means(values: Floats, weight: Floats) -> Floats:
    """The mean of each row by weight; NaN without any."""
    return _divided(_row_sums(values * weight), _row_sums(weight))


def _row_sums(values: Floats) -> Floats:
    """Sums added one by one: a row's sum does not depend on the rows beside it."""
    padded = np.column_stack([np.zeros(len(values)), values])
    sums: Floats = np.cumsum(padded, axis=1)[:, -1]
    return sums


def _divided(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
