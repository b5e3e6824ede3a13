"""The users: activity, tastes, staples, birthdays.

Activity is log-normal over users, as purchase rates of households are widely spread (Ehrenberg 1959
fits a Gamma; the log-normal has the heavier tail of online shops).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.chance import Chance, Floats, Ints
from lakeshop_demo.simulator.products import products_of, shelves
from lakeshop_demo.simulator.season import YEAR
from lakeshop_demo.simulator.world import WORLD

YEARS_BEFORE = 3  # a user of old has registered within so many years before the first day


@dataclass(frozen=True)
class People:
    """Some users in a row; arrays have one entry per user, days count from the first one."""

    users: Ints
    activity: Floats  # mean visits per day
    tastes: NDArray[np.int64]  # users x favourites
    joined: Ints  # day of registration, negative for users of old
    born: Ints  # days before the first day
    birthday: Ints  # day of the year
    home_store: Ints
    staples: NDArray[np.int64]  # users x staples, -1 for none
    intervals: Floats  # users x staples, days
    phases: Floats  # users x staples, in intervals
    stolen_from: Ints  # first day on which the card is stolen, -1 for never
    ring: Ints  # linked accounts that the user belongs to, -1 for none
    ring_from: Ints  # first day of the ring


@lru_cache(maxsize=4)
def people_of(arguments: Arguments, first: int, last: int) -> People:
    """The users `first` to `last` - 1."""
    chance, users = Chance(arguments.seed), np.arange(first, last)
    activity = np.exp(
        WORLD.activity_mean + WORLD.activity_deviation * chance.normal("activity", users)
    )
    tastes = _tastes(arguments, chance, users)
    is_late = chance.uniform("joins", users) < WORLD.joins_later
    before = -1 - chance.below(YEARS_BEFORE * YEAR, "joined", users)
    joined = np.where(is_late, chance.below(arguments.days, "joins on", users), before)
    years = 18 + 65 * chance.uniform("born", users) ** 1.3
    born = (years * (YEAR + 0.25)).astype(np.int64)
    staples, intervals = _staples(arguments, chance, users, tastes)
    season = products_of(arguments).season
    return People(
        users=users,
        activity=activity,
        tastes=tastes,
        joined=joined,
        born=born,
        birthday=season.days_of_year(-born),
        home_store=chance.below(WORLD.stores, "home", users),
        staples=staples,
        intervals=intervals,
        phases=chance.uniform("phase", users[:, None], np.arange(WORLD.staples)),
        **_misfortunes(arguments, chance, users),
    )


def _tastes(arguments: Arguments, chance: Chance, users: Ints) -> NDArray[np.int64]:
    """Favourites by the sales of each taste: users together buy by the products' popularity."""
    products = products_of(arguments)
    share = (1 - WORLD.second_cluster, WORLD.second_cluster)
    size = sum(
        np.bincount(products.clusters[:, k], products.popularity * share[k], WORLD.clusters)
        for k in range(2)
    )
    bounds = np.cumsum(size)
    drawn = chance.uniform("favourite", users[:, None], np.arange(len(WORLD.favourites)))
    place = np.searchsorted(bounds, drawn * bounds[-1], side="right")
    return np.asarray(np.minimum(place, WORLD.clusters - 1))


def _staples(
    arguments: Arguments, chance: Chance, users: Ints, tastes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """Products that each user buys again, all different, and their intervals in days."""
    products, slots = products_of(arguments), np.arange(WORLD.staples)
    cluster = tastes[:, slots % tastes.shape[1]]
    shelf = shelves(products, np.zeros(1, np.int64), repeated=True)
    uniform = chance.uniform("staple", users[:, None], slots)
    staples = shelf.draw(np.zeros_like(cluster), cluster, uniform)
    for slot in slots[1:]:
        is_again = (staples[:, :slot] == staples[:, slot : slot + 1]).any(axis=1)
        staples[is_again, slot] = -1
    deviation = WORLD.interval_deviation * chance.normal("interval", users[:, None], slots)
    # A slot without a product gets an interval of one day that nobody reads.
    usual = np.where(staples >= 0, WORLD.pace * products.interval[staples], 1.0)
    return staples, usual * np.exp(deviation)


def _misfortunes(arguments: Arguments, chance: Chance, users: Ints) -> dict[str, Ints]:
    """Stolen cards with their day, and members of rings of linked accounts."""
    days = arguments.days
    share = min(1.0, WORLD.stolen_share * max(1.0, days / WORLD.stolen_days))
    is_stolen = chance.uniform("stolen", users) < share
    start = chance.below(days, "stolen from", users)
    # Rings are blocks of neighbours, one in every `stride` users.
    stride = max(2 * WORLD.ring_size, min(arguments.users, round(1 / WORLD.ring_share)))
    ring, place = users // stride, users % stride
    offset = chance.below(stride - WORLD.ring_size, "ring offset", ring)
    is_member = (offset <= place) & (place < offset + WORLD.ring_size)
    latest = max(1, days - WORLD.ring_days)
    return {
        "stolen_from": np.where(is_stolen, start, -1),
        "ring": np.where(is_member, ring, -1),
        "ring_from": chance.below(latest, "ring from", ring),
    }
