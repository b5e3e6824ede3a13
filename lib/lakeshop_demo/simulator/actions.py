"""User actions: products shown and clicked, searched, viewed, put into the cart, bought."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.baskets import CLICK, Impressions, Looks
from lakeshop_demo.simulator.chance import Chance, Ints
from lakeshop_demo.simulator.purchases import NO_COUPON, Lines, Tickets, places
from lakeshop_demo.simulator.visits import Visits
from lakeshop_demo.simulator.world import WORLD

KINDS = ("impression", "click", "search", "view", "cart", "coupon", "purchase")
IMPRESSION, CLICKED, SEARCH, VIEW, CART, COUPON, PURCHASE = range(7)
QUERIES = 3  # ways to search for a product
# Places within a visit: shown products come first, then product after product, then the checkout.
_LOOKS, _PER_LOOK, _CHECKOUT, _PER_VISIT = 64, 4, 2048, 4096


@dataclass(frozen=True)
class Actions:
    """One entry per action, by visit and time."""

    visit: Ints
    number: Ints  # within the visit, from 1
    kind: Ints
    product: Ints  # -1 for none
    query: Ints  # product * QUERIES + way, -1 for none
    second: Ints  # of the day


def actions(
    chance: Chance, visits: Visits, looks: Looks, shown: Impressions, ticket: Tickets, lines: Lines
) -> Actions:
    """The actions of the visits; `lines` are the sold ones."""
    ids = (visits.user[looks.visit], visits.day[looks.visit], looks.product)
    searched = (chance.uniform("search", *ids) < WORLD.searched) & (looks.source != CLICK)
    query = looks.product * QUERIES + chance.below(QUERIES, "query", *ids)
    look = _LOOKS + places(looks.visit) * _PER_LOOK
    seen = places(shown.visit) * 2
    everything = np.ones(len(shown.visit), dtype=bool)
    bought = lines.visit
    redeemed = np.unique(bought[ticket.coupon[bought] != NO_COUPON])
    parts = [
        _part(shown.visit, seen, IMPRESSION, shown.product, everything),
        _part(shown.visit, seen + 1, CLICKED, shown.product, shown.clicked),
        _part(looks.visit, look, SEARCH, np.full(len(look), -1), searched, query),
        _part(looks.visit, look + 1, VIEW, looks.product, looks.viewed),
        _part(looks.visit, look + 2, CART, looks.product, looks.carted),
        _part(redeemed, np.full(len(redeemed), _CHECKOUT), COUPON, np.full(len(redeemed), -1)),
        _part(bought, _CHECKOUT + lines.number, PURCHASE, lines.product),
    ]
    return _in_order(np.concatenate(parts, axis=1), visits, ticket)


def _part(
    visit: Ints,
    place: Ints,
    kind: int,
    product: Ints,
    chosen: NDArray[np.bool_] | None = None,
    query: Ints | None = None,
) -> Ints:
    """Rows key, kind, product, query."""
    key = visit * _PER_VISIT + place
    none = np.full(len(visit), -1)
    part = np.stack([key, np.full(len(visit), kind), product, none if query is None else query])
    return part if chosen is None else part[:, chosen]


def _in_order(parts: Ints, visits: Visits, ticket: Tickets) -> Actions:
    parts = parts[:, np.argsort(parts[0], kind="stable")]
    visit, kind = parts[0] // _PER_VISIT, parts[1]
    number = places(visit)
    browsing = visits.second[visit] + WORLD.seconds_per_action * number
    second = np.where(kind >= COUPON, ticket.checkout[visit], browsing)
    return Actions(visit, number + 1, kind, parts[2], parts[3], second)
