"""Products that users look at, put into the cart and would buy at a visit, before stock.

A basket holds due staples, products found by taste (more of them in promotions), partners of bought
products, and products shown and clicked.
"""

from dataclasses import dataclass
from math import exp, factorial

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.chance import Chance, Floats, Ints
from lakeshop_demo.simulator.people import People
from lakeshop_demo.simulator.products import Products, Shelves
from lakeshop_demo.simulator.visits import Visits, due_staples
from lakeshop_demo.simulator.world import WORLD

FRAUD, STAPLE, PARTNER, TASTE, CLICK = range(5)


@dataclass(frozen=True)
class Looks:
    """One entry per visit and product that the user deals with, by visit and product."""

    visit: Ints  # place in Visits
    product: Ints
    source: Ints
    viewed: NDArray[np.bool_]
    carted: NDArray[np.bool_]
    bought: NDArray[np.bool_]


@dataclass(frozen=True)
class Impressions:
    """One entry per product shown to a user at a visit."""

    visit: Ints
    product: Ints
    clicked: NDArray[np.bool_]


def baskets(
    chance: Chance, people: People, products: Products, shelf: Shelves, visits: Visits
) -> tuple[Looks, Impressions]:
    """Events of the visits, without regard to stock; amount fraud comes from `fraud`."""
    by_taste = _by_taste(chance, people, shelf, visits)
    shown = _shown(chance, people, shelf, visits)
    clicks = _considered(chance, shown.visit[shown.clicked], shown.product[shown.clicked], CLICK,
                         visits)  # fmt: skip
    looks = together([_staples(chance, people, products, shelf, visits), by_taste, clicks])
    return together([looks, _partners(chance, products, visits, looks)]), shown


def together(parts: list[Looks]) -> Looks:
    """All parts, merged by product and visit: bought ones first, then by source."""
    names = ("visit", "product", "source", "viewed", "carted", "bought")
    visit, product, source, viewed, carted, bought = (
        np.concatenate([getattr(part, name) for part in parts]) for name in names
    )
    order = np.lexsort((source, ~bought, product, visit))
    visit, product = visit[order], product[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (visit[1:] != visit[:-1]) | (product[1:] != product[:-1])
    kept = order[is_first]
    return Looks(
        visit[is_first], product[is_first], source[kept], viewed[kept], carted[kept], bought[kept]
    )


def _staples(
    chance: Chance, people: People, products: Products, shelf: Shelves, visits: Visits
) -> Looks:
    """Staples that are due, and substitutes of some users."""
    visit, slot = np.nonzero(due_staples(chance, people, visits))
    own = people.staples[visits.row[visit], slot]
    ids = (visits.user[visit], visits.day[visit], own)
    strays = chance.uniform("strays", *ids) < WORLD.strays
    other = _draw(chance, people, shelf, visits, ("instead", visit, slot))
    product = np.where(strays, other, own)
    viewed = strays | (chance.uniform("staple viewed", *ids) < WORLD.staple_viewed)
    source = np.where(strays, TASTE, STAPLE)
    there = (product >= 0) & products.on_sale(product, visits.day[visit])
    yes = np.ones(int(there.sum()), dtype=bool)
    return Looks(visit[there], product[there], source[there], viewed[there], yes, yes)


def _by_taste(chance: Chance, people: People, shelf: Shelves, visits: Visits) -> Looks:
    number = poisson(
        chance.uniform("looks", visits.user, visits.day)[:, None], WORLD.looks, WORLD.most_looks
    )[:, 0]
    visit, slot = np.nonzero(np.arange(WORLD.most_looks) < number[:, None])
    product = _draw(chance, people, shelf, visits, ("look", visit, slot))
    return _considered(chance, visit[product >= 0], product[product >= 0], TASTE, visits)


def _shown(chance: Chance, people: People, shelf: Shelves, visits: Visits) -> Impressions:
    visit, slot = np.divmod(np.arange(len(visits) * WORLD.impressions), WORLD.impressions)
    product = _draw(chance, people, shelf, visits, ("impression", visit, slot))
    visit, slot, product = visit[product >= 0], slot[product >= 0], product[product >= 0]
    clicked = chance.uniform("click", visits.user[visit], visits.day[visit], slot) < WORLD.clicked
    return Impressions(visit, product, clicked)


def _draw(
    chance: Chance, people: People, shelf: Shelves, visits: Visits, slots: tuple[str, Ints, Ints]
) -> Ints:
    """A product of one of the user's tastes for each purpose, visit and slot; -1 for none."""
    purpose, visit, slot = slots
    ids = (visits.user[visit], visits.day[visit], slot)
    bounds = np.cumsum(WORLD.favourites)[:-1]
    favourite = np.searchsorted(bounds, chance.uniform(f"{purpose} taste", *ids), side="right")
    cluster = people.tastes[visits.row[visit], favourite]
    return shelf.draw(visits.day[visit], cluster, chance.uniform(purpose, *ids))


def _considered(chance: Chance, visit: Ints, product: Ints, source: int, visits: Visits) -> Looks:
    """Products looked at: some go to the cart; most of these are bought, if the user means to."""
    ids = (visits.user[visit], visits.day[visit], product, source)
    carted = chance.uniform("cart", *ids) < WORLD.carted
    bought = carted & visits.buys[visit] & (chance.uniform("buy", *ids) < WORLD.bought)
    yes = np.ones(len(visit), dtype=bool)
    return Looks(visit, product, np.full(len(visit), source), yes, carted, bought)


def _partners(chance: Chance, products: Products, visits: Visits, looks: Looks) -> Looks:
    """Products bought because their partner is."""
    bought = np.nonzero(looks.bought)[0]
    visit, product = looks.visit[bought], products.partner[looks.product[bought]]
    day = visits.day[visit]
    wanted = chance.uniform("partner", visits.user[visit], day, product) < WORLD.together
    wanted &= (product >= 0) & products.on_sale(product, day)
    visit, product = visit[wanted], product[wanted]
    yes = np.ones(len(visit), dtype=bool)
    return Looks(visit, product, np.full(len(visit), PARTNER), yes, yes, yes)


def poisson(uniform: Floats, mean: float, most: int) -> Ints:
    """Poisson numbers by their inverse, cut at `most`."""
    bounds = np.cumsum([exp(-mean) * mean**k / factorial(k) for k in range(most)])
    return np.searchsorted(bounds, uniform, side="right")


def units_of(chance: Chance, products: Products, visits: Visits, looks: Looks) -> Ints:
    """Units of each look if it is bought: at least one.

    Products found by taste are found more often in a promotion. Of staples and partners, which are
    bought anyway, more units are taken: the lift times as many, rounded by chance.
    """
    user, day = visits.user[looks.visit], visits.day[looks.visit]
    drawn = chance.uniform("units", user, day, looks.product)
    two, three = WORLD.multiples
    base = 1 + (drawn < two).astype(np.int64) + (drawn < three)
    lift = np.where(looks.source <= PARTNER, products.lift(looks.product, day), 1.0)
    rounding = chance.uniform("stocking up", user, day, looks.product)
    return np.floor(base * lift + rounding).astype(np.int64)
