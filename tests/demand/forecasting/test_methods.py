"""Local methods, against statsforecast and plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from panels import DAY, EVEN, HORIZON, SATURDAY, draw, draw_weekdays, panel_of
from statsforecast.models import TSB, CrostonSBA, SimpleExponentialSmoothing

from lakeshop.demand.forecasting.methods import METHODS, exponential_smoothing, tsb
from lakeshop.demand.forecasting.panel import counted, winsorised

TARGETS = (SATURDAY + 1 + np.arange(HORIZON)) % 7


def exposed(seed, n=12):
    """Whole series of exposure 1 without spikes or a sale at first, as books' methods read them."""
    units = draw(seed, n).units
    units[:, 0] = 0
    return winsorised(panel_of(units))[0]


def evens(panel):
    return np.ones((len(panel), 7))


ORACLES = [
    (METHODS["croston_sba"], CrostonSBA()),
    (lambda p, w: tsb(p, w, alphas=np.array([0.1])), TSB(alpha_d=0.1, alpha_p=0.1)),
    (
        lambda p, w: exponential_smoothing(p, w, alphas=np.array([0.2])),
        SimpleExponentialSmoothing(0.2),
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), ORACLES, ids=["croston_sba", "tsb", "smoothing"])
@pytest.mark.parametrize("seed", range(3))
def test_exposed_all_days_methods_are_those_of_statsforecast(ours, theirs, seed):
    panel = exposed(seed)
    expected = [theirs.forecast(y=row, h=HORIZON)["mean"] for row in panel.units]
    np.testing.assert_allclose(ours(panel, evens(panel)), expected, rtol=1e-12, atol=1e-300)


SCALED = sorted(set(METHODS) - {"seasonal_naive"})


@pytest.mark.parametrize("name", SCALED)
def test_weekdays_out_of_the_history_come_back_in_the_horizon(name):
    """Expected units by weekday: each level is that of even days, each target has its factor."""
    weekdays = np.repeat([[0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6]], 3, axis=0)
    of_day = (SATURDAY + 1 - 112 + np.arange(112)) % 7
    even = panel_of(np.array([[1.0], [5.0], [30.0]]) * np.ones(112))
    moved = replace(even, units=even.units * weekdays[0][of_day])
    level = METHODS[name](even, evens(even))
    if name in {"croston_sba", "tsb"}:  # sizes of selling days keep their weekday
        assert METHODS[name](moved, weekdays) == pytest.approx(
            level * weekdays[:, TARGETS], rel=0.1
        )
    else:
        assert METHODS[name](moved, weekdays) == pytest.approx(level * weekdays[:, TARGETS])


@pytest.mark.parametrize("name", SCALED)
def test_days_without_stock_are_as_if_they_had_not_been(name):
    panel = exposed(5)
    chance = np.random.default_rng(1)
    places = np.sort(chance.permutation(200)[:160])
    units, exposure = np.full((len(panel), 200), 7.0), np.zeros((len(panel), 200))
    units[:, places], exposure[:, places] = panel.units, 1
    gaps = panel_of(units, exposure)
    found = METHODS[name](gaps, evens(gaps))
    np.testing.assert_array_equal(found, METHODS[name](panel, evens(panel)))


@pytest.mark.parametrize("name", [n for n in SCALED if n.startswith("mean")])
def test_means_by_a_loop(name):
    days = int(name.removeprefix("mean_"))
    panel, weekdays = draw(6), draw_weekdays(6)
    history = counted(panel)
    of_day = (SATURDAY + 1 - panel.days + np.arange(panel.days)) % 7
    for row, found in enumerate(METHODS[name](panel, weekdays)):
        last = np.flatnonzero(history.exposure[row] > 0)[-days:]
        weight = (history.exposure[row, last] * weekdays[row, of_day[last]]).sum()
        level = history.units[row, last].sum() / weight if len(last) else np.nan
        np.testing.assert_allclose(found, level * weekdays[row, TARGETS])


def test_smoothing_takes_the_alpha_with_the_least_error():
    panel, grid = exposed(7), np.array([0.02, 0.3])
    found = exponential_smoothing(panel, evens(panel), alphas=grid)[:, 0]
    chosen = set()
    for row, level in enumerate(found):
        errors, levels = [], []
        for alpha in grid:
            model = SimpleExponentialSmoothing(alpha)
            fit = model.forecast(y=panel.units[row], h=1, fitted=True)
            errors.append(np.nansum((panel.units[row, 1:] - fit["fitted"][1:]) ** 2))
            levels.append(fit["mean"][0])
        chosen.add(int(np.argmin(errors)))
        assert level == pytest.approx(levels[np.argmin(errors)])
    assert chosen == {0, 1}


def test_the_chance_of_a_sale_takes_the_alpha_with_the_least_error():
    panel, grid, chosen = exposed(7), np.array([0.01, 0.2]), set()
    found = tsb(panel, evens(panel), alphas=grid)[:, 0]
    for row, units in enumerate(panel.units):
        errors = []
        for alpha in grid:
            model = TSB(alpha_d=0.1, alpha_p=alpha)
            # One day ahead from each day; the last value says what comes after the whole series.
            ahead = [model.forecast(y=units[: t + 1], h=1)["mean"][0] for t in range(panel.days)]
            errors.append((np.sum((units[1:] - ahead[:-1]) ** 2), ahead[-1]))
        chosen.add(errors.index(min(errors)))
        assert found[row] == pytest.approx(min(errors)[1])
    assert chosen == {0, 1}


def test_the_last_week_comes_again():
    units = np.arange(28.0)
    exposure = np.ones(28)
    exposure[27], units[27] = 0, 99  # Saturday sold out: the one before
    exposure[26], units[26] = 0.25, 5  # Friday open for a quarter: too little to be believed
    exposure[25], units[25] = 0.5, 4  # Thursday for half: times two
    found = METHODS["seasonal_naive"](panel_of(units, exposure), EVEN[None])
    assert found.tolist() == [[21, 22, 23, 24, 8, 19, 20] * 2]


def test_a_weekday_never_exposed_has_the_mean_of_the_others():
    found = METHODS["seasonal_naive"](panel_of([3, 5]), EVEN[None])
    assert found.tolist() == [[4, 4, 4, 4, 4, 3, 5] * 2]


BAD = {
    "zeros": (np.zeros(120), np.ones(120)),
    "one observation": (np.r_[np.zeros(119), 4.0], np.r_[np.zeros(119), 1.0]),
    "one day": ([2.0], [1.0]),
    "a gap of months": (np.r_[np.ones(60), np.zeros(200)], np.r_[np.ones(60), np.zeros(200)]),
    "never exposed": (np.ones(120), np.zeros(120)),
    "an absurd spike": (np.r_[np.ones(60), 1e12, np.ones(30)], np.ones(91)),
    "overflow": (np.full(120, 1e308), np.full(120, 1e-9)),
    "not a number": (np.full(120, np.nan), np.ones(120)),
    "infinite": (np.full(120, np.inf), np.ones(120)),
    "less than nothing": (np.full(120, -1.0), np.ones(120)),
    "no exposure known": (np.ones(120), np.full(120, np.nan)),
    "no day": (np.ones(0), np.ones(0)),
}
HOPELESS = {
    "never exposed",
    "overflow",
    "not a number",
    "infinite",
    "less than nothing",
    "no exposure known",
    "no day",
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", METHODS)
def test_bad_input_gives_means_or_nothing(name, case):
    units, exposure = BAD[case]
    found = METHODS[name](panel_of(units, exposure), EVEN[None])
    assert found.shape == (1, HORIZON)
    assert np.isnan(found).all() if case in HOPELESS else (found >= 0).all()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("factor", [np.nan, 0.0, -1.0, np.inf])
def test_weekdays_that_cannot_be_are_even(name, factor):
    panel = draw(8)
    weekdays = np.where(np.arange(7) == 3, factor, 1.0) * np.ones((len(panel), 1))
    found = METHODS[name](panel, weekdays)
    np.testing.assert_array_equal(found, METHODS[name](panel, evens(panel)))


@pytest.mark.parametrize("name", SCALED)
def test_a_gap_of_months_and_a_spike_leave_the_level(name):
    for case in ("a gap of months", "an absurd spike"):
        found = METHODS[name](panel_of(*BAD[case]), EVEN[None])
        assert found.max() < 2.5
        assert found.min() > 0.9


@pytest.mark.parametrize("name", METHODS)
def test_a_series_does_not_depend_on_those_beside_it(name):
    panel, weekdays = draw(9), draw_weekdays(9)
    whole = METHODS[name](panel, weekdays)
    for rows in ([3], [17, 3, 30], list(range(39, -1, -3))):
        np.testing.assert_array_equal(METHODS[name](panel.take(rows), weekdays[rows]), whole[rows])


@pytest.mark.parametrize("name", METHODS)
def test_what_was_sold_later_is_not_read(name):
    panel, weekdays = draw(10), draw_weekdays(10)
    until = panel.until(20)
    later = replace(panel, units=np.where(np.arange(panel.days) < 140, panel.units, 50.0))
    np.testing.assert_array_equal(
        METHODS[name](until, weekdays), METHODS[name](later.until(20), weekdays)
    )
    assert until.day < DAY


@pytest.mark.parametrize("name", METHODS)
def test_days_before_a_series_began_do_not_count_however_many(name):
    panel, weekdays = draw(11), draw_weekdays(11)
    before = np.zeros((len(panel), 13))
    longer = panel_of(np.c_[before, panel.units], np.c_[before, panel.exposure])
    np.testing.assert_array_equal(METHODS[name](longer, weekdays), METHODS[name](panel, weekdays))
