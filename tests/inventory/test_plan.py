"""Orders by hand: levels are quantiles of demand, and packs are chosen by brute force."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lakeshop.inventory.demand import Demand
from lakeshop.inventory.plan import MOST_LEVEL, ServiceTarget, Stock, days_of_cover, plan
from lakeshop.inventory.sentences import Counted, number, sentences

FRESH = Counted(0.0, False)


def poisson(mean: float, n: int = 1) -> Demand:
    return Demand(np.full((n, 28), mean), np.zeros((n, 28)), np.zeros(n))


def stock_of(
    *on_hand: float,
    on_order: float = 0.0,
    lead: float = 2.0,
    review: int = 3,
    pack: int = 1,
    life: int = 0,
) -> Stock:
    n = len(on_hand)
    return Stock(
        on_hand=np.array(on_hand, np.float64),
        on_order=np.full(n, on_order),
        lead_time=np.full(n, lead),
        deviation=np.zeros(n),
        review=np.full(n, review),
        pack=np.full(n, pack),
        shelf_life=np.full(n, life),
    )


def test_levels_by_hand() -> None:
    # 4 a day: 20 over 2 + 3 days, 12 over 2 + 1; Poisson quantiles at 0.95 are 28 and 18.
    found = plan(poisson(4), stock_of(5, on_order=4), ServiceTarget(0.95))
    assert (found.order_up_to[0], found.reorder_point[0]) == (28, 18)
    assert found.mean[0] == pytest.approx(20)
    assert found.safety_stock[0] == pytest.approx(8)
    assert found.order[0] == 28 - 9
    demand = stats.poisson(20)
    assert found.stockout[0] == pytest.approx(demand.sf(28), abs=1e-10)
    assert found.stockout_without[0] == pytest.approx(demand.sf(9), abs=1e-10)
    expected = np.sum(np.maximum(np.arange(100) - 28, 0) * demand.pmf(np.arange(100)))
    assert found.expected_shortage[0] == pytest.approx(expected, abs=1e-9)
    assert found.cover[0] == pytest.approx(5 / 4)


def test_orders_are_whole_packs_and_never_negative() -> None:
    found = plan(poisson(4, n=4), stock_of(9, 28, 40, 27.5, pack=12), ServiceTarget(0.95))
    assert found.order.tolist() == [24, 0, 0, 12]


def test_a_lead_time_of_none_covers_the_review_alone() -> None:
    found = plan(poisson(4), stock_of(0, lead=0), ServiceTarget(0.95))
    assert found.order_up_to[0] == stats.poisson(12).ppf(0.95)
    assert found.reorder_point[0] == stats.poisson(4).ppf(0.95)


def test_without_stock_there_are_levels_only() -> None:
    found = plan(poisson(4), stock_of(np.nan, on_order=np.nan), ServiceTarget(0.95))
    assert found.order_up_to[0] == 28
    missing = (found.order, found.stockout, found.stockout_without, found.cover)
    assert all(np.isnan(values[0]) for values in (*missing, found.expected_shortage))


def test_unknown_orders_count_as_none() -> None:
    assert plan(poisson(4), stock_of(5, on_order=np.nan), ServiceTarget(0.95)).order[0] == 23


def test_what_is_owed_is_ordered_on_top() -> None:
    owed = stock_of(-7, on_order=2)
    found = plan(poisson(4), owed, ServiceTarget(0.95))
    assert found.order[0] == 28 + 5
    assert (found.cover[0], found.stockout_without[0]) == (0, 1)
    [said] = sentences(found, owed, ServiceTarget(0.95), [FRESH])
    assert "7 are owed and 2 on order: 33 are ordered" in said


@pytest.mark.parametrize("target", [ServiceTarget(0.95), ServiceTarget(0.5, 0.0, 0.1)])
def test_what_is_owed_is_ordered_without_demand_or_gain(target: ServiceTarget) -> None:
    owed = stock_of(-7, pack=12)
    found = plan(poisson(0), owed, target)
    assert found.order[0] == 12
    [said] = sentences(found, owed, target, [FRESH])
    assert said.startswith("no demand is expected over")
    assert "but 7 are owed: 12 are ordered in packs of 12" in said


def test_what_is_owed_has_no_shelf_life() -> None:
    owed = stock_of(-7, life=1)
    found = plan(poisson(4), owed, ServiceTarget(0.95))
    assert found.order[0] == found.shelf_limit[0] + 7 == 8 + 7
    [said] = sentences(found, owed, ServiceTarget(0.95), [FRESH])
    assert "no more than the 8 that sell in its 1 days of life and the 7 owed" in said


def test_what_is_owed_of_a_perishable_is_ordered_in_whole_packs() -> None:
    owed = stock_of(-3, pack=6, life=3)
    found = plan(poisson(0), owed, ServiceTarget(0.95))
    assert found.order[0] == 6
    [said] = sentences(found, owed, ServiceTarget(0.95), [FRESH])
    assert "3 are owed: 6 are ordered in packs of 6" in said


def test_no_more_is_ordered_than_sells_in_its_life() -> None:
    # One day of life after arrival: Poisson of 4 at 0.95 is 8, two packs of 3 and not three.
    found = plan(poisson(4), stock_of(0, life=1, pack=3), ServiceTarget(0.95))
    assert found.shelf_limit[0] == 8
    assert found.order[0] == 6
    assert found.order_up_to[0] == 28
    assert plan(poisson(4), stock_of(25, life=1, pack=3), ServiceTarget(0.95)).order[0] == 3


def test_a_life_without_end_is_one_of_ten_years() -> None:
    endless = plan(poisson(4), stock_of(0, life=2**31 - 1), ServiceTarget(0.95))
    assert endless.shelf_limit[0] == stats.poisson(4 * 3650).ppf(0.95)
    assert endless.order[0] == 28


def test_costs_give_the_quantile_of_the_newsvendor() -> None:
    # 0.02 a day over 3 days is 0.06 left over against 0.3 short: 0.3 / 0.36.
    target = ServiceTarget(0.5, shortage=0.3, holding=0.02)
    found = plan(poisson(4), stock_of(0), target)
    assert found.level[0] == pytest.approx(0.3 / 0.36)
    assert found.order_up_to[0] == stats.poisson(20).ppf(0.3 / 0.36)


@pytest.mark.parametrize("pack", [1, 5, 12, 30])
def test_packs_are_those_of_least_expected_cost(pack: int) -> None:
    held = np.arange(0.0, 30.0)
    target = ServiceTarget(0.5, shortage=0.3, holding=0.02)
    found = plan(poisson(4, n=len(held)), stock_of(*held, pack=pack), target)
    counts = np.arange(200)
    chances = stats.poisson(20).pmf(counts)

    def cost(at_hand: float) -> float:
        left = np.sum(np.maximum(at_hand - counts, 0) * chances)
        return 0.06 * left + 0.3 * np.sum(np.maximum(counts - at_hand, 0) * chances)

    for i, on_hand in enumerate(held):
        costs = [cost(on_hand + packs * pack) for packs in range(60)]
        assert found.order[i] == pack * int(np.argmin(costs)), on_hand


@pytest.mark.parametrize(
    ("target", "level"),
    [
        (ServiceTarget(0.9, shortage=0.0, holding=0.0), 0.9),
        (ServiceTarget(0.9, shortage=0.0, holding=0.1), 0.0),
        (ServiceTarget(0.9, shortage=0.5, holding=0.0), MOST_LEVEL),
        (ServiceTarget(0.9, shortage=0.5), 0.9),
    ],
)
def test_costs_of_nothing(target: ServiceTarget, level: float) -> None:
    found = plan(poisson(4), stock_of(0), target)
    assert found.level[0] == level
    assert (found.order[0] == 0) == (level == 0)


def test_more_stock_and_lower_levels_never_order_more() -> None:
    random = np.random.default_rng(2)
    n = 200
    demand = Demand(
        random.gamma(0.5, 2, (n, 28)), random.uniform(0, 1, (n, 28)), random.uniform(0, 0.4, n)
    )
    stock = replace(stock_of(*random.integers(0, 40, n), pack=4), deviation=random.uniform(0, 2, n))
    more = replace(stock, on_hand=stock.on_hand + 7)
    low, high = plan(demand, stock, ServiceTarget(0.8)), plan(demand, stock, ServiceTarget(0.95))
    assert (low.order <= high.order).all()
    assert (plan(demand, more, ServiceTarget(0.8)).order <= low.order).all()
    for found in (low, high):
        assert (found.reorder_point <= found.order_up_to).all()
        assert (found.stockout <= found.stockout_without).all()


def test_days_of_cover_walk_day_by_day() -> None:
    mean = np.array([[2.0, 4.0] + [1.0] * 7, [0.0] * 9, [0.0] * 8 + [1.0], [1.0] * 9, [1.0] * 9])
    on_hand = np.array([4.0, 5.0, 1.5, 1e6, np.nan])
    found = days_of_cover(mean, on_hand)
    # 2 on the first day and half of the 4 of the second; one unit each week, on its last day.
    assert found[0] == pytest.approx(1.5)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(15.5)
    assert found[3] == 365
    assert np.isnan(found[4])
    assert days_of_cover(mean[:1], np.array([0.0]))[0] == 0


def test_sentences_say_the_numbers() -> None:
    def sentence_of(
        demand: Demand, stock: Stock, target: ServiceTarget, counted: Counted = FRESH
    ) -> str:
        return sentences(plan(demand, stock, target), stock, target, [counted])[0]

    start = "over 2 days of delivery and 3 until the next order 20 units are expected and "
    assert sentence_of(poisson(4), stock_of(5, on_order=4, pack=12), ServiceTarget(0.95)) == (
        f"{start}28 cover 95 % of cases; 5 are on hand and 4 on order: "
        "24 are ordered in packs of 12"
    )
    assert sentence_of(poisson(4), stock_of(30), ServiceTarget(0.95), Counted(1.0, False)) == (
        f"{start}28 cover 95 % of cases; 30 are on hand, counted 1 day before: nothing is ordered"
    )
    unknown = stock_of(np.nan)
    assert sentence_of(poisson(4), unknown, ServiceTarget(0.95), Counted(np.nan, False)).endswith(
        "; the shop delivers no stock of it, so no order is planned"
    )
    assert sentence_of(poisson(4), unknown, ServiceTarget(0.95), Counted(40.0, True)).endswith(
        "; stock was last counted 40 days ago, too long to order by"
    )
    assert sentence_of(poisson(0), stock_of(3), ServiceTarget(0.95)).startswith(
        "no demand is expected over 2 days"
    )
    assert (
        "6 are ordered in packs of 3, no more than the 8 that sell in its 1 days of life"
        in sentence_of(poisson(4), stock_of(0, life=1, pack=3), ServiceTarget(0.95))
    )
    assert "as both costs are 0" in sentence_of(
        poisson(4), stock_of(0), ServiceTarget(0.9, 0.0, 0.0)
    )
    assert "as a unit short costs nothing" in sentence_of(
        poisson(4), stock_of(0), ServiceTarget(0.9, 0.0, 0.1)
    )
    assert "costs nothing" in sentence_of(poisson(4), stock_of(0), ServiceTarget(0.9, 0.5, 0.0))
    assert "more would cost more than it saves" in sentence_of(
        poisson(4), stock_of(20, pack=30), ServiceTarget(0.9, 0.3, 0.02)
    )


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (2.54, "2.5"), (0.0412, "0.041"), (0.0, "0"), (1234.5, "1,234")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
