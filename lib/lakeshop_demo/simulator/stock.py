"""Stock: demand, supply, orders and deliveries, product by product.

A planner reviews each product every few days and orders up to a level (R, S policy; Silver, Pyke
and Thomas 2016) from a smoothed mean of sales, which is less than demand when stock ran out. Unmet
demand is lost. Within a day stock is checked hour by hour: a product is sold out for the day from
the first hour on with more demand than stock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.chance import Chance, Floats, Ints
from lakeshop_demo.simulator.products import Products
from lakeshop_demo.simulator.purchases import HOURS
from lakeshop_demo.simulator.world import WORLD

_LEAST_MEAN = 0.02  # units a day that a planner expects of anything on sale
_MOST_LEAD_DAYS = 30


@dataclass(frozen=True)
class Terms:
    """Order terms of each product; one entry per product."""

    lead_days: Floats
    lead_deviation: Floats
    pack: Ints


@dataclass(frozen=True)
class Ledger:
    """Units per product and day (products x days); on hand and on order at the day's end."""

    demanded: Ints
    sold: Ints
    delivered: Ints
    on_hand: Ints
    on_order: Ints
    sold_until: NDArray[np.int8]  # hour from which demand is lost, 24 for none
    hours_sold_out: Ints  # opening hours in which it could not be bought


def terms_of(chance: Chance, ids: Ints) -> Terms:
    """The terms of products, to one decimal as a shop would keep them."""
    (shortest, longest), (least, most) = WORLD.lead_days, WORLD.lead_deviation
    lead = shortest + (longest - shortest) * chance.uniform("lead", ids)
    deviation = least + (most - least) * chance.uniform("lead deviation", ids)
    packs = np.asarray(WORLD.packs)[chance.below(len(WORLD.packs), "pack", ids)]
    return Terms(np.round(lead, 1), np.round(deviation, 1), packs)


def ledger(chance: Chance, products: Products, ids: Ints, wanted: Ints) -> Ledger:
    """The stock of some products over all days.

    Args:
        chance: all randomness.
        products: the whole range.
        ids: the products.
        wanted: units demanded, products x days x hours.
    """
    days = wanted.shape[1]
    terms = terms_of(chance, ids)
    mean = _first_belief(chance, products, ids, wanted.sum(axis=2))
    arriving = np.zeros((len(ids), days + _MOST_LEAD_DAYS + 1), dtype=np.int64)
    shape = (len(ids), days)
    sold, on_hand, on_order = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    sold_until, hours_out = np.zeros(shape, dtype=np.int8), np.zeros(shape, dtype=np.int64)
    stock, offset = (
        np.zeros(len(ids), dtype=np.int64),
        chance.below(WORLD.review_days, "review", ids),
    )
    for day in range(days):
        on_sale = products.on_sale(ids, np.full(len(ids), day))
        opening = np.where(products.starts[ids] == day, _order(mean, terms, stock), 0)
        arriving[:, day] += opening
        stock = stock + arriving[:, day]
        sold_until[:, day], sold[:, day] = _sell(wanted[:, day], stock)
        stock = stock - sold[:, day]
        hours_out[:, day] = _hours_sold_out(wanted[:, day], sold_until[:, day], stock)
        mean = np.where(on_sale, mean + WORLD.smoothing * (sold[:, day] - mean), mean)
        due = arriving[:, day + 1 :].sum(axis=1)
        reviewed = on_sale & ((day + offset) % WORLD.review_days == 0)
        order = np.where(reviewed, _order(mean, terms, stock + due), 0)
        np.add.at(arriving, (np.arange(len(ids)), day + _lead(chance, terms, ids, day)), order)
        on_hand[:, day], on_order[:, day] = stock, due + order
    return Ledger(
        wanted.sum(axis=2), sold, arriving[:, :days], on_hand, on_order, sold_until, hours_out
    )


def _first_belief(chance: Chance, products: Products, ids: Ints, wanted: Ints) -> Floats:
    """The planner's guess of mean demand: right on average, wrong for each product."""
    days = wanted.shape[1]
    sale_days = np.minimum(products.ends[ids], days) - products.starts[ids]
    mean = wanted.sum(axis=1) / np.maximum(sale_days, 1)
    error = np.exp(WORLD.belief_deviation * chance.normal("belief", ids))
    return np.asarray(np.maximum(mean * error, _LEAST_MEAN))


def _order(mean: Floats, terms: Terms, position: Ints) -> Ints:
    """Whole packs that lift the position to the level, none where it is reached."""
    covered = terms.lead_days + WORLD.review_days + WORLD.safety_days
    level = np.maximum(mean, _LEAST_MEAN) * covered + 1
    packs = np.ceil(np.maximum(level - position, 0) / terms.pack)
    return (packs * terms.pack).astype(np.int64)


def _lead(chance: Chance, terms: Terms, ids: Ints, day: int) -> Ints:
    drawn = terms.lead_days + terms.lead_deviation * chance.normal("lead of order", ids, day)
    return np.clip(np.rint(drawn), 1, _MOST_LEAD_DAYS).astype(np.int64)


def _sell(wanted: Ints, stock: Ints) -> tuple[Ints, Ints]:
    """First hour that is not served (24 for none) and units sold before it."""
    running = np.cumsum(wanted, axis=1)
    until = (running <= stock[:, None]).sum(axis=1)
    served = np.concatenate([np.zeros((len(wanted), 1), dtype=np.int64), running], axis=1)
    return until, served[np.arange(len(wanted)), until]


def _hours_sold_out(wanted: Ints, until: NDArray[np.int8], left: Ints) -> Ints:
    """Opening hours after the last sale of the last unit, or after the hour not served."""
    last_sale = HOURS - np.argmax(wanted[:, ::-1] > 0, axis=1)
    after_last = np.where(wanted.any(axis=1), last_sale, 0)
    since = np.where((until == HOURS) & (left == 0), after_last, until)
    return np.asarray(np.maximum(WORLD.closes - np.maximum(since, WORLD.opens), 0))
