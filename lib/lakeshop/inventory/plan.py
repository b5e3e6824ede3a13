"""Order plan of each series: levels, whole packs, and their service probabilities.

An order decided after day D arrives at the start of day D + 1 + lead time, the next one a review
later. Stock on hand and on order must therefore cover lead time + review. Stock is reviewed every
few days and ordered up to a level (R, S policy; Silver, Pyke and Thomas 2016): a quantile of demand
over that interval.

With a cost per unit short, cu, and per unit left over a review, co, the quantile is cu / (cu + co)
(newsvendor; Arrow, Harris and Marschak 1951). The number of packs then has the least expected cost.
Both costs are shares of the same price, which cancels.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lakeshop.inventory.demand import Demand, Interval
from lakeshop.inventory.protection import WEEK, summarize_demand
from lakeshop.ml.arrays import Floats, Integers

# A unit that costs nothing to hold would be ordered without end.
MOST_LEVEL = 0.999
MOST_COVER = 365.0
LONGEST_LEAD = 365.0
LONGEST_LIFE = 3650  # days: in ten years more sells than any order holds


@dataclass(frozen=True, eq=False)
class Stock:
    """Stock and its order terms, one entry per series.

    `on_hand` and `on_order` are float64[n], NaN where no stock is known; `on_hand` below 0 is owed
    to customers. `lead_time` and
    `deviation` are days, `review` whole days from 1, `pack` units from 1. `shelf_life` is the
    number of days on which a unit can be sold after its arrival, 0 for non-perishable products.
    """

    on_hand: Floats
    on_order: Floats
    lead_time: Floats
    deviation: Floats
    review: Integers
    pack: Integers
    shelf_life: Integers

    @property
    def position(self) -> Floats:
        """On hand and on order; NaN where unknown."""
        return self.on_hand + np.nan_to_num(self.on_order)

    @property
    def owed(self) -> Floats:
        """Units that are owed and not on order."""
        return np.maximum(-np.nan_to_num(self.position), 0.0)

    def until_next(self, days: Integers) -> Interval:
        """The lead time and so many days."""
        return Interval(self.lead_time, self.deviation, days)


@dataclass(frozen=True)
class ServiceTarget:
    """Target of the plan: a service level, or least cost where both costs are given.

    `shortage` is the cost of a unit short, `holding` the cost of a unit left over one day, both as
    shares of the price.
    """

    service_level: float
    shortage: float | None = None
    holding: float | None = None

    @property
    def is_by_cost(self) -> bool:
        """True where the costs decide; two costs of 0 do not."""
        return self.shortage is not None and self.holding is not None and not self.is_free

    @property
    def is_free(self) -> bool:
        """True where both costs are 0."""
        return self.shortage == 0 and self.holding == 0

    def left_over(self, review: Integers) -> Floats:
        """Cost of a unit left over a whole review."""
        return (self.holding or 0.0) * review.astype(np.float64)

    def levels(self, review: Integers) -> Floats:
        """The quantile of demand that each series is ordered up to."""
        if not self.is_by_cost:
            return np.full(review.shape, self.service_level)
        short = self.shortage or 0.0
        return np.minimum(short / (short + self.left_over(review)), MOST_LEVEL)


class ReorderPlan(NamedTuple):
    """The plan of each series, arrays [n]; values that need stock are NaN where it is unknown.

    `shelf_limit` is the largest order of a perishable product, infinite for others.
    """

    level: Floats
    mean: Floats
    safety_stock: Floats
    reorder_point: Floats
    order_up_to: Floats
    shelf_limit: Floats
    order: Floats
    stockout: Floats
    stockout_without: Floats
    expected_shortage: Floats
    cover: Floats


def plan(demand: Demand, stock: Stock, target: ServiceTarget) -> ReorderPlan:
    """Plan the order of each series.

    Args:
        demand: forecasts as of the business date.
        stock: of the same series.
        target: service level or costs.
    """
    lead = np.minimum(stock.lead_time, LONGEST_LEAD)
    stock = replace(stock, lead_time=lead, deviation=np.minimum(stock.deviation, lead + WEEK))
    level = target.levels(stock.review)
    whole = summarize_demand(demand, stock.until_next(stock.review), levels=level)
    point = summarize_demand(demand, stock.until_next(np.ones_like(stock.review)), levels=level)
    up_to, limit = whole.quantiles[:, 0], _shelf_limits(demand, stock, level)
    order = _orders(demand, stock, target, up_to, limit)
    at_hand = np.stack([stock.position + order, stock.position], axis=1)
    chances = summarize_demand(
        demand, stock.until_next(stock.review), points=np.nan_to_num(at_hand)
    )
    is_known = ~np.isnan(stock.position)
    return ReorderPlan(
        level=level,
        mean=whole.mean,
        safety_stock=up_to - whole.mean,
        reorder_point=point.quantiles[:, 0],
        order_up_to=up_to,
        shelf_limit=limit,
        order=order,
        stockout=np.where(is_known, chances.above[:, 0], np.nan),
        stockout_without=np.where(is_known, chances.above[:, 1], np.nan),
        expected_shortage=np.where(is_known, chances.shortage[:, 0], np.nan),
        cover=days_of_cover(demand.mean, stock.on_hand),
    )


def days_of_cover(mean: Floats, on_hand: Floats) -> Floats:
    """Days until the mean demand has used the stock on hand, MOST_COVER at most.

    Partial days count as fractions. NaN without demand or without known stock.

    Args:
        mean: float64[n, H]; beyond the horizon its last week repeats.
        on_hand: float64[n].
    """
    n, horizon = mean.shape
    days = np.arange(int(MOST_COVER))
    week = min(WEEK, horizon)
    places = np.where(days < horizon, days, horizon - week + (days - horizon) % week)
    used = np.cumsum(mean[:, places], axis=1)
    # A day that is not needed is not counted, so that the last part of a day is of one with sales.
    full = (used < on_hand[:, None]).sum(axis=1)
    row, last = np.arange(n), np.minimum(full, days.size - 1)
    before = np.where(full > 0, used[row, np.maximum(full - 1, 0)], 0.0)
    of_day = mean[:, places][row, last]
    part = np.where(of_day > 0, (on_hand - before) / np.where(of_day > 0, of_day, 1.0), 0.0)
    cover: Floats = np.where(full >= days.size, MOST_COVER, full + np.clip(part, 0.0, 1.0))
    return np.where((used[:, -1] > 0) & ~np.isnan(on_hand), cover, np.nan)


def _shelf_limits(demand: Demand, stock: Stock, level: Floats) -> Floats:
    """Units that sell within the shelf life after arrival, by the same quantile."""
    keeps = stock.shelf_life <= 0
    days = np.minimum(stock.shelf_life, LONGEST_LIFE)
    life = Interval(stock.lead_time, stock.deviation, days, is_after_arrival=True)
    return np.where(keeps, np.inf, summarize_demand(demand, life, levels=level).quantiles[:, 0])


def _orders(
    demand: Demand, stock: Stock, target: ServiceTarget, up_to: Floats, limit: Floats
) -> Floats:
    """Whole packs that lift the position to the level, or of least cost; NaN if unknown.

    Expected cost is convex in the position with its minimum at the level: one of the two adjacent
    numbers of packs is optimal. Perishable products are limited by their shelf life. What is owed
    is always ordered.
    """
    missing = np.maximum(up_to - np.nan_to_num(stock.position), 0.0)
    packs, owed = np.ceil(missing / stock.pack), np.ceil(stock.owed / stock.pack)
    if target.is_by_cost:
        fewer = np.maximum(np.floor(missing / stock.pack), owed)
        costs = [_cost(demand, stock, target, some * stock.pack) for some in (fewer, packs)]
        packs = np.where(costs[0] <= costs[1], fewer, packs)
    # What is owed leaves the day it comes: it has no shelf life.
    most = np.floor(np.where(np.isinf(limit), 0.0, limit + stock.owed) / stock.pack)
    most = np.maximum(most, owed)
    packs = np.where(np.isinf(limit), packs, np.minimum(packs, most))
    return np.where(np.isnan(stock.position), np.nan, packs * stock.pack)


def _cost(demand: Demand, stock: Stock, target: ServiceTarget, order: Floats) -> Floats:
    """Expected cost until the next order arrives, as a share of the price."""
    at_hand = np.nan_to_num(stock.position) + order
    found = summarize_demand(demand, stock.until_next(stock.review), points=at_hand)
    shortage = found.shortage[:, 0]
    left = at_hand - found.mean + shortage
    cost: Floats = target.left_over(stock.review) * left + (target.shortage or 0.0) * shortage
    return cost
