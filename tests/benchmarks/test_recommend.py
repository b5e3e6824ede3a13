"""Other futures of a simulated shop: the past stays, and who knows the users ranks best."""

from datetime import date

import numpy as np

from benchmarks.futures import Future, bought, likeliest
from benchmarks.recommend import compared
from lakeshop_demo.simulator.arguments import Arguments

SHOP = Arguments(60, 80, 30, 1, 0.0, date(2025, 1, 1))


def test_the_first_future_is_the_simulated_one_and_others_differ() -> None:
    weeks = [set(bought(SHOP, 30, 37, number).tolist()) for number in range(3)]
    assert weeks[0] == set(bought(SHOP, 30, 37, 0).tolist())
    assert len(set(map(frozenset, weeks))) == 3


def test_the_days_before_a_future_stay_as_they_were() -> None:
    days = np.arange(20, 40)
    past, other = (Future(1, number, 30).uniform("visit", 7, days) for number in (0, 5))
    assert np.array_equal(past[:10], other[:10])
    assert (past[10:] != other[10:]).all()
    grid = [Future(1, number, 30).uniform("due", 7, days) for number in (0, 5)]
    assert np.array_equal(*grid)


def test_who_knows_the_users_ranks_better_than_who_knows_the_shop() -> None:
    week = bought(SHOP, 30, 37, 0)
    user, product = np.divmod(week, SHOP.products)
    relevant = {f"{n}": [f"{p}" for p in product[user == n]] for n in range(SHOP.users)}
    truth = {f"{n}": [f"{p}" for p in own] for n, own in likeliest(SHOP, 30, 37, 30, 10)}
    popular = np.argsort(-np.bincount(product, minlength=SHOP.products), kind="stable")[:10]
    same = {user: [f"{p}" for p in popular] for user in relevant}
    found = compared({"prior": same, "truth": truth}, relevant)
    assert found["truth", "merged", "gain_low"] > 0
    assert found["truth", "merged", "share_of_truth"] == 1.0
    assert found["prior", "merged", "gini"] > found["truth", "merged", "gini"]
