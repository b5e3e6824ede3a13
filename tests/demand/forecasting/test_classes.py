"""Classes of demand against plain loops, and of value by hand."""

import numpy as np
import pytest
from panels import draw, panel_of

from lakeshop.demand.forecasting.classes import demand_class
from lakeshop.demand.forecasting.panel import winsorised


def class_of(units, cut, exposure, days):
    exposed = np.flatnonzero(exposure > 0)
    if not len(exposed) or days - exposed[0] < 56:
        return "new"
    seen = units[exposed]
    if len(seen) >= 91 and not seen[-91:].any():
        return "dead"
    sales = (seen > 0).sum()
    sizes = seen[(seen > 0) & (seen == cut[exposed])]
    interval = len(seen) / sales if sales else np.inf
    variation = (sizes.std() / sizes.mean()) ** 2 if len(sizes) else 0
    if interval < 1.32:
        return "smooth" if variation < 0.49 else "erratic"
    return "intermittent" if variation < 0.49 else "lumpy"


@pytest.mark.parametrize("seed", range(3))
def test_classes_by_a_loop(seed):
    panel = draw(seed, n=150, days=300)
    panel.units[::9, -95:] = 0
    history, _ = winsorised(panel)
    expected = [
        class_of(*arrays, panel.days)
        for arrays in zip(panel.units, history.units, history.exposure, strict=True)
    ]
    assert demand_class(panel).tolist() == expected
    assert len(set(expected)) == 6


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([4, 5, 6] * 40, "smooth"),
        ([1, 1, 9] * 40, "erratic"),
        ([0, 1, 0] * 40, "intermittent"),
        ([0, 1, 0, 0, 9, 0] * 20, "lumpy"),
        ([1] * 55, "new"),
        ([1] * 56, "smooth"),
        ([1] * 30 + [0] * 90, "intermittent"),
        ([1] * 30 + [0] * 91, "dead"),
        ([0] * 91, "dead"),
        ([0] * 90, "intermittent"),
        ([], "new"),
        ([5] * 99 + [1e9], "smooth"),  # a mistyped quantity varies nothing
    ],
)
def test_classes_by_hand(units, expected):
    assert demand_class(panel_of(np.array(units, float)[None])).tolist() == [expected]


def test_days_without_stock_make_no_series_rare_or_dead():
    units, exposure = np.r_[np.ones(60), np.zeros(200)], np.r_[np.ones(60), np.zeros(200)]
    assert demand_class(panel_of(units, exposure)).tolist() == ["smooth"]
    assert demand_class(panel_of(units, np.zeros(260))).tolist() == ["new"]
