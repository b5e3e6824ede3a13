"""Timing by hand: an order decided after period t arrives at the start of t + 1 + lead."""

from dataclasses import replace

import numpy as np
import pytest

from lakeshop.inventory.replay.levels import Levels, by_level
from lakeshop.inventory.replay.policies import newsvendor, predictive
from lakeshop.inventory.replay.rules import fixed_rule, recent_mean, season_key, seasonal_mean
from lakeshop.inventory.replay.simulation import (
    History,
    Policy,
    ReplayTerms,
    State,
    initial_state,
    replay,
)

MONDAY = np.datetime64("2021-04-12")
VN2 = ReplayTerms(lead=2, holding=0.2, lost=1.0)


def history_of(*rows: list[float], exposure: list[list[float]] | None = None) -> History:
    units = np.array(rows, np.float64)
    dates = MONDAY + np.arange(units.shape[1]) * np.timedelta64(7, "D")
    shares = np.ones_like(units) if exposure is None else np.array(exposure, np.float64)
    return History(dates, units, shares, period_days=7)


def start_of(on_hand: float, *in_transit: float) -> State:
    return State(np.array([on_hand]), np.array([list(in_transit)], np.float64))


def ordering(*units: float) -> Policy:
    """Orders these units, one after the other."""
    rest = list(units)
    return lambda state, history: np.array([float(rest.pop(0))])


def test_the_timing_of_the_competition() -> None:
    # Weeks 1 and 2 have what was in transit; the order after week 0 arrives in week 3.
    #   week       1    2    3    4    5
    #   arrives    2    1    6    0    3
    #   demand     4    3    4    1    5
    #   at hand    5    2    6    2    4
    #   left       1    0    2    1    0
    #   missing    0    1    0    0    1
    history = history_of([9, 9, 4, 3, 4, 1, 5])
    found = replay(history, start_of(3, 2, 1), VN2, ordering(6, 0, 3), first=2)
    assert found.orders.tolist() == [[6, 0, 3]]
    assert found.stock.tolist() == [1, 0, 2, 1, 0]
    assert found.lost.tolist() == [0, 1, 0, 0, 1]
    assert found.holding.tolist() == pytest.approx([0.2, 0, 0.4, 0.2, 0])
    assert found.served.tolist() == [4, 2, 4, 1, 4]
    assert found.cost == pytest.approx(2.8)
    assert found.fill_rate == pytest.approx(15 / 17)
    assert found.average_stock == pytest.approx(0.8)
    assert found.between(2, 5).cost == pytest.approx(1.6)


@pytest.mark.parametrize(("lead", "cost"), [(1, 0.0), (2, 1.0), (3, 2.0)])
def test_one_period_of_lead_more_is_one_more_without_stock(lead: int, cost: float) -> None:
    history = history_of([1, 1, 1, 1, 1, 1])
    rules = replace(VN2, lead=lead, holding=0.0)
    found = replay(history, start_of(1), rules, lambda s, h: np.ones(1), first=1)
    assert found.cost == cost
    assert found.orders.shape == (1, 5 - lead)


def test_without_lead_time_an_order_is_sold_in_the_next_period() -> None:
    rules = replace(VN2, lead=0)
    found = replay(history_of([1, 4, 2]), start_of(0), rules, ordering(4, 1), first=1)
    assert found.served.tolist() == [4, 1]


def test_a_policy_sees_future_arrivals() -> None:
    seen = []

    def watch(state: State, history: History) -> np.ndarray:
        seen.append((state.on_hand[0], state.in_transit[0].tolist(), history.periods))
        return np.array([7.0 + len(seen)])

    replay(history_of([1, 1, 1, 1, 1, 1]), start_of(5, 2, 3), VN2, watch, first=1)
    assert seen == [(5, [2, 3], 1), (6, [3, 8], 2), (8, [8, 9], 3)]


def test_between_reviews_nothing_is_ordered() -> None:
    seen = []

    def watch(state: State, history: History) -> np.ndarray:
        seen.append(history.periods)
        return np.array([4.0])

    rules = replace(VN2, lead=1, review=2)
    found = replay(history_of([2] * 8), start_of(2), rules, watch, first=1)
    assert seen == [1, 3, 5]
    assert found.orders.tolist() == [[4, 4, 4]]
    # Decided after periods 0, 2 and 4, so there from periods 2, 4 and 6 on.
    assert found.stock.tolist() == [0, 2, 0, 2, 0, 2, 0]
    assert found.lost.sum() == 0


def test_ours_orders_for_the_whole_review() -> None:
    history = history_of(*[[4.0] * 60] * 5)
    one, two = (
        predictive(by_level(Levels()), replace(VN2, review=review), level=0.8) for review in (1, 2)
    )
    state = State(np.zeros(5), np.zeros((5, 2)))
    assert (two(state, history) >= one(state, history) + 3).all()
    assert newsvendor(replace(VN2, review=2)) == pytest.approx(1 / 1.4)


def test_the_number_of_rounds_can_be_given() -> None:
    history = history_of([1] * 9)
    found = replay(history, start_of(0), VN2, ordering(1, 1), first=1, rounds=2)
    assert found.served.sum() == 2


def test_backorders_are_served_later_and_cost_once() -> None:
    rules = replace(VN2, lead=0, backorders=True)
    found = replay(history_of([0, 3, 1, 1]), start_of(0), rules, ordering(0, 6, 0), first=1)
    assert found.lost.tolist() == [3, 0, 0]
    assert found.stock.tolist() == [0, 2, 1]


def test_who_sees_sales_alone_sees_the_period_as_sold_out() -> None:
    seen = []

    def watch(state: State, history: History) -> np.ndarray:
        seen.append((history.units[0, -1], history.exposure[0, -1]))
        return np.zeros(1)

    rules = ReplayTerms(lead=0, holding=0.2, lost=1.0, sees_lost=False)
    replay(history_of([1, 5, 2, 2]), start_of(3), rules, watch, first=1)
    assert seen == [(1, 1), (3, 0), (0, 0)]
    seen.clear()
    replay(history_of([1, 5, 2, 2]), start_of(3), replace(rules, sees_lost=True), watch, first=1)
    assert seen == [(1, 1), (5, 1), (2, 1)]


def test_periods_without_stock_in_the_history_cost_nothing() -> None:
    history = history_of([1, 9, 2], exposure=[[1, 0, 1]])
    found = replay(history, start_of(0), VN2, ordering(), first=1, rounds=0)
    assert found.lost.tolist() == [0, 2]


def _shop(n: int = 30, periods: int = 80) -> History:
    random = np.random.default_rng(4)
    units = random.poisson(random.gamma(0.7, 3, (n, 1)), (n, periods)).astype(np.float64)
    exposure = (random.random((n, periods)) > 0.1).astype(np.float64)
    return history_of(*(units * exposure).tolist(), exposure=exposure.tolist())


POLICIES = {
    "fixed": fixed_rule(3, 13),
    "seasonal": seasonal_mean(4, 13),
    "ours": predictive(by_level(Levels()), VN2, level=newsvendor(VN2)),
    "ours with backorders": predictive(
        by_level(Levels()), replace(VN2, backorders=True), level=0.8
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_sees_the_future(name: str) -> None:
    history, first = _shop(), 70
    start = initial_state(history.until(first), 3, window=13, lead=2)
    found = replay(history, start, VN2, POLICIES[name], first=first)
    for changed in (71, 73, 76):
        units = history.units.copy()
        units[:, changed:] = 40 - units[:, changed:].clip(0, 40)
        other = replay(replace(history, units=units), start, VN2, POLICIES[name], first=first)
        until = changed - first + 1
        assert other.orders[:, :until].tolist() == found.orders[:, :until].tolist()
        if until < found.orders.shape[1]:
            assert other.orders[:, until:].tolist() != found.orders[:, until:].tolist()


def test_costs_give_the_level_of_the_newsvendor() -> None:
    assert newsvendor(VN2) == pytest.approx(1 / 1.2)
    assert newsvendor(replace(VN2, lost=0.0)) == 0


def test_a_standing_start_has_whole_units_of_recent_periods() -> None:
    history = history_of([9, 1, 2, 3], exposure=[[1, 1, 0, 1]])
    found = initial_state(history, 2.2, window=3, lead=2)
    assert found.on_hand.tolist() == [round(2.2 * 2)]
    assert found.in_transit.tolist() == [[0, 0]]


def test_the_recent_mean_skips_periods_without_stock() -> None:
    history = history_of([8, 1, 9, 3], [1, 1, 1, 1], exposure=[[1, 1, 0, 1], [0, 0, 0, 0]])
    assert recent_mean(history, 2).tolist() == [2, 0]
    assert recent_mean(history, 9).tolist() == [4, 0]


def test_season_keys_are_those_of_the_calendar() -> None:
    days = np.datetime64("2020-11-30") + np.arange(800)
    weeks = [day.item().isocalendar().week - 1 for day in days]
    assert season_key(days, 7).tolist() == weeks
    assert season_key(days, 1).tolist() == [day.item().weekday() for day in days]


@pytest.mark.parametrize(
    ("start", "first", "message"),
    [
        (start_of(0), 0, "first should lie within the 3 periods"),
        (start_of(0), 3, "first should lie within the 3 periods"),
        (start_of(0, 1, 1, 1), 1, "At most 2 periods' orders"),
    ],
)
def test_what_cannot_be_replayed_is_refused(start: State, first: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay(history_of([1, 1, 1]), start, VN2, fixed_rule(1, 1), first=first)


def test_a_negative_order_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more units of each of 1"):
        replay(history_of([1, 1, 1, 1]), start_of(0), VN2, ordering(-1), first=1)
    with pytest.raises(ValueError, match="Demand should be 0 or more"):
        replay(history_of([1, -1, 1, 1]), start_of(0), VN2, ordering(1), first=1)
