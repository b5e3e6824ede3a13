"""Forecasting methods by name as forecasters of a replay by days."""

from datetime import date

import numpy as np

from lakeshop.demand.forecasting.methods import METHODS
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.errors import ConfigError
from lakeshop.inventory.demand import Demand
from lakeshop.inventory.replay.levels import Forecaster, dispersions, pooled_season
from lakeshop.inventory.replay.rules import of_dates, recent_mean
from lakeshop.inventory.replay.simulation import History

KNOWN_DAYS = 56.0  # days that a level is taken to be estimated from


def by_method(name: str, drift: float) -> Forecaster:
    """A forecaster by the name of a method.

    Raises:
        ConfigError: no such method.
    """
    if name not in METHODS:
        msg = f"method should be one of {', '.join(METHODS)}. Received {name!r}."
        raise ConfigError(msg)

    def forecast(history: History, periods: int) -> Demand:
        factors = pooled_season(history)
        weekdays = np.tile(factors, (len(history), 1))
        mean = METHODS[name](panel_of(history, periods), weekdays)
        usual = recent_mean(history, int(KNOWN_DAYS))[:, None]
        mean = np.where(np.isfinite(mean), mean, usual)
        level, past = mean.mean(axis=1), of_dates(factors, history.dates, history.period_days)
        dispersion = dispersions(history, level, past)
        estimated = (1 / np.maximum(level, 1e-3) + dispersion) / KNOWN_DAYS
        return Demand(
            mean=mean,
            dispersion=np.repeat(dispersion[:, None], periods, axis=1),
            level_variance=np.minimum(estimated, 1.0) + drift,
        )

    return forecast


def panel_of(history: History, horizon: int) -> Panel:
    """A history of days as methods read it: no price and no promotion is known."""
    if history.period_days != 1:
        msg = (
            "Methods should be given days. "
            f"Received periods of {history.period_days} days; leave method out."
        )
        raise ConfigError(msg)
    shape = (len(history), history.periods + horizon)
    day: date = history.dates[-1].astype("datetime64[D]").item()
    return Panel(
        day=day,
        units=history.units,
        exposure=history.exposure,
        price=np.full(history.units.shape, np.nan),
        display=np.zeros(shape),
        mailer=np.zeros(shape),
        announced=np.full(shape, -1.0),
    )
