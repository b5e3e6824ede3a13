"""The reorder plan in ops.backtests: replayed over its origins where stock is counted."""

from collections.abc import Mapping

import numpy as np

from lakeshop.demand.backtests import Backtest
from lakeshop.demand.forecasting.backtest import BacktestOrigin, SegmentBacktest
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.forecasting.policies import SegmentPolicy, forecast, policies_for
from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.inventory.demand import Demand
from lakeshop.inventory.plan import ServiceTarget
from lakeshop.inventory.planned import replayable, replayed_plan
from lakeshop.inventory.replay.simulation import History
from lakeshop.inventory.replenishment import SERIES_KEY, stock_of, terms_of
from lakeshop.inventory.settings import InventorySettings

REORDER = "reorder"


def reorder_segment(
    backtest: Backtest, tables: Tables, context: BuildContext
) -> dict[str, SegmentBacktest]:
    """Return the figures of the plan and of a fixed rule; none where no series can be replayed.

    Series are left out that are not sold in whole units; that were not sold yet on the first
    night; that do not keep, since in a replay nothing expires and a rule that orders too much
    would have no loss of it; and whose lead time is so long that the last order comes too late.

    Args:
        backtest: the forecasts of demand at each origin.
        tables: of the builder, silver.stock among them.
        context: the training day.
    """
    rows, panel, origins = backtest.rows, backtest.panel, backtest.origins
    counts, policies, night = tables["silver.stock"], backtest.rules, context
    stock = stock_of(counts, night.day, night.settings.section(DemandSettings).level).toPandas()
    held = rows[list(SERIES_KEY)].merge(stock, on=list(SERIES_KEY), how="left")
    options, is_fractional = (
        night.settings.section(InventorySettings),
        rows["is_fractional"].to_numpy(np.bool_),
    )
    is_counted = held["age"].notna().to_numpy() & ~is_fractional
    is_counted &= (panel.until(max(origins)).exposure > 0).any(axis=1)
    terms = terms_of(held, options)
    is_counted &= (terms.shelf_life <= 0) & replayable(terms, origins)
    if not is_counted.any():
        return {}
    chosen = np.flatnonzero(is_counted)
    levels = np.array(night.settings.section(DemandSettings).quantiles)
    demand = {
        age: _demand(origin, policies_for(policies, origin.segments, levels)).take(chosen)
        for age, origin in origins.items()
    }
    aim = ServiceTarget(options.service_level, options.shortage_cost, options.holding_cost_per_day)
    history, terms = _history(panel.take(chosen)), terms_of(held.iloc[chosen], options)
    figures = replayed_plan(history, demand, terms, aim)
    return {REORDER: SegmentBacktest(None, len(chosen), figures)}


def _demand(origin: BacktestOrigin, policies: Mapping[str, SegmentPolicy]) -> Demand:
    """Forecast demand of each series."""
    is_fractional = np.zeros(len(origin.segments), np.bool_)
    forecasts = forecast(origin.forecasts, origin.segments, policies, is_fractional)
    return Demand.of(forecasts.mean, forecasts.variance, forecasts.level_variance)


def _history(panel: Panel) -> History:
    days = np.arange(panel.days) - panel.days + 1
    dates = np.datetime64(panel.day, "D") + days.astype("timedelta64[D]")
    return History(dates, panel.units, panel.exposure, period_days=1)
