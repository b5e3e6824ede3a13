"""Replay a history period by period: orders, sales, stock and losses of a policy.

An order decided after period t arrives at the start of period t + 1 + lead and can be sold in it.
Within a period: arrivals, then demand, then costs of leftovers and shortages. A policy sees the
state at that time and the history up to it, never more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Floats

Dates = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class History:
    """Series by periods.

    `dates` are the first days of the periods, datetime64[D] of length T, all `period_days` long.
    `units` is float64[n, T]: demand or sales. `exposure` is of the same shape: the share of the
    period on sale, 0 while sold out or not on sale.
    """

    dates: Dates
    units: Floats
    exposure: Floats
    period_days: int = 7

    def __len__(self) -> int:
        return len(self.units)

    @property
    def periods(self) -> int:
        """Number of known periods."""
        return len(self.dates)

    def until(self, period: int) -> "History":
        """History before a period: periods 0 to `period` - 1."""
        return replace(
            self,
            dates=self.dates[:period],
            units=self.units[:, :period],
            exposure=self.exposure[:, :period],
        )

    def take(self, rows: NDArray[np.int64]) -> "History":
        """Some of the series."""
        return replace(self, units=self.units[rows], exposure=self.exposure[rows])

    def coming(self, periods: int) -> Dates:
        """The first days of the next periods."""
        steps = np.arange(1, periods + 1) * np.timedelta64(self.period_days, "D")
        days: Dates = self.dates[-1] + steps
        return days


@dataclass(frozen=True, eq=False)
class State:
    """Stock after a period: on hand float64[n], and arrivals by period float64[n, lead].

    Column 0 of `in_transit` arrives at the start of the next period. With backorders stock on hand
    may be less than 0.
    """

    on_hand: Floats
    in_transit: Floats

    @property
    def position(self) -> Floats:
        """On hand and in transit."""
        total: Floats = self.on_hand + self.in_transit.sum(axis=1)
        return total


@dataclass(frozen=True)
class ReplayTerms:
    """Lead time in periods, costs per unit, and the effect of unmet demand.

    `holding` is the cost of a unit left at the end of a period, `lost` of a unit short. With
    `backorders` such a unit is delivered later and costs once. A policy sees demand if `sees_lost`,
    else sales, and the period as sold out. It orders every `review` periods.
    """

    lead: int
    holding: float
    lost: float
    backorders: bool = False
    sees_lost: bool = True
    review: int = 1


@dataclass(frozen=True, eq=False)
class Replayed:
    """Outcome by period: sums over the series, float64[P]; orders float64[n, rounds].

    Stock is measured at the end of each period. Sums exclude periods in which a series was not on
    sale in the history: their demand is unknown.
    """

    holding: Floats
    lost: Floats
    demand: Floats
    served: Floats
    stock: Floats
    orders: Floats

    def between(self, first: int, last: int) -> "Replayed":
        """The periods from `first` to `last` - 1."""
        cut = {
            name: getattr(self, name)[first:last]
            for name in ("holding", "lost", "demand", "served", "stock")
        }
        return replace(self, **cut)

    @property
    def cost(self) -> float:
        """Of holding and of lost sales."""
        return float(self.holding.sum() + self.lost.sum())

    @property
    def fill_rate(self) -> float:
        """Share of units demanded that were served at once; NaN without demand."""
        demand = float(self.demand.sum())
        return float(self.served.sum()) / demand if demand else float("nan")

    @property
    def average_stock(self) -> float:
        """Units left at the end of a period, of all series."""
        return float(self.stock.mean())


Policy = Callable[[State, History], Floats]


def replay(
    history: History,
    start: State,
    rules: ReplayTerms,
    policy: Policy,
    *,
    first: int,
    rounds: int | None = None,
) -> Replayed:
    """Replay the periods from `first` to the last one known.

    Args:
        history: with the demand of the replayed periods.
        start: after period `first` - 1.
        rules: of the replay.
        policy: decides the orders of the series, units from 0.
        first: the first replayed period, from 1.
        rounds: how many orders are decided, the first after period `first` - 1; by default all
            that still arrive.

    Raises:
        ValueError: no period before the first, or more in transit than the lead time has periods.
    """
    periods = history.periods - first
    _check(history, start, rules, first)
    most = -(-max(0, periods - rules.lead) // rules.review)
    rounds = most if rounds is None else min(rounds, most)
    arriving = np.zeros((len(history), periods + rules.lead + 1))
    arriving[:, : start.in_transit.shape[1]] = start.in_transit
    on_hand, seen = start.on_hand.astype(np.float64), history
    sums, orders = np.zeros((5, periods)), np.zeros((len(history), rounds))
    for p in range(periods):
        number, is_between = divmod(p, rules.review)
        if not is_between and number < rounds:
            state = State(on_hand.copy(), arriving[:, p : p + rules.lead].copy())
            orders[:, number] = _decided(policy(state, seen.until(first + p)), len(history))
            arriving[:, p + rules.lead] += orders[:, number]
        on_hand = on_hand + arriving[:, p]
        wanted = history.units[:, first + p]
        served = np.minimum(np.maximum(on_hand, 0), wanted)
        on_hand = on_hand - (wanted if rules.backorders else served)
        counts = history.exposure[:, first + p] > 0
        left, missing = np.maximum(on_hand, 0), wanted - served
        facts = (rules.holding * left, rules.lost * missing, wanted, served, left)
        sums[:, p] = [np.where(counts, fact, 0.0).sum() for fact in facts]
        if not rules.sees_lost:
            seen = _sold(seen, first + p, served, missing)
    holding, lost, demand, sold, stock = sums
    return Replayed(holding, lost, demand, sold, stock, orders)


def initial_state(history: History, cover: float, *, window: int, lead: int) -> State:
    """A start with unknown stock: whole units for `cover` mean periods, nothing in transit."""
    recent = history.units[:, -window:], history.exposure[:, -window:]
    on_sale = np.maximum(recent[1].sum(axis=1), 1.0)
    mean = (recent[0] * recent[1]).sum(axis=1) / on_sale
    return State(np.round(cover * mean), np.zeros((len(history), lead)))


def _sold(seen: History, period: int, served: Floats, missing: Floats) -> History:
    """The history with the sales of a period, sold out where demand was unmet."""
    units, exposure = seen.units.copy(), seen.exposure.copy()
    units[:, period] = served
    exposure[:, period] = np.where(missing > 0, 0.0, exposure[:, period])
    return replace(seen, units=units, exposure=exposure)


def _decided(order: Floats, n: int) -> Floats:
    if order.shape != (n,) or not np.all(np.isfinite(order)) or np.any(order < 0):
        msg = f"A policy should order 0 or more units of each of {n} series. Received {order}."
        raise ValueError(msg)
    return order


def _check(history: History, start: State, rules: ReplayTerms, first: int) -> None:
    if not 1 <= first < history.periods:
        msg = (
            f"first should lie within the {history.periods} periods, with one before it. "
            f"Received {first}."
        )
        raise ValueError(msg)
    if start.in_transit.shape[1] > rules.lead:
        msg = (
            f"At most {rules.lead} periods' orders should be in transit, the lead time. "
            f"Received {start.in_transit.shape[1]}; give what arrives in the next periods."
        )
        raise ValueError(msg)
    if np.any(history.units < 0) or not np.all(np.isfinite(history.units)):
        msg = "Demand should be 0 or more. Received a value that is not; fill gaps before."
        raise ValueError(msg)
