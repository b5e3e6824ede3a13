"""What models know of their inputs, from training rows."""

import json

import numpy as np
import pytest

from lakeshop.fraud.statistics import checked, statistics

NAMES = ("center", "scale", "is_sometimes_missing", "edges")


def column(values, **options):
    found = statistics(np.array(values, dtype=float)[:, None], **options)
    return tuple(found[name][0] for name in NAMES)


def test_centre_and_scale_are_median_and_half_the_distance_of_quartiles():
    values = np.random.default_rng(1).normal(5, 2, (4001, 1))
    found = statistics(values)
    assert found["center"][0] == pytest.approx(np.median(values), abs=1e-2)
    quartiles = np.quantile(values, [0.25, 0.75])
    assert found["scale"][0] == pytest.approx(np.diff(quartiles)[0] / 2, rel=1e-2)


def test_edges_are_quantiles_and_finer_ones_at_the_tails():
    values = np.random.default_rng(1).exponential(1, (20_000, 1))
    edges = statistics(values, bins=4)["edges"][0]
    assert edges == sorted(set(edges))
    assert [edges[0], edges[-1]] == pytest.approx([values.min(), values.max()])
    shares = [np.mean(values <= edge) for edge in edges]
    for level in (0.25, 0.5, 0.75, 0.99, 0.999, 0.9995, 0.001):
        assert min(abs(share - level) for share in shares) < 2e-4


def test_few_distinct_values_are_edges_themselves():
    assert column([0, 0, 0, 1] * 10) == (0.0, pytest.approx(3**0.5 / 4), False, [0.0, 1.0])
    assert column([3, 1, 2, 1, 1, np.nan], bins=4)[3] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("value", [0.0, -7.5])
def test_a_constant_says_nothing(value):
    assert column([value] * 5) == (value, 0.0, False, [])
    assert column([value, np.nan, value]) == (value, 0.0, True, [])


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf, 1e300])
def test_what_no_float32_holds_is_missing(missing):
    assert column([missing] * 3) == (0.0, 0.0, False, [])
    assert column([1.0, missing, 2.0, 3.0]) == (2.0, 0.5, True, [1.0, 2.0, 3.0])


def test_values_that_are_one_in_float32_are_constant():
    assert column([1.0, 1.0 + 1e-12])[1] == 0.0


def test_all_inputs_at_once_and_ready_for_json():
    chance = np.random.default_rng(1)
    values = np.c_[chance.normal(size=50), np.ones(50), np.full(50, np.nan), chance.random(50)]
    found = statistics(values)
    assert json.loads(json.dumps(found)) == found
    assert checked(found) == 4
    for place in range(4):
        alone = statistics(values[:, place : place + 1])
        assert [found[name][place] for name in NAMES] == [alone[name][0] for name in NAMES]


def test_the_order_of_rows_does_not_count():
    values = np.random.default_rng(1).normal(size=(500, 3))
    assert statistics(values) == statistics(values[::-1])


@pytest.mark.parametrize("values", [np.empty((0, 3)), np.ones(3)])
def test_without_rows_there_are_no_statistics(values):
    with pytest.raises(ValueError, match="should be a matrix with rows"):
        statistics(values)


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"center": [0.0]},
        {**statistics(np.ones((2, 2))), "scale": [1.0]},
        {name: [] for name in NAMES},
    ],
)
def test_incomplete_statistics_are_an_error(stated):
    with pytest.raises(ValueError, match="should have center, scale"):
        checked(stated)
