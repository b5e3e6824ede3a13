"""Replay of the reorder plan over the origins of a backtest, beside a fixed reorder rule.

At each origin, orders are decided by the forecast of that day and meet the actual demand. Each rule
begins with its order from empty stock, so that its stock is its own after one lead time. Evaluation
covers the time from then until the last order is used up. Lead times are the mean ones. Series of
equal lead time are replayed together, and summed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lakeshop.inventory.demand import Demand
from lakeshop.inventory.plan import MOST_LEVEL, ServiceTarget, Stock, plan
from lakeshop.inventory.replay.rules import fixed_rule
from lakeshop.inventory.replay.simulation import (
    History,
    Policy,
    Replayed,
    ReplayTerms,
    State,
    replay,
)
from lakeshop.inventory.replay.tuning import at_equal_service, filled
from lakeshop.ml.arrays import Floats, Integers

PLAN, FIXED_RULE = "plan", "fixed_rule"
WINDOW = 56  # days whose mean the fixed rule covers
COVERS = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)  # times lead time and review

Figures = Mapping[str, float]
Maker = Callable[[ReplayTerms, Integers], Policy]


def replayable(terms: Stock, ages: Collection[int]) -> NDArray[np.bool_]:
    """Mask of series with a last order that arrives and is used up in time: bool[n]."""
    found: NDArray[np.bool_] = _leads(terms) + _review(ages) <= min(ages)
    return found


def replayed_plan(
    history: History, demand_by_age: Mapping[int, Demand], terms: Stock, target: ServiceTarget
) -> dict[str, Figures]:
    """Fill rate, average stock and cost of the plan, and of the fixed rule at equal service.

    Args:
        history: known days, with the days to replay.
        demand_by_age: forecast demand by its age in days before the last day. Origins are one
            review apart.
        terms: of the same n series, all `replayable`; stock on hand is not read.
        target: of the plan.

    Returns:
        Metrics by policy, of the fixed rule at the plan's fill rate if it can reach it.
        With a target by costs, the cost is in unit prices. Else it is in costs of holding a unit
        for a
        day, and the cost of a shortage makes the service level optimal.

    Raises:
        ValueError: a series' last order does not arrive in time.
    """
    if not replayable(terms, demand_by_age).all():
        msg = "The last order of each series should arrive in time. Leave out those of long leads."
        raise ValueError(msg)
    review = _review(demand_by_age)
    nights = _Nights(filled(history), history.periods - max(demand_by_age), len(demand_by_age))
    by_days = {history.periods - age: demand for age, demand in demand_by_age.items()}

    def over(make: Maker) -> Replayed:
        leads = _leads(terms)
        groups = [(lead, np.flatnonzero(leads == lead)) for lead in np.unique(leads).tolist()]
        return _joined(
            [nights.replayed(rows, _rules(lead, review, target), make) for lead, rows in groups]
        )

    def fixed(cover: float) -> Replayed:
        return over(
            lambda rules, rows: _in_packs(
                fixed_rule(cover * (rules.lead + review), WINDOW), terms.pack[rows]
            )
        )

    ours = over(lambda rules, rows: _by_plan(by_days, _take(terms, rows, rules), target, rows))
    equal = at_equal_service([ours], [fixed(cover) for cover in COVERS], ours.fill_rate)
    found = {PLAN: _figures(ours.fill_rate, ours.average_stock, ours.cost)}
    if equal is not None:
        found[FIXED_RULE] = _figures(equal.fill_rate, equal.stock_of_other, equal.cost_of_other)
    return found


def _figures(fill_rate: float, stock: float, cost: float) -> Figures:
    return {"fill_rate": fill_rate, "average_stock": stock, "cost": cost}


def _leads(terms: Stock) -> Integers:
    """Whole days, as a plan without deviation reads them."""
    leads: Integers = np.floor(terms.lead_time + 0.5).astype(np.int64)
    return leads


def _review(ages: Collection[int]) -> int:
    """Days from one origin to the next."""
    return (max(ages) - min(ages)) // (len(ages) - 1)


def _rules(lead: int, review: int, target: ServiceTarget) -> ReplayTerms:
    if target.is_by_cost:
        return ReplayTerms(lead, target.holding or 0.0, target.shortage or 0.0, review=review)
    level = min(target.service_level, MOST_LEVEL)
    return ReplayTerms(lead, 1.0, review * level / (1 - level), review=review)


def _take(terms: Stock, rows: Integers, rules: ReplayTerms) -> Stock:
    """Terms of some series, with the review of the origins and deterministic lead times."""
    return Stock(
        on_hand=np.zeros(len(rows)),
        on_order=np.zeros(len(rows)),
        lead_time=terms.lead_time[rows],
        deviation=np.zeros(len(rows)),
        review=np.full(len(rows), rules.review),
        pack=terms.pack[rows],
        shelf_life=terms.shelf_life[rows],
    )


def _by_plan(
    demand_by_age: Mapping[int, Demand], terms: Stock, target: ServiceTarget, rows: Integers
) -> Policy:
    """The plan by the forecast of the newest known day."""
    own = {days: demand.take(rows) for days, demand in demand_by_age.items()}

    def decide(state: State, history: History) -> Floats:
        stock = replace(terms, on_hand=state.on_hand, on_order=state.in_transit.sum(axis=1))
        return plan(own[history.periods], stock, target).order

    return decide


def _in_packs(policy: Policy, pack: Integers) -> Policy:
    def decide(state: State, history: History) -> Floats:
        packs: Floats = np.ceil(policy(state, history) / pack) * pack
        return packs

    return decide


@dataclass(frozen=True, eq=False)
class _Nights:
    """All days, the number of them known at the first origin, and the number of origins."""

    history: History
    first: int
    count: int

    def replayed(self, rows: Integers, rules: ReplayTerms, make: Maker) -> Replayed:
        """Replay a policy on some series, from its first arrival until its last review."""
        own, decide = self.history.take(rows), make(rules, rows)
        nothing = State(np.zeros(len(rows)), np.zeros((len(rows), rules.lead)))
        start = replace(nothing, on_hand=decide(nothing, own.until(self.first)))
        found = replay(own, start, rules, decide, first=self.first, rounds=self.count)
        return found.between(rules.lead, rules.lead + rules.review * self.count)


def _joined(parts: Sequence[Replayed]) -> Replayed:
    """Sum of several replays."""
    sums = {
        name: np.sum([getattr(part, name) for part in parts], axis=0)
        for name in ("holding", "lost", "demand", "served", "stock")
    }
    return Replayed(**sums, orders=np.concatenate([part.orders for part in parts]))
