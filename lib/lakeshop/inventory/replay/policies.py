"""Policies by a predictive distribution: cover demand until the next order with a probability."""

import numpy as np

from lakeshop.inventory import projection
from lakeshop.inventory.demand import Interval
from lakeshop.inventory.protection import summarize_demand
from lakeshop.inventory.replay.levels import Forecaster
from lakeshop.inventory.replay.simulation import History, Policy, ReplayTerms, State
from lakeshop.ml.arrays import Floats


def newsvendor(rules: ReplayTerms) -> float:
    """The chance to last at which a unit more costs as much as it saves until the next order."""
    left_over = rules.holding * rules.review
    return rules.lost / (rules.lost + left_over) if rules.lost else 0.0


def predictive(forecast: Forecaster, rules: ReplayTerms, *, level: float) -> Policy:
    """Cover demand from the order's arrival to the next one with probability `level`.

    With lost sales, stock is projected to the arrival as a distribution. With backorders, the
    position is lifted to the quantile of demand over lead time and review.
    """

    def decide(state: State, history: History) -> Floats:
        demand = forecast(history, rules.lead + rules.review)
        if rules.backorders:
            n = len(demand)
            interval = Interval(
                np.full(n, float(rules.lead)), np.zeros(n), np.full(n, rules.review)
            )
            target = summarize_demand(demand, interval, levels=np.full(n, level)).quantiles[:, 0]
            lifted: Floats = np.ceil(np.maximum(target - state.position, 0.0))
            return lifted
        return projection.orders(
            demand, state.on_hand, state.in_transit, level=level, review=rules.review
        )

    return decide
