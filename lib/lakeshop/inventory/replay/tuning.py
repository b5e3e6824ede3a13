"""Tuning of a policy's parameters on earlier windows of the same history, and fair comparison.

Candidates are replayed over rolling windows that end before the scored periods; the cheapest one
wins. It sees nothing of the scored periods.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lakeshop.inventory.demand import Demand
from lakeshop.inventory.replay.levels import Forecaster
from lakeshop.inventory.replay.simulation import (
    History,
    Policy,
    Replayed,
    ReplayTerms,
    initial_state,
    replay,
)

START_WINDOW = 13  # periods whose mean stock begins with


@dataclass(frozen=True)
class Windows:
    """Rolling windows: how many, periods scored in each, periods from one to the next.

    Each begins `warm_up` periods earlier, which are not scored, so that the stock it starts with
    is forgotten.
    """

    count: int
    scored: int
    stride: int
    warm_up: int


def rolling(
    history: History, rules: ReplayTerms, policy: Policy, windows: Windows
) -> list[Replayed]:
    """Replay a policy in each window, the newest first.

    Args:
        history: ends before the periods to be scored.
        rules: of the replay.
        policy: one candidate.
        windows: fewer are replayed where the history is too short for all.

    Raises:
        ValueError: the history is too short for one window.
    """
    found, whole = [], filled(history)
    for number in range(windows.count):
        last = history.periods - number * windows.stride
        begin = last - windows.scored - windows.warm_up
        if begin < 1:
            break
        start = initial_state(
            history.until(begin), rules.lead + 1.0, window=START_WINDOW, lead=rules.lead
        )
        replayed = replay(whole.until(last), start, rules, policy, first=begin)
        found.append(replayed.between(windows.warm_up, windows.warm_up + windows.scored))
    if not found:
        msg = (
            f"A window needs {windows.scored + windows.warm_up + 1} periods before the scored "
            f"ones. Received {history.periods}; take fewer scored periods or less warm-up."
        )
        raise ValueError(msg)
    return found


def filled(history: History) -> History:
    """A history with imputed demand in stock-out periods.

    True demand is unknown. No demand at all would leave the replay with stock that was sold in
    truth, and favour low levels. The mean of the last periods in stock is used. It is in no sum,
    and no policy reads it, as the exposure stays 0.
    """
    in_stock = history.exposure > 0
    units, mean = history.units.copy(), np.zeros(len(history))
    for period in range(history.periods):
        now = in_stock[:, period]
        units[:, period] = np.where(now, units[:, period], np.maximum(units[:, period], mean))
        mean = np.where(now, mean + (units[:, period] - mean) / START_WINDOW, mean)
    return replace(history, units=np.rint(units))


def tune(
    history: History, rules: ReplayTerms, candidates: Mapping[str, Policy], windows: Windows
) -> tuple[str, dict[str, float]]:
    """The candidate of least cost over all windows, the first of equal ones; and all costs."""
    costs = {
        name: sum(replayed.cost for replayed in rolling(history, rules, policy, windows))
        for name, policy in candidates.items()
    }
    return min(costs, key=lambda name: costs[name]), costs


@dataclass(frozen=True)
class AtEqualService:
    """Two families of policies where both serve the same share of demand."""

    fill_rate: float
    stock: float
    stock_of_other: float
    cost: float
    cost_of_other: float


def at_equal_service(
    ours: Sequence[Replayed], others: Sequence[Replayed], fill_rate: float
) -> AtEqualService | None:
    """Stock and cost of each at a fill rate, straight lines between the replays of its grid.

    Args:
        ours: replays of one policy at several service levels.
        others: replays of the other at several covers.
        fill_rate: to compare at.

    Returns:
        None where either grid does not reach the fill rate on both sides.
    """
    found = []
    for grid in (ours, others):
        ordered = sorted(grid, key=lambda replayed: replayed.fill_rate)
        rates = [replayed.fill_rate for replayed in ordered]
        if not rates or not rates[0] <= fill_rate <= rates[-1]:
            return None
        stock, cost = [r.average_stock for r in ordered], [r.cost for r in ordered]
        found.append([float(np.interp(fill_rate, rates, numbers)) for numbers in (stock, cost)])
    (stock_of_ours, cost_of_ours), (stock_of_other, cost_of_other) = found
    return AtEqualService(fill_rate, stock_of_ours, stock_of_other, cost_of_ours, cost_of_other)


def memoize(forecast: Forecaster) -> Forecaster:
    """A forecaster that makes the forecast of the same history once: candidates share it."""
    known: dict[tuple[str, int], Demand] = {}

    def look_up(history: History, periods: int) -> Demand:
        digest = hashlib.blake2b(history.units.tobytes() + history.exposure.tobytes())
        key = (digest.hexdigest(), periods)
        if key not in known:
            known[key] = forecast(history, periods)
        return known[key]

    return look_up
