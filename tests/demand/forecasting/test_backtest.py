"""Backtests of simulated counts, whose true means and variances are known."""

import numpy as np
import pytest
from panels import panel_of

from lakeshop.demand.forecasting.backtest import (
    ALL,
    CHOSEN,
    OWN_QUANTILES,
    BacktestOrigin,
    Days,
    calibrated,
    choices,
    days_of,
    evaluate_backtest,
    level_variance,
    levels_of,
    own_quantiles,
    segment_policy,
    variance_factor,
)
from lakeshop.demand.forecasting.candidates import BY_ANALOGY, NETWORK, MeanForecast
from lakeshop.demand.forecasting.distribution import quantiles
from lakeshop.demand.forecasting.methods import DEFAULT
from lakeshop.demand.forecasting.model_selection import ModelSelection
from lakeshop.ml import forecast_metrics as metrics

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
HORIZON, PAST, STRIDE, ORIGINS = 28, 140, 7, 5
DAYS = PAST + HORIZON + STRIDE * (ORIGINS - 1)
TRUE_DISPERSION, SAID_DISPERSION = 0.4, 0.02


def counts(chance, mean, dispersion=TRUE_DISPERSION):
    return chance.poisson(mean * chance.gamma(1 / dispersion, dispersion, mean.shape))


def nights(segments, methods, seed=0):
    """Origins of simulated series, with forecasts made from the true means; and the true means.

    Args:
        segments: of each series.
        methods: by name, a function from the true means to a forecast [n, H].
        seed: of everything.
    """
    chance = np.random.default_rng(seed)
    n = len(segments)
    week = chance.uniform(0.5, 1.5, (n, 7))
    truth = np.exp(chance.uniform(-1, 3.5, (n, 1))) * week[:, np.arange(DAYS) % 7]
    units = counts(chance, truth).astype(float)
    exposure = np.where(chance.random((n, DAYS)) < 0.95, 1.0, 0.5)
    exposure[chance.random((n, DAYS)) < 0.03] = 0
    units[exposure == 0] = 0
    value = chance.uniform(1, 100, n)
    whole = panel_of(units, exposure, horizon=HORIZON)
    found = []
    for number in range(ORIGINS):
        age = HORIZON + STRIDE * number
        came = slice(DAYS - age, DAYS - age + HORIZON)
        flat = np.full((n, HORIZON), SAID_DISPERSION)
        forecasts = {
            name: MeanForecast(make(truth[:, came]), flat) for name, make in methods.items()
        }
        cut = (units[:, came], exposure[:, came])
        found.append(BacktestOrigin(whole.until(age), np.array(segments), value, forecasts, *cut))
    return found, value


def exactly(truth):
    return truth


def too_high(truth):
    return 1.6 * truth


@pytest.fixture(scope="module")
def simulated():
    """The network knows the truth; the default is wrong; analogy has nothing to say."""
    segments = ["smooth A"] * 150 + ["smooth B"] * 10 + ["lumpy C"] * 60
    methods = {DEFAULT: too_high, NETWORK: exactly, BY_ANALOGY: lambda t: np.full_like(t, np.nan)}
    return nights(segments, methods)[0]


def whole_numbers(origins):
    return np.zeros(len(origins[0].past), np.bool_)


def test_a_method_that_knows_the_truth_is_chosen(simulated):
    found = choices(simulated, {})
    assert {name: choice.method for name, choice in found.items()} == {
        "smooth A": NETWORK,
        "smooth B": NETWORK,
        "lumpy C": NETWORK,
    }
    lowest = f"{NETWORK} has the lowest score of 3 methods, 150 series"
    assert found["smooth A"].reason == lowest
    few = f"{NETWORK} stays: 10 series are too few to compare methods by, 20 are needed"
    assert found["smooth B"].reason == few, "its class' choice stands in"


def test_what_was_chosen_before_stays_without_clear_evidence():
    even = np.arange(80)[:, None] % 2 == 0
    methods = {
        DEFAULT: lambda t: 3 * t,
        "one": lambda t: np.where(even, t, 1.5 * t),
        "other": lambda t: np.where(even, 1.5 * t, t),
    }
    origins, _ = nights(["smooth A"] * 80, methods)
    for last in ("one", "other"):
        assert choices(origins, {"smooth A": last})["smooth A"].method == last
    assert choices(origins, {"smooth A": DEFAULT})["smooth A"].method != DEFAULT
    assert choices(origins, {"smooth A": "forgotten"})["smooth A"].method in {"one", "other"}


def test_newcomers_are_compared_with_analogy():
    methods = {DEFAULT: exactly, BY_ANALOGY: exactly}
    origins, _ = nights(["new C"] * 30, methods)
    assert choices(origins, {})["new C"].method == BY_ANALOGY
    few, _ = nights(["new C"] * 5, methods)
    assert choices(few, {})["new C"].method == BY_ANALOGY


def test_quantiles_keep_their_promise_on_days_that_they_were_not_made_from(simulated):
    # The forecast's dispersion is 0.02, the true one 0.4.
    days = days_of(simulated, "smooth A", NETWORK, whole_numbers(simulated))
    calibrated_values = calibrated(days, LEVELS)
    assert (np.diff(calibrated_values, axis=2) >= 0).all()
    covered = metrics.coverage(days.units, calibrated_values, days.weight)
    assert (covered.below <= LEVELS + 0.02).all()
    assert (covered.up_to >= LEVELS - 0.02).all()
    requested = np.broadcast_to(LEVELS, calibrated_values.shape)
    raw = quantiles(days.mean, days.spread, np.ascontiguousarray(requested), days.is_fractional)
    uncalibrated = metrics.coverage(days.units, raw, days.weight)
    assert uncalibrated.below[0] > LEVELS[0] + 0.02, (
        "as forecast they do not, or this shows nothing"
    )


def test_no_origin_evaluates_itself(simulated):
    days = days_of(simulated, "smooth A", NETWORK, whole_numbers(simulated))
    first = days.origin == 0
    other = np.where(first[:, None], 50 + days.units, days.units)
    changed = Days(**{**vars(days), "units": other})
    before, after = calibrated(days, LEVELS), calibrated(changed, LEVELS)
    np.testing.assert_array_equal(before[first], after[first])
    assert (before[~first] != after[~first]).any()


def paths(chance, m, *, mean, units, spread=0.0):
    return Days(
        mean=mean,
        spread=np.full_like(mean, spread),
        units=units,
        weight=np.ones_like(mean),
        origin=np.zeros(m, np.int64),
        series=np.arange(m),
        value=np.ones(m),
        scales=np.ones((m, 3)),
        is_fractional=np.zeros(m, np.bool_),
    )


@pytest.mark.parametrize(("planted", "within"), [(0.0, 0.005), (0.09, 0.02), (0.3, 0.06)])
def test_the_variance_of_a_shared_factor_is_found(planted, within):
    chance = np.random.default_rng(4)
    mean = np.exp(chance.uniform(-1, 2, (2000, 1))) * np.ones(HORIZON)
    factor = chance.gamma(1 / planted, planted, (2000, 1)) if planted else 1.0
    days = paths(chance, 2000, mean=mean, units=chance.poisson(mean * factor).astype(float))
    assert level_variance(days, 1.0) == pytest.approx(planted, abs=within)


def test_the_variance_of_a_shared_factor_by_hand():
    # Two days of mean 2, Poisson: their sum has variance 4; an error of 6 is 36 - 4 more, by 4^2.
    # One day is sold out in the second path: error 1, variance 2, (1 - 2) / 2^2.
    units, mean = np.array([[5.0, 5], [3, 9]]), np.full((2, 2), 2.0)
    days = paths(None, 2, mean=mean, units=units)
    days.weight[1, 1] = 0
    shares = np.array([4 / (4 + 0.1 * 16), 2 / (2 + 0.1 * 4)]) ** 2
    expected = (shares @ [32 / 16, -1 / 4]) / shares.sum()
    assert expected < 1
    assert level_variance(days, 1.0) == pytest.approx(expected)
    nothing = paths(None, 2, mean=np.zeros((2, 2)), units=units)
    assert level_variance(nothing, 1.0) == 0
    assert variance_factor(nothing) == 1


def test_the_variance_is_set_right_by_past_errors():
    chance = np.random.default_rng(5)
    mean = np.full((500, HORIZON), 5.0)
    # Of dispersion 0.4: variance 5 + 0.4 * 25 = 15, three times Poisson's.
    days = paths(chance, 500, mean=mean, units=counts(chance, mean).astype(float))
    assert variance_factor(days) == pytest.approx(3, rel=0.05)
    sure = paths(chance, 500, mean=mean, units=mean)
    assert variance_factor(sure) == 0.25
    lost = paths(chance, 500, mean=mean, units=1000 * mean)
    assert variance_factor(lost) == 8
    rule = segment_policy(days, ModelSelection("m", "r"), LEVELS)
    assert (rule.method, rule.reason) == ("m", "r")
    assert rule.variance_factor == variance_factor(days)
    np.testing.assert_array_equal(rule.levels, levels_of(days, rule.variance_factor, LEVELS))
    # Set right, the forecast is of the true kind: quantiles are asked for about as they are.
    assert rule.levels.shape == (4, 7)
    assert rule.levels == pytest.approx(np.tile(LEVELS, (4, 1)), abs=0.03)


def test_where_a_method_has_nothing_the_default_speaks(simulated):
    fractional = whole_numbers(simulated)
    lacking = days_of(simulated, None, BY_ANALOGY, fractional)
    default = days_of(simulated, None, DEFAULT, fractional)
    np.testing.assert_array_equal(lacking.mean, default.mean)
    assert len(default.mean) == ORIGINS * 220


def by_hand(origins, method, rows):
    """Days of some series, the metrics' own arguments."""
    forecasts = [o.forecasts[method].mean[rows] for o in origins]
    units = np.concatenate([o.units[rows] for o in origins])
    weight = np.concatenate([o.exposure[rows] == 1 for o in origins]).astype(float)
    scales = [metrics.scales(o.past.units[rows], o.past.exposure[rows]) for o in origins]
    value = np.concatenate([o.value[rows] for o in origins])
    return (
        np.concatenate(forecasts),
        units,
        weight,
        *map(np.concatenate, zip(*scales, strict=True)),
        value,
    )


def test_figures_are_those_of_the_metrics(simulated):
    found = evaluate_backtest(simulated, whole_numbers(simulated), LEVELS, {})
    assert set(found) == {"smooth A", "smooth B", "lumpy C", ALL}
    assert found["smooth B"].series == 10
    assert found[ALL].series == 220
    assert found[ALL].policy is None
    for segment, rows in (("smooth B", slice(150, 160)), (ALL, slice(None))):
        for method in (DEFAULT, NETWORK):
            mean, units, weight, squared, absolute, seasonal, value = by_hand(
                simulated, method, rows
            )
            figures = found[segment].figures[method]
            expected = {
                "wrmsse": metrics.weighted(metrics.rmsse(units, mean, squared, weight), value),
                "mase": np.nanmean(metrics.mase(units, mean, seasonal, weight)),
                "wape": metrics.wape(units, mean, weight),
                "weekly_wape": metrics.wape(units, mean, weight, days=7),
                "bias": metrics.bias(units, mean, weight),
                "wape_week_4": metrics.wape(units[:, 21:], mean[:, 21:], weight[:, 21:]),
                "bias_week_2": metrics.bias(units[:, 7:14], mean[:, 7:14], weight[:, 7:14]),
            }
            calibrated_values = quantiles(
                mean,
                np.full_like(mean, SAID_DISPERSION),
                np.tile(LEVELS, (*mean.shape, 1)),
                np.zeros(len(mean), bool),
            )
            loss = metrics.scaled_pinball(units, calibrated_values, LEVELS, absolute, weight)
            expected["scaled_pinball"] = np.nanmean(loss)
            expected["below_0.9"] = metrics.coverage(units, calibrated_values, weight).below[5]
            expected["up_to_0.05"] = metrics.coverage(units, calibrated_values, weight).up_to[0]
            assert {name: figures[name] for name in expected} == pytest.approx(expected), method
    best = found[ALL].figures
    assert best[CHOSEN]["wrmsse"] == pytest.approx(best[NETWORK]["wrmsse"]), "it was chosen"
    assert best[CHOSEN]["scaled_pinball"] < best[NETWORK]["scaled_pinball"], "and calibrated"


def test_own_quantiles_are_those_of_a_series_last_exposed_days(simulated):
    past = simulated[0].past
    found = own_quantiles(past, LEVELS)
    for n in range(0, len(past), 10):
        exposed = past.units[n, -112:][past.exposure[n, -112:] > 0]
        expected = np.quantile(exposed, LEVELS, method="inverted_cdf")
        np.testing.assert_array_equal(found[n], expected)
    never = panel_of(np.zeros((1, 5)), np.zeros((1, 5)))
    assert own_quantiles(never, LEVELS).tolist() == [[0.0] * 7]
    evaluated = evaluate_backtest(simulated, whole_numbers(simulated), LEVELS, {})["lumpy C"]
    calibrated_values = [
        np.repeat(own_quantiles(o.past, LEVELS)[160:, None], HORIZON, 1) for o in simulated
    ]
    _, units, weight, _, absolute, _, _ = by_hand(simulated, DEFAULT, slice(160, None))
    loss = metrics.scaled_pinball(
        units, np.concatenate(calibrated_values), LEVELS, absolute, weight
    )
    assert evaluated.figures[OWN_QUANTILES]["scaled_pinball"] == pytest.approx(np.nanmean(loss))
