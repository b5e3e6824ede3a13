"""Spikes are cut, promotions are not; days that cannot be read count for nothing."""

import numpy as np
import pytest
from panels import draw, panel_of

from lakeshop.demand.forecasting.methods import METHODS
from lakeshop.demand.forecasting.panel import counted, readable, winsorised


def cap_of(units):
    panel, is_capped = winsorised(panel_of(units))
    return panel.units[0].max(), bool(is_capped[0])


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([1, 2, 1, 3, 1_000_000], 20.0),  # 20 times the median of 1, 1, 2, 3 (the lower)
        ([1, 1, 1, 50, 1_000_000], 250.0),  # 5 times the largest of the others
        ([1, 1, 1, 20], 20.0),  # a promotion of one day, 20 times the usual
        ([1, 1, 1, 900, 1000], 1000.0),  # two days vouch for one another
        ([0, 0, 0, 1000], 1000.0),  # nothing to compare it with
        ([2, 1_000_000], 40.0),
        ([3, 2], 3.0),
        ([0, 0], 0.0),
    ],
)
def test_caps_by_hand(days, expected):
    assert cap_of(np.array(days, float)) == (expected, expected < max(days))


def test_caps_by_a_loop():
    chance = np.random.default_rng(3)
    panel = draw(3, n=60, days=400)
    panel.units[chance.integers(0, 60, 25), chance.integers(0, 400, 25)] = 10.0**6
    found, is_capped = winsorised(panel)
    for row in range(60):
        exposed = panel.exposure[row] > 0
        sold = np.sort(panel.units[row][exposed & (panel.units[row] > 0)])
        others = sold[: len(sold) - int(np.ceil(0.005 * len(sold)))]
        cap = max(5 * others[-1], 20 * others[(len(others) - 1) // 2]) if len(others) else np.inf
        expected = np.where(exposed, np.minimum(panel.units[row], cap), panel.units[row])
        np.testing.assert_array_equal(found.units[row], expected)
        assert is_capped[row] == (expected < panel.units[row]).any()
    assert 5 < is_capped.sum() < 60


def test_cutting_twice_changes_nothing_more():
    panel = panel_of([[1, 2, 1, 3, 1e6], [1, 1, 1, 50, 1e6]])
    once, _ = winsorised(panel)
    twice, is_capped = winsorised(once)
    np.testing.assert_array_equal(twice.units, once.units)
    assert not is_capped.any()


def test_days_that_cannot_be_read_count_for_nothing():
    panel = panel_of([[1, np.nan, -1, np.inf, 2, 3]], [[1, 1, 1, 1, np.nan, -1]])
    found = readable(panel)
    assert found.units.tolist() == [[1, 0, 0, 0, 0, 0]]
    assert found.exposure.tolist() == [[1, 0, 0, 0, 0, 0]]


def test_a_sale_that_begins_a_history_counts_for_nothing_unless_it_is_all_there_is():
    units = [[0, 3, 0, 1], [0, 0, 2, 1], [9, 3, 0, 0], [0, 0, 0, 5], [1, 1, 1, 1]]
    exposure = [[0, 1, 1, 1], [0, 1, 1, 1], [0, 0.5, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    found = counted(panel_of(units, exposure)).exposure
    assert found.tolist() == [[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
    assert counted(panel_of(np.zeros((2, 0)))).exposure.shape == (2, 0)


def test_the_level_of_new_series_is_right_though_each_begins_with_a_sale():
    """Rates 0.02: with the first sale the mean of 56 days would be near 0.04."""
    chance = np.random.default_rng(1)
    units = chance.poisson(0.02, (4000, 57)).astype(float)
    units[:, 0] = 1
    found = METHODS["mean_56"](panel_of(units), np.ones((4000, 7)))
    assert found.mean() == pytest.approx(0.02, rel=0.06)
