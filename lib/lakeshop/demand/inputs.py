"""Inputs of the demand network: a series' past in its own scale, and its planned future.

Everything is relative to the series' own recent rate: one network serves a product sold once a
month and one sold by the hundred. A record is one row of numbers, in the order of `columns`. The
same code makes it for training, for the backtest and for the nightly run.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lakeshop.demand.forecasting.panel import Panel
from lakeshop.ml import hashing
from lakeshop.ml.arrays import Floats, Floats32

Names = Mapping[str, tuple[str, ...]]

PAST_DAYS = 56
WINDOWS = (7, 14, 28, 112, 364)
LIFT_DAYS = 84
BUCKETS = 512  # of hashed departments and categories; 0 is unknown
PAST = ("units", "exposure", "mailer", "display")
STATIC = (
    "log_scale",
    *[f"rate_{days}" for days in WINDOWS],
    "rate_mailed",
    "rate_not_mailed",
    "rate_displayed",
    "rate_not_displayed",
    "age",
    "share_of_days_sold",
    "deviation",
    "price_change",
    "log_price",
)
FUTURE = ("mailer", "display", "same_weekday")
PRIOR_DAYS, PRIOR_RATE = 7.0, 0.02  # days of a slow seller that every rate is given
STORES = 5.0  # the logarithm of a promotion's stores is divided by


def columns(horizon: int, calendar: Sequence[str]) -> tuple[Names, tuple[str, ...]]:
    """The inputs of the network, and its target: units, then exposure, of each day ahead.

    Args:
        horizon: days ahead, H.
        calendar: names of the calendar features of a day.
    """
    ahead = range(1, horizon + 1)
    inputs = {
        "past": tuple(f"{name}_before_{n}" for name in PAST for n in range(PAST_DAYS, 0, -1)),
        "static": STATIC,
        "future": tuple(f"{name}_on_{n}" for n in ahead for name in (*FUTURE, *calendar)),
        "weekday": tuple(f"tomorrow_is_{n}" for n in range(7)),
        "group": ("department", "category"),
        "scale": ("scale",),
    }
    target = tuple(f"{name}_of_{n}" for name in ("units", "exposure") for n in ahead)
    return inputs, target


def bucket(name: str | None) -> int:
    """Embedding index of a department or category; 0 where unknown."""
    return hashing.bucket(name, BUCKETS)


def inputs_of(panel: Panel, groups: Floats, calendar: Floats) -> Floats32:
    """Records float32[n, inputs] of each series as known on the panel's day.

    Args:
        panel: n series, at least one day of history.
        groups: float64[n, 2], `bucket` of department and category.
        calendar: float64[H, k], calendar features of the days ahead.
    """
    scale = _rate(panel, 56)
    parts = [
        _past(panel, scale),
        _static(panel, scale),
        _future(panel, scale, calendar),
        np.tile(np.eye(7)[(panel.day.weekday() + 1) % 7], (len(panel), 1)),
        groups,
        scale[:, None],
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def targets_of(panel: Panel, days_before: int, horizon: int) -> Floats32:
    """Actual units and exposure after an origin, float32[n, 2 H]; 0 where not known yet."""
    start = panel.days - days_before
    found = []
    for values in (panel.units, panel.exposure):
        ahead = np.zeros((len(panel), horizon))
        seen = values[:, start : start + horizon]
        ahead[:, : seen.shape[1]] = seen
        found.append(ahead)
    return np.concatenate(found, axis=1).astype(np.float32)


def _last(values: Floats, days: int) -> Floats:
    """The last days, zeros before the first one there is."""
    lacking = max(days - values.shape[1], 0)
    return np.pad(values[:, -days:], ((0, 0), (lacking, 0)))


def _sum(values: Floats) -> Floats:
    # cumsum adds one by one: a series' inputs do not depend on the series beside it.
    return np.cumsum(values, axis=1)[:, -1]


def _rate(panel: Panel, days: int, among: NDArray[np.bool_] | None = None) -> Floats:
    """Units per exposed day, shrunk towards a slow seller's: float64[n], above 0."""
    units, exposure = _last(panel.units, days), _last(panel.exposure, days)
    if among is not None:
        units, exposure = units * among, exposure * among
    prior = PRIOR_DAYS * PRIOR_RATE
    return np.asarray((_sum(units) + prior) / (_sum(exposure) + PRIOR_DAYS))


def _past(panel: Panel, scale: Floats) -> Floats:
    units, exposure = (_last(v, PAST_DAYS) for v in (panel.units, panel.exposure))
    # A hardly exposed day has little information: it is shown as an ordinary one.
    rate = np.where(exposure >= 0.25, units / np.maximum(exposure, 0.25), scale[:, None])
    stores = [_last(v[:, : panel.days], PAST_DAYS) for v in (panel.mailer, panel.display)]
    shown = [np.log1p(rate / scale[:, None]), exposure, *[np.log1p(v) / STORES for v in stores]]
    return np.concatenate(shown, axis=1)


def _static(panel: Panel, scale: Floats) -> Floats:
    units, exposure = _last(panel.units, LIFT_DAYS), _last(panel.exposure, LIFT_DAYS)
    known = np.maximum(_sum(exposure), 1.0)
    mean = _sum(units) / known
    spread = np.sqrt(_sum(exposure * (units - mean[:, None]) ** 2) / known)
    price, change = _prices(panel)
    values = [np.log(scale), *[np.log(_rate(panel, days) / scale) for days in WINDOWS]]
    for stores in (panel.mailer, panel.display):
        is_shown = _last(stores[:, : panel.days], LIFT_DAYS) > 0
        shown = [_lifted(units, exposure, scale, among) for among in (is_shown, ~is_shown)]
        values.extend(np.log(shown))
    values += [
        np.minimum(_age(panel), 364) / 364,
        _sum((units > 0).astype(float)) / known,
        np.log1p(spread / scale),
        change,
        price,
    ]
    return np.stack(values, axis=1)


def _lifted(units: Floats, exposure: Floats, scale: Floats, among: NDArray[np.bool_]) -> Floats:
    """The rate of some days by that of all, as if three ordinary days were among them."""
    own = _sum(units * among) + 3 * scale
    return np.asarray(own / (_sum(exposure * among) + 3) / scale)


def _age(panel: Panel) -> Floats:
    """Days since the first exposed one, 0 where there is none."""
    seen = panel.exposure > 0
    return np.where(seen.any(axis=1), panel.days - np.argmax(seen, axis=1), 0).astype(float)


def _prices(panel: Panel) -> tuple[Floats, Floats]:
    """Logarithms of the mean price of 56 days, and of the last price by it; 0 where unknown."""
    recent = _last(np.nan_to_num(panel.price, nan=0.0), PAST_DAYS)
    count = _sum((recent > 0).astype(float))
    mean = np.where(count > 0, _sum(recent) / np.maximum(count, 1), 1.0)
    last = np.where(recent[:, -1] > 0, recent[:, -1], mean)
    return np.log(mean) / 3, np.clip(np.log(last / mean), -2, 2)


def _future(panel: Panel, scale: Floats, calendar: Floats) -> Floats:
    """float64[n, H * k], day by day."""
    horizon, n = panel.horizon, len(panel)
    stores = [np.log1p(v[:, panel.days :]) / STORES for v in (panel.mailer, panel.display)]
    own = np.stack([*stores, _same_weekday(panel, scale)[:, np.arange(horizon) % 7]], axis=2)
    common = np.broadcast_to(calendar, (n, *calendar.shape))
    return np.concatenate([own, common], axis=2).reshape(n, -1)


def _same_weekday(panel: Panel, scale: Floats) -> Floats:
    """Logarithm of each weekday's rate by the series' own, [n, 7] from the day after on."""
    units, exposure = (
        _last(v, PAST_DAYS).reshape(len(panel), -1, 7).cumsum(axis=1)[:, -1]
        for v in (panel.units, panel.exposure)
    )
    return np.asarray(np.log((units + 8 * scale[:, None]) / (exposure + 8) / scale[:, None]))
