"""Demand over lead time and review against exact convolution, SciPy and simulation."""

import math
import time

import numpy as np
import pytest
from scipy import stats

from lakeshop.inventory.demand import Demand, Interval
from lakeshop.inventory.protection import _mixture, cdf, lead_weights, summarize_demand


def demand_of(*rows: list[float], dispersion: float = 0.0, shock: float = 0.0) -> Demand:
    mean = np.array(rows, np.float64)
    return Demand(mean, np.full(mean.shape, dispersion), np.full(len(mean), shock))


def interval_of(
    n: int, *, lead: float, days: int, deviation: float = 0.0, after: bool = False
) -> Interval:
    spread = np.full(n, deviation)
    return Interval(np.full(n, lead, np.float64), spread, np.full(n, days), is_after_arrival=after)


def negative_binomial(mean: float, variance: float) -> stats.rv_discrete:
    return stats.nbinom(mean**2 / (variance - mean), mean / variance)


def test_a_sum_of_poisson_days_is_poisson() -> None:
    # 2 days of delivery and 3 after them: 0.5 + 1 + 2 + 0.25 + 4 = 7.75.
    found = cdf(demand_of([0.5, 1, 2, 0.25, 4, 9]), interval_of(1, lead=2, days=3), np.arange(40))
    assert found[0] == pytest.approx(stats.poisson(7.75).cdf(np.arange(40)), abs=1e-12)


def test_equally_dispersed_days_of_equal_mean_are_exactly_convolved() -> None:
    # Negative binomials of one success probability add up to one: mean m, variance m + a m^2.
    one = negative_binomial(1.5, 1.5 + 0.8 * 1.5**2).pmf(np.arange(400))
    exact = one
    for _ in range(4):
        exact = np.convolve(exact, one)[:400]
    demand = demand_of([1.5] * 10, dispersion=0.8)
    found = cdf(demand, interval_of(1, lead=2, days=3), np.arange(60))
    assert found[0] == pytest.approx(np.cumsum(exact)[:60], abs=1e-10)


def test_uneven_days_are_near_their_convolution() -> None:
    means, exact = [0.2, 3.0, 1.0, 0.1], np.array([1.0])
    for mean in means:
        day = negative_binomial(mean, mean + 0.5 * mean**2).pmf(np.arange(300))
        exact = np.convolve(exact, day)[:300]
    found = cdf(demand_of(means, dispersion=0.5), interval_of(1, lead=1, days=3), np.arange(30))
    assert found[0] == pytest.approx(np.cumsum(exact)[:30], abs=0.01)


def test_a_common_error_of_the_level_does_not_average_out() -> None:
    # Ten days of mean 2 with rho 0.25: variance 20 + 0.25 * 400 = 120, not 20 + 10 * 0.25 * 4.
    demand = demand_of([2.0] * 10, shock=0.25)
    found = summarize_demand(demand, interval_of(1, lead=4, days=6), levels=[0.95], points=[31.0])
    exact = negative_binomial(20, 120)
    assert found.quantiles[0, 0] == exact.ppf(0.95)
    assert found.above[0, 0] == pytest.approx(exact.sf(31), abs=1e-10)


def test_simulated_paths_have_these_chances() -> None:
    random, paths, rho, a = np.random.default_rng(3), 200_000, 0.2, 0.4
    means = np.array([1.0, 3.0, 0.5, 2.0, 1.0, 4.0, 2.5])
    lead = np.floor(stats.truncnorm(-2 / 0.8, np.inf, 2, 0.8).rvs(paths, random_state=random) + 0.5)
    level = random.gamma(1 / rho, rho, (paths, 1))
    rates = means * level * random.gamma(1 / a, a, (paths, 7))
    until = lead[:, None] + 3 > np.arange(7)
    sums = (random.poisson(rates) * until).sum(axis=1)
    demand = demand_of(means.tolist(), dispersion=a, shock=rho)
    interval = interval_of(1, lead=2, days=3, deviation=0.8)
    points = np.array([[3.0, 8.0, 15.0, 25.0]])
    found = summarize_demand(demand, interval, points=points)
    assert found.mean[0] == pytest.approx(sums.mean(), rel=0.01)
    simulated = [(sums > x).mean() for x in points[0]]
    assert found.above[0] == pytest.approx(simulated, abs=0.012)
    short = [np.maximum(sums - x, 0).mean() for x in points[0]]
    assert found.shortage[0] == pytest.approx(short, abs=0.05)


def test_lead_times_are_a_rounded_and_truncated_normal() -> None:
    first, weights = lead_weights(0.5, 1.0)
    normal = stats.truncnorm(-0.5, np.inf, 0.5, 1.0)
    exact = [normal.cdf(k + 0.5) - normal.cdf(max(k - 0.5, 0)) for k in range(len(weights))]
    assert first == 0
    assert weights == pytest.approx(exact, abs=1e-6)
    assert lead_weights(2.5, 0.0) == (3, pytest.approx([1.0]))
    assert lead_weights(0.0, 0.0) == (0, pytest.approx([1.0]))


def test_a_random_lead_time_is_a_mixture() -> None:
    demand = demand_of([1.0, 5.0, 1.0, 9.0, 2.0, 1.0, 1.0] * 3, dispersion=0.3, shock=0.1)
    first, weights = lead_weights(3.0, 1.2)
    parts = [
        w * cdf(demand, interval_of(1, lead=first + k, days=4), np.arange(80))
        for k, w in enumerate(weights)
    ]
    mixed = cdf(demand, interval_of(1, lead=3, deviation=1.2, days=4), np.arange(80))
    assert mixed == pytest.approx(np.sum(parts, axis=0), abs=1e-9)


def test_a_quantile_is_the_smallest_count_that_reaches_the_level() -> None:
    demand = demand_of([0.3] * 7, [7.0] * 7, dispersion=0.5, shock=0.2)
    interval = interval_of(2, lead=3, days=4, deviation=1)
    counts = cdf(demand, interval, np.arange(500))
    for level in (0.0, 0.2, 0.5, 0.9, 0.99):
        found = summarize_demand(demand, interval, levels=np.full(2, level)).quantiles[:, 0]
        assert found.tolist() == [float(np.argmax(row >= level)) for row in counts]


def test_the_expected_shortage_is_the_sum_of_what_is_beyond() -> None:
    found = summarize_demand(
        demand_of([4.0] * 5), interval_of(1, lead=2, days=3), points=[[18.0, 21.5, 0.0]]
    )
    counts = np.arange(200)
    chances = stats.poisson(20).pmf(counts)
    exact = [np.sum(np.maximum(counts - x, 0) * chances) for x in (18.0, 21.5, 0.0)]
    assert found.shortage[0] == pytest.approx(exact, abs=1e-9)


def test_beyond_the_horizon_the_last_week_repeats() -> None:
    means = [100.0] * 2 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    found = summarize_demand(demand_of(means), interval_of(1, lead=9, days=9))
    assert found.mean[0] == pytest.approx(sum(means) + 28 + 1 + 2)
    assert summarize_demand(demand_of([3.0, 5.0]), interval_of(1, lead=0, days=5)).mean[0] == 19


def test_days_after_arrival_leave_the_lead_time_out() -> None:
    demand = demand_of([50.0, 50.0, 1.0, 2.0, 3.0, 50.0, 50.0])
    found = summarize_demand(demand, interval_of(1, lead=2, days=3, after=True), points=[7.0])
    assert found.mean[0] == pytest.approx(6.0)
    assert found.above[0, 0] == pytest.approx(stats.poisson(6).sf(7), abs=1e-12)


def test_no_demand_is_none() -> None:
    found = summarize_demand(
        demand_of([0.0] * 7), interval_of(1, lead=3, days=4), levels=[0.99], points=[0.0]
    )
    assert (found.mean[0], found.quantiles[0, 0], found.above[0, 0]) == (0, 0, 0)


@pytest.mark.parametrize("shock", [0.0, 0.01, 0.5])
def test_large_means(shock: float) -> None:
    found = summarize_demand(
        demand_of([1e4] * 10, shock=shock),
        interval_of(1, lead=4, days=6),
        levels=[0.95],
        points=[1.01e5],
    )
    variance = 1e5 + shock * 1e10
    exact = negative_binomial(1e5, variance) if shock else stats.poisson(1e5)
    # With a shock of 0.5 the table goes in steps of 3.
    assert found.quantiles[0, 0] == pytest.approx(exact.ppf(0.95), abs=3)
    assert found.above[0, 0] == pytest.approx(exact.sf(1.01e5), abs=2e-5)


def test_a_long_table_goes_in_steps() -> None:
    table, step = _mixture(np.array([[1e8, 1e8 + 0.1 * 1e16]]), np.ones(1))
    assert step > 1
    assert len(table) < 2**20 + 3
    gamma = stats.gamma(1e16 / (0.1 * 1e16), scale=0.1 * 1e8)
    assert np.searchsorted(np.cumsum(table), 0.95) * step == pytest.approx(
        gamma.ppf(0.95), rel=1e-4
    )


def test_a_series_does_not_depend_on_the_others() -> None:
    random = np.random.default_rng(5)
    demand = Demand(
        random.gamma(0.5, 3, (40, 28)), random.uniform(0, 1, (40, 28)), random.uniform(0, 0.5, 40)
    )
    interval = Interval(random.uniform(0, 9, 40), random.uniform(0, 2, 40), np.full(40, 7))
    whole = summarize_demand(demand, interval, levels=np.full(40, 0.9), points=np.full(40, 9.0))
    for i in range(40):
        one = slice(i, i + 1)
        alone = summarize_demand(
            Demand(demand.mean[one], demand.dispersion[one], demand.level_variance[one]),
            Interval(interval.lead_time[one], interval.deviation[one], interval.days[one]),
            levels=[0.9],
            points=[9.0],
        )
        assert [part[0].tolist() for part in alone] == [part[i].tolist() for part in whole]


def test_forty_thousand_series_take_seconds() -> None:
    n = 40_000
    mean = np.exp(np.random.default_rng(1).normal(0, 1.5, (n, 1))) * np.ones((n, 28))
    demand = Demand(mean, np.full((n, 28), 0.3), np.full(n, 0.1))
    interval = interval_of(n, lead=7, deviation=1, days=7)
    summarize_demand(
        demand_of([1.0] * 7), interval_of(1, lead=1, days=1), levels=[0.5], points=[1.0]
    )
    started = time.perf_counter()
    found = summarize_demand(demand, interval, levels=np.full(n, 0.95), points=np.full(n, 10.0))
    assert time.perf_counter() - started < 10
    assert math.isfinite(found.quantiles.sum())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mean": np.array([[-1.0]])}, "mean should be 0 or more"),
        ({"level_variance": np.array([np.nan])}, "level_variance should be 0 or more"),
        ({"level_variance": np.zeros(2)}, "level_variance should have 1 rows"),
        ({"dispersion": np.zeros((1, 2))}, "should be of equal shape"),
    ],
)
def test_what_no_demand_can_have_is_refused(wrong: dict[str, np.ndarray], message: str) -> None:
    fine = {"mean": np.ones((1, 1)), "dispersion": np.ones((1, 1)), "level_variance": np.ones(1)}
    with pytest.raises(ValueError, match=message):
        summarize_demand(Demand(**{**fine, **wrong}), interval_of(1, lead=1, days=1))
