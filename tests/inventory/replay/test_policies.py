"""Policies against pandas, simulation and what is known of simple cases."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lakeshop.errors import ConfigError
from lakeshop.inventory import projection
from lakeshop.inventory.demand import Demand
from lakeshop.inventory.replay.levels import Levels, by_level, by_method, demand_of, pooled_season
from lakeshop.inventory.replay.policies import predictive
from lakeshop.inventory.replay.rules import fixed_rule, seasonal_mean
from lakeshop.inventory.replay.simulation import History, ReplayTerms, State, initial_state, replay
from lakeshop.inventory.replay.tuning import (
    Windows,
    at_equal_service,
    filled,
    memoize,
    rolling,
    tune,
)

RULES = ReplayTerms(lead=2, holding=0.2, lost=1.0)


def shop(n: int = 40, periods: int = 157, *, days: int = 7, seed: int = 1) -> History:
    """Weeks with a season, levels that differ and stock-outs; every weekday sells alike."""
    random = np.random.default_rng(seed)
    week = np.arange(periods) * days / 7
    season = 1 + 0.4 * np.sin(2 * np.pi * week / 52.18) * (days == 7)
    mean = random.gamma(0.8, 4, (n, 1)) * season
    units = random.negative_binomial(3, 3 / (3 + mean)).astype(np.float64)
    exposure = (random.random((n, periods)) > 0.1).astype(np.float64)
    dates = np.datetime64("2021-04-12") + np.arange(periods) * np.timedelta64(days, "D")
    return History(dates, units * exposure, exposure, period_days=days)


def empty(n: int, lead: int = 2) -> State:
    return State(np.zeros(n), np.zeros((n, lead)))


def organisers(history: History, state: State) -> list[float]:
    """The published definition of the benchmark in pandas."""
    days = pd.DatetimeIndex(history.dates)
    sales = pd.DataFrame(history.units, columns=days).where(history.exposure > 0)
    by_week = sales.mean().groupby(days.isocalendar().week.to_numpy()).mean()
    season = by_week / by_week.mean()
    plain = sales / season.loc[days.isocalendar().week].to_numpy()
    base = plain.iloc[:, -13:].mean(axis=1)
    coming = pd.date_range(days[-1], periods=5, freq="W-MON")[1:]
    target = base * season.loc[coming.isocalendar().week].sum()
    order = (target - state.on_hand - state.in_transit.sum(axis=1)).clip(lower=0).round(0)
    return [float(units) for units in order]


@pytest.mark.parametrize("periods", [150, 157])
def test_the_benchmark_is_that_of_the_organisers(periods: int) -> None:
    history = shop(200, periods)
    random = np.random.default_rng(2)
    state = State(random.integers(0, 9, 200).astype(float), random.integers(0, 4, (200, 2)))
    assert seasonal_mean(4, 13)(state, history).tolist() == organisers(history, state)


def test_the_benchmark_of_a_series_never_in_stock_orders_nothing() -> None:
    history = shop(3)
    exposure = history.exposure.copy()
    exposure[1] = 0
    order = seasonal_mean(4, 13)(empty(3), replace(history, exposure=exposure))
    assert order[1] == 0
    assert order[0] > 0


def poisson(mean: float, periods: int = 3, n: int = 1) -> Demand:
    return Demand(np.full((n, periods), mean), np.zeros((n, periods)), np.zeros(n))


def test_without_stock_the_order_is_the_quantile_of_one_period() -> None:
    # What arrives in three weeks finds nothing left: all of it is for that week alone.
    found = projection.orders(poisson(4.0), np.zeros(1), np.zeros((1, 2)), level=0.8333)
    assert found[0] == stats.poisson(4).ppf(0.8333)


def test_with_stock_for_long_the_order_counts_on_what_is_left() -> None:
    # 60 units and 12 expected: no sale is lost, and the position covers three weeks of Poisson.
    held = np.array([12.0])
    found = projection.orders(poisson(4.0), held, np.zeros((1, 2)), level=0.9)
    simulated = _simulated(poisson(4.0), 12, [0, 0], 0.9)
    assert found[0] == pytest.approx(simulated, abs=1)
    assert projection.orders(poisson(4.0), np.array([60.0]), np.zeros((1, 2)), level=0.9)[0] == 0


def _simulated(demand: Demand, on_hand: int, in_transit: list[int], level: float) -> float:
    random, paths = np.random.default_rng(7), 200_000
    rho = float(demand.level_variance[0])
    common = random.gamma(1 / rho, rho, paths) if rho > 0 else np.ones(paths)
    stock = np.full(paths, on_hand)
    for period, mean in enumerate(demand.mean[0]):
        a = float(demand.dispersion[0, period])
        own = random.gamma(1 / a, a, paths) if a > 0 else 1.0
        wanted = random.poisson(mean * common * own)
        if period == len(in_transit):
            return float(np.quantile(np.maximum(wanted - stock, 0), level, method="higher"))
        stock = np.maximum(stock + in_transit[period] - wanted, 0)
    raise AssertionError


@pytest.mark.parametrize(
    ("mean", "dispersion", "shock", "on_hand", "in_transit"),
    [(2.0, 0.5, 0.1, 3, [2, 0]), (0.4, 0.2, 0.05, 1, [0, 1]), (30.0, 0.3, 0.2, 40, [20, 35])],
)
def test_projected_stock_is_that_of_simulated_paths(
    mean: float, dispersion: float, shock: float, on_hand: int, in_transit: list[int]
) -> None:
    demand = Demand(np.full((1, 3), mean), np.full((1, 3), dispersion), np.array([shock]))
    for level in (0.6, 0.8333, 0.95):
        found = projection.orders(
            demand, np.array([float(on_hand)]), np.array([in_transit], float), level=level
        )
        simulated = _simulated(demand, on_hand, in_transit, level)
        assert found[0] == pytest.approx(simulated, abs=1 + 0.03 * mean)


def test_many_units_go_in_steps() -> None:
    demand = Demand(np.full((1, 3), 3e4), np.full((1, 3), 0.2), np.array([0.05]))
    found = projection.orders(demand, np.array([5e4]), np.array([[1e4, 3e4]]), level=0.9)
    assert found[0] == pytest.approx(_simulated(demand, 50_000, [10_000, 30_000], 0.9), rel=0.02)


def test_the_order_needs_demand_of_lead_and_review() -> None:
    with pytest.raises(ValueError, match="Demand should be of 3 periods"):
        projection.orders(poisson(1.0, 2), np.zeros(1), np.zeros((1, 2)), level=0.9)


def test_levels_are_units_by_exposure() -> None:
    history = shop(400)
    true = np.random.default_rng(1).gamma(0.8, 4, (400, 1))
    found = demand_of(history, 3, Levels(half_lives=(52.0,)))
    assert np.corrcoef(found.mean[:, 0], true[:, 0])[0, 1] > 0.97
    # Weeks sold out are not weeks without demand: a tenth less would be seen.
    expected = true.sum() * (1 + 0.4 * np.sin(2 * np.pi * 157 / 52.18))
    assert found.mean[:, 0].sum() == pytest.approx(expected, rel=0.06)
    assert np.median(found.dispersion) == pytest.approx(1 / 3, rel=0.5)


def test_the_pooled_season_is_found() -> None:
    found = pooled_season(shop(400))
    weeks = np.arange(52)
    true = 1 + 0.4 * np.sin(2 * np.pi * (weeks - 14) / 52.18)
    assert np.corrcoef(found[:52], true)[0, 1] > 0.97
    assert pooled_season(shop(20, 40)).tolist() == [1.0] * 53
    assert pooled_season(shop(400, 60, days=1)) == pytest.approx(np.ones(7), abs=0.1)


def test_ours_costs_less_than_the_rules_on_demand_it_was_not_tuned_on() -> None:
    history, first = shop(300, 165), 157
    start = initial_state(history.until(first), 3, window=13, lead=2)
    ours = predictive(by_level(Levels()), RULES, level=0.8)
    costs = [
        replay(history, start, RULES, policy, first=first).between(2, 8).cost
        for policy in (ours, seasonal_mean(4, 13), fixed_rule(3, 13))
    ]
    assert costs[0] < min(costs[1:])


def test_a_method_by_name_forecasts_days() -> None:
    history = shop(50, 120, days=1)
    found = by_method("mean_56", 0.02)(history, 8)
    exposed = history.exposure[:, -56:].sum(axis=1)
    means = history.units[:, -56:].sum(axis=1) / exposed
    assert found.mean.shape == (50, 8)
    assert np.corrcoef(found.mean.mean(axis=1), means)[0, 1] > 0.95
    with pytest.raises(ConfigError, match="method should be one of"):
        by_method("oracle", 0.0)
    with pytest.raises(ConfigError, match="should be given days"):
        by_method("mean_56", 0.0)(shop(5), 3)


def test_tuning_takes_the_cheapest_and_reads_nothing_later() -> None:
    history, windows = shop(60, 120), Windows(count=3, scored=6, stride=6, warm_up=4)
    candidates = {f"{cover}": fixed_rule(cover, 13) for cover in (1, 3, 4, 12)}
    best, costs = tune(history, RULES, candidates, windows)
    assert costs[best] == min(costs.values())
    assert best in {"3", "4"}
    assert [len(r.stock) for r in rolling(history, RULES, candidates["3"], windows)] == [6] * 3
    with pytest.raises(ValueError, match="A window needs 11 periods"):
        tune(history.until(10), RULES, candidates, windows)


def test_unknown_demand_is_filled_for_the_replay_alone() -> None:
    history = shop(20, 60)
    found = filled(history)
    was_in_stock = history.exposure > 0
    assert (found.units[was_in_stock] == history.units[was_in_stock]).all()
    assert found.units[~was_in_stock].sum() > 0
    policy = predictive(by_level(Levels()), RULES, level=0.8)
    for other in (policy, fixed_rule(3, 13), seasonal_mean(4, 13)):
        assert other(empty(20), found).tolist() == other(empty(20), history).tolist()


def test_a_forecast_of_the_same_history_is_made_once() -> None:
    made = []

    def forecast(history: History, periods: int) -> Demand:
        made.append(periods)
        return poisson(1.0, periods, len(history))

    history, shared = shop(5, 70), memoize(forecast)
    assert shared(history, 3) is shared(replace(history), 3)
    shared(history, 4)
    shared(history.until(69), 3)
    assert made == [3, 4, 3]


def test_equal_service_is_between_the_points_of_both_grids() -> None:
    history, first = shop(80, 110), 90
    start = initial_state(history.until(first), 3, window=13, lead=2)
    forecast = memoize(by_level(Levels()))

    def found(policy) -> object:
        return replay(history, start, RULES, policy, first=first)

    ours = [found(predictive(forecast, RULES, level=v)) for v in (0.4, 0.7, 0.9, 0.99)]
    others = [found(fixed_rule(cover, 13)) for cover in (1, 2, 3, 5, 8)]
    equal = at_equal_service(ours, others, others[2].fill_rate)
    assert equal is not None
    assert equal.stock_of_other == pytest.approx(others[2].average_stock)
    assert equal.cost_of_other == pytest.approx(others[2].cost)
    assert equal.stock < equal.stock_of_other
    assert at_equal_service(ours, others, 0.9999999) is None
