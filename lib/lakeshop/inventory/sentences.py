"""One sentence why so much is ordered, in plain words with the numbers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lakeshop.inventory.plan import LONGEST_LEAD, ReorderPlan, ServiceTarget, Stock


class Counted(NamedTuple):
    """When a series's stock was counted: days ago, NaN never; and whether that is too long ago."""

    age: float
    is_stale: bool


def sentences(
    plan: ReorderPlan, stock: Stock, target: ServiceTarget, counted: Sequence[Counted]
) -> list[str]:
    """Reason of each series' order."""
    return [_sentence(i, plan, stock, target, counted[i]) for i in range(len(plan.level))]


def _sentence(
    i: int, plan: ReorderPlan, stock: Stock, target: ServiceTarget, counted: Counted
) -> str:
    days = f"{number(min(stock.lead_time[i], LONGEST_LEAD))} days of delivery"
    interval = f"{days} and {number(stock.review[i])} until the next order"
    if plan.mean[i] <= 0 and stock.owed[i] > 0:
        owed = f"{_held(i, stock, counted)}: {_ordered(i, plan, stock, target)}"
        return f"no demand is expected over {interval}, but {owed}"
    if plan.mean[i] <= 0:
        return f"no demand is expected over {interval}: nothing is ordered"
    aim = _target(plan.level[i], target)
    wanted = (
        f"over {interval} {number(plan.mean[i])} units are expected and "
        f"{number(plan.order_up_to[i])} cover {aim}"
    )
    if np.isnan(stock.on_hand[i]):
        return f"{wanted}; {_without_stock(counted)}"
    return f"{wanted}; {_held(i, stock, counted)}: {_ordered(i, plan, stock, target)}"


def number(value: float) -> str:
    """To one decimal, none where it is whole or from 100 on, two digits below 1."""
    value = float(value)
    if 0 < abs(value) < 1:
        return f"{value:.2g}"
    if abs(value) >= 100 or round(value, 1) == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}"


def _target(level: float, target: ServiceTarget) -> str:
    share = f"{100 * level:.4g} % of cases"
    if not target.is_by_cost:
        return f"{share}, as both costs are 0" if target.is_free else share
    if target.shortage == 0:
        return f"{share}, as a unit short costs nothing"
    if target.holding == 0:
        return f"{share}, the most where a unit left over costs nothing"
    return f"{share}, the share at which a unit short costs as much as a unit left over"


def _without_stock(counted: Counted) -> str:
    if counted.is_stale:
        return f"stock was last counted {number(counted.age)} days ago, too long to order by"
    return "the shop delivers no stock of it, so no order is planned"


def _held(i: int, stock: Stock, counted: Counted) -> str:
    ordered = stock.on_order[i]
    on_hand = stock.on_hand[i]
    held = f"{number(-on_hand)} are owed" if on_hand < 0 else f"{number(on_hand)} are on hand"
    if ordered > 0:
        held += f" and {number(ordered)} on order"
    if counted.age > 0:
        plural = "day" if counted.age == 1 else "days"
        held += f", counted {number(counted.age)} {plural} before"
    return held


def _ordered(i: int, plan: ReorderPlan, stock: Stock, target: ServiceTarget) -> str:
    order, pack = plan.order[i], stock.pack[i]
    missing = plan.order_up_to[i] - stock.position[i]
    packs = f" in packs of {pack}" if pack > 1 else ""
    wanted = np.ceil(missing / pack) * pack
    if missing <= 0:
        return "nothing is ordered"
    most = max(plan.shelf_limit[i] + stock.owed[i], np.ceil(stock.owed[i] / pack) * pack)
    if most < wanted and order + pack > most:
        life = f"{number(plan.shelf_limit[i])} that sell in its {stock.shelf_life[i]} days of life"
        life += f" and the {number(stock.owed[i])} owed" if stock.owed[i] > 0 else ""
        return f"{number(order)} are ordered{packs}, no more than the {life}"
    if order < wanted and target.is_by_cost:
        return f"{number(order)} are ordered{packs}, as one pack more would cost more than it saves"
    return f"{number(order)} are ordered{packs}"
