"""The plan replayed over nights of a backtest, beside a loop over series and days."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from lakeshop.inventory.demand import Demand
from lakeshop.inventory.plan import ServiceTarget, Stock, plan
from lakeshop.inventory.planned import FIXED_RULE, PLAN, replayable, replayed_plan
from lakeshop.inventory.replay.simulation import History

DAYS, HORIZON = 120, 28
AGES = (56, 49, 42, 35, 28)
LEADS = np.array([3.0, 7.0, 7.4, 12.0] * 4)
N = len(LEADS)


def terms(leads: np.ndarray = LEADS, pack: int = 4) -> Stock:
    n = len(leads)
    unknown = np.full(n, np.nan)
    return Stock(
        on_hand=unknown,
        on_order=unknown,
        lead_time=leads,
        deviation=np.full(n, 2.0),
        review=np.full(n, 30),
        pack=np.full(n, pack),
        shelf_life=np.where(np.arange(n) % 5, 0, 9),
    )


def shop(seed: int = 0, growth: float = 0.0) -> tuple[History, dict[int, Demand]]:
    """Poisson sales at levels that grow from day 60 on, and forecasts that know these levels."""
    chance = np.random.default_rng(seed)
    level = chance.uniform(0.3, 6.0, N)[:, None] * np.exp(
        growth * np.maximum(np.arange(DAYS) - 60, 0)
    )
    units = chance.poisson(level).astype(np.float64)
    exposure = np.ones((N, DAYS))
    exposure[3, 80:84] = 0.0
    units[3, 80:84] = 0.0
    dates = np.datetime64("2026-01-01") + np.arange(DAYS).astype("timedelta64[D]")
    demand_by_age = {}
    for age in AGES:
        ahead = level[:, DAYS - age : DAYS - age + HORIZON]
        demand_by_age[age] = Demand(ahead, np.full_like(ahead, 0.05), np.full(N, 0.01))
    return History(dates, units, exposure, period_days=1), demand_by_age


def by_loop(
    history: History, demand_by_age: Mapping[int, Demand], target: ServiceTarget, pack: int = 4
) -> tuple[float, float, float]:
    """Fill rate, mean stock and cost of the plan, one series and one day after the other."""
    served_of_all, wanted_of_all, cost = 0.0, 0.0, 0.0
    stock_by_day = np.zeros(7 * len(AGES))
    level = target.service_level
    holding, lost = target.holding or 1.0, target.shortage or 7 * level / (1 - level)
    for i in range(N):
        lead = math.floor(LEADS[i] + 0.5)
        known = terms(pack=pack)

        def ordered(
            age: int, hand: float, coming: float, i: int = i, known: Stock = known
        ) -> float:
            demand = demand_by_age[age]
            one = Demand(demand.mean[[i]], demand.dispersion[[i]], demand.level_variance[[i]])
            stock = Stock(
                np.array([hand]), np.array([coming]), known.lead_time[[i]], np.zeros(1),
                np.array([7]), known.pack[[i]], known.shelf_life[[i]],
            )  # fmt: skip
            return float(plan(one, stock, target).order[0])

        hand, arrivals = ordered(56, 0.0, 0.0), dict[int, float]()
        usual = 0.0
        for day in range(DAYS):
            in_stock = history.exposure[i, day] > 0
            wanted = history.units[i, day] if in_stock else max(0.0, usual)
            usual += (wanted - usual) / 13 if in_stock else 0.0
            since = day - (DAYS - 56)
            if since < 0:
                continue
            if 56 - since in AGES:
                coming = sum(units for when, units in arrivals.items() if when >= day)
                arrivals[day + lead] = ordered(56 - since, hand, coming)
            hand += arrivals.pop(day, 0.0)
            wanted = round(wanted)
            served = min(hand, wanted)
            hand -= served
            if in_stock and lead <= since < lead + 35:
                served_of_all, wanted_of_all = served_of_all + served, wanted_of_all + wanted
                stock_by_day[since - lead] += hand
                cost += holding * hand + lost * (wanted - served)
    return served_of_all / wanted_of_all, stock_by_day.mean(), cost


@pytest.mark.parametrize("target", [ServiceTarget(0.9), ServiceTarget(0.5, 0.4, 0.02)])
def test_the_replay_equals_a_loop_over_series_and_days(target: ServiceTarget) -> None:
    history, demand_by_age = shop()
    found = replayed_plan(history, demand_by_age, terms(), target)[PLAN]
    expected = by_loop(history, demand_by_age, target)
    names = ("fill_rate", "average_stock", "cost")
    np.testing.assert_allclose([found[name] for name in names], expected, rtol=1e-12)


def test_what_is_known_ahead_is_held_in_less_stock_than_a_rule_by_the_past_needs() -> None:
    """Sales double every three weeks: the fixed rule covers what sold, the plan what will."""
    history, demand_by_age = shop(growth=math.log(2) / 21)
    found = replayed_plan(history, demand_by_age, terms(pack=1), ServiceTarget(0.9))
    ours, other = found[PLAN], found[FIXED_RULE]
    assert ours["fill_rate"] == other["fill_rate"] > 0.9
    assert ours["average_stock"] < other["average_stock"]
    assert ours["cost"] < other["cost"]


def test_a_higher_service_level_serves_more_and_holds_more() -> None:
    history, demand_by_age = shop()
    low, high = (
        replayed_plan(history, demand_by_age, terms(), ServiceTarget(level))[PLAN]
        for level in (0.6, 0.98)
    )
    assert low["fill_rate"] < high["fill_rate"]
    assert low["average_stock"] < high["average_stock"]


def test_a_lead_time_that_outlasts_the_days_that_came_is_refused() -> None:
    leads = np.full(N, 21.0)
    leads[0] = 22.0
    assert replayable(terms(leads), AGES).tolist() == [False] + [True] * (N - 1)
    history, demand_by_age = shop()
    with pytest.raises(ValueError, match="should arrive in time"):
        replayed_plan(history, demand_by_age, terms(leads), ServiceTarget(0.9))


def test_where_nothing_is_demanded_there_is_nothing_to_compare() -> None:
    history, demand_by_age = shop()
    nothing = History(history.dates, history.units * 0, history.exposure, period_days=1)
    demand_by_age = {
        age: Demand(d.mean * 0, d.dispersion, d.level_variance) for age, d in demand_by_age.items()
    }
    found = replayed_plan(nothing, demand_by_age, terms(), ServiceTarget(0.9))
    assert set(found) == {PLAN}
    assert found[PLAN]["cost"] == 0
    assert math.isnan(found[PLAN]["fill_rate"])
