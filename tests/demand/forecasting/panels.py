"""Panels for tests: series by days, known on a Saturday."""

from datetime import date

import numpy as np

from lakeshop.demand.forecasting.panel import Panel

DAY = date(2026, 3, 7)  # a Saturday
SATURDAY = 5
HORIZON = 14
EVEN = np.ones(7)


def panel_of(units, exposure=None, *, day=DAY, horizon=HORIZON):
    """A panel without promotions; exposed on all days unless said."""
    units = np.atleast_2d(np.asarray(units, np.float64))
    shape = len(units), units.shape[1] + horizon
    exposed = np.ones_like(units) if exposure is None else np.atleast_2d(exposure).astype(float)
    return Panel(
        day=day,
        units=units,
        exposure=exposed,
        price=np.full_like(units, np.nan),
        display=np.zeros(shape),
        mailer=np.zeros(shape),
        announced=np.full(shape, -1.0),
    )


def draw(seed, n=40, days=160):
    """Series of all kinds: rates from rare to daily, some exposed in part, some begun late."""
    chance = np.random.default_rng(seed)
    rate = np.exp(chance.uniform(-4, 3, (n, 1)))
    size = chance.geometric(chance.uniform(0.3, 1, (n, 1)), (n, days))
    units = chance.poisson(rate, (n, days)) * size
    exposure = np.where(chance.random((n, days)) < 0.9, 1.0, chance.random((n, days)).round(2))
    exposure[np.arange(days) < chance.integers(0, days, (n, 1))] = 0
    exposure[: n // 2] = 1
    return panel_of(np.where(exposure > 0, units, 0), exposure)


def draw_weekdays(seed, n=40):
    factors = np.random.default_rng(seed).uniform(0.3, 2, (n, 7))
    return factors / factors.mean(axis=1, keepdims=True)
