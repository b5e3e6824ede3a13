"""Intervals over days."""

import math

import numpy as np
import pytest

from lakeshop.evaluation.bootstrap import day_interval


def test_the_interval_covers_the_mean_of_days_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        chance = np.random.default_rng(seed)
        day = np.repeat(np.arange(30), 20)
        values = chance.normal(0, 1, 30)[day] + chance.normal(0, 0.1, 600)
        found = day_interval(day, lambda rows, v=values: float(v[rows].mean()))
        covered += found.low <= 0 <= found.high
    assert 86 <= covered <= 99, "rows of a day are no independent draws"


def test_the_same_seed_gives_the_same_interval_and_the_estimate_is_that_of_all_rows():
    day = np.array([3, 1, 2, 1, 3])
    values = np.array([1.0, 2.0, 4.0, 3.0, 5.0])
    first, again, other = (
        day_interval(day, lambda rows: float(values[rows].mean()), seed=s) for s in (1, 1, 2)
    )
    assert first == again
    assert first.estimate == other.estimate == 3.0
    assert first.days == 3
    assert first.low < first.estimate < first.high


def test_whole_days_are_drawn():
    day = np.array([1, 2, 1, 2])
    drawn = []
    day_interval(day, lambda rows: float(len(drawn.append(sorted(rows)) or rows)), draws=20)
    assert {tuple(rows) for rows in drawn} <= {(0, 1, 2, 3), (0, 0, 2, 2), (1, 1, 3, 3)}


@pytest.mark.parametrize("days", [[], [1, 1]])
def test_with_fewer_than_two_days_there_is_no_interval(days):
    found = day_interval(days, lambda rows: float(len(rows)))
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.days == len(set(days))


def test_draws_without_a_figure_are_left_out():
    day, is_one = np.arange(10), np.arange(10) == 0
    found = day_interval(day, lambda rows: 0.5 if is_one[rows].any() else float("nan"))
    assert (found.low, found.high) == (0.5, 0.5)
    none = day_interval(day, lambda rows: float("nan"))
    assert math.isnan(none.low)
