"""Visits: days of each user, time, place, and the staples that are due by then.

A user comes on a day with a probability that follows from their activity, the season and their
birthday. A staple is due at jittered points of a grid as wide as the user's interval. It is bought
at the first visit after such a point with an intention to buy. Both need no memory of earlier
events, so that any span of days can be made alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.chance import Chance, Floats, Ints
from lakeshop_demo.simulator.people import People
from lakeshop_demo.simulator.season import YEAR, Season
from lakeshop_demo.simulator.world import WORLD

BIRTHDAY_WEEK = 7
ORDER_BITS = 44


@dataclass(frozen=True)
class Visits:
    """One entry per visit, by user and day."""

    row: Ints  # the user's place in People
    user: Ints
    day: Ints
    buys: NDArray[np.bool_]  # whether they mean to buy
    previous: Ints  # day of such a visit before, at most `memory_days` ago
    second: Ints  # of the day, at which it starts
    store: Ints
    order: Ints  # number of the visit and its order
    in_birthday_week: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)


def visits_of(
    arguments: Arguments, people: People, first: int, last: int, chance: Chance | None = None
) -> Visits:
    """The visits on the days `first` to `last` - 1; those of other draws by another `chance`."""
    chance, season = chance or Chance(arguments.seed), Season(arguments.start)
    days = np.arange(first - WORLD.memory_days, last)
    chances, is_birthday = visit_chances(people, season, days)
    came = chance.uniform("visit", people.users[:, None], days) < chances
    buys = came & (chance.uniform("buys", people.users[:, None], days) < WORLD.buying)
    latest = np.maximum.accumulate(np.where(buys, days, days[0] - 1), axis=1)
    row, place = np.nonzero(came[:, WORLD.memory_days :])
    place = place + WORLD.memory_days
    user, day = people.users[row], days[place]
    is_home = chance.uniform("at home", user, day) < WORLD.home_store
    elsewhere = chance.below(WORLD.stores, "store", user, day)
    return Visits(
        row=row,
        user=user,
        day=day,
        buys=buys[row, place],
        previous=np.maximum(latest[row, place - 1], day - WORLD.memory_days),
        second=_start(chance, user, day),
        store=np.where(is_home, people.home_store[row], elsewhere),
        order=_order_number(chance, user * arguments.days + day),
        in_birthday_week=is_birthday[row, place],
    )


def visit_chances(people: People, season: Season, days: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Chance of a visit and whether it is the week up to the birthday, users x days."""
    today = season.days_of_year(days)
    is_birthday = (people.birthday[:, None] - today) % YEAR < BIRTHDAY_WEEK
    is_anniversary = season.days_of_year(people.joined)[:, None] == today
    is_anniversary &= days > people.joined[:, None]
    rate = people.activity[:, None] * season.visits(days)
    rate = rate * np.where(is_birthday, WORLD.birthday_lift, 1.0)
    rate = rate * np.where(is_anniversary, WORLD.anniversary_lift, 1.0)
    is_ring = (people.ring >= 0)[:, None] & (days >= people.ring_from[:, None])
    is_ring &= days < people.ring_from[:, None] + WORLD.ring_days
    rate = np.where(is_ring, np.maximum(rate, WORLD.ring_visits), rate)
    return np.where(days >= people.joined[:, None], 1 - np.exp(-rate), 0.0), is_birthday


def _start(chance: Chance, user: Ints, day: Ints) -> Ints:
    bounds = np.cumsum(WORLD.hours) / sum(WORLD.hours)
    hour = np.searchsorted(bounds[:-1], chance.uniform("hour", user, day), side="right")
    return (WORLD.first_hour + hour) * 3600 + chance.below(3600, "second", user, day)


def _order_number(chance: Chance, visit: Ints) -> Ints:
    """A unique number of at most 14 digits that does not reveal its user."""
    mask = np.uint64(2**ORDER_BITS - 1)
    odd, shift = chance.bits("order", [0, 1]) & mask
    mixed = visit.astype(np.uint64) * (odd | np.uint64(1)) + shift
    return np.asarray((mixed & mask).astype(np.int64))


def due_staples(chance: Chance, people: People, visits: Visits) -> NDArray[np.bool_]:
    """Mask of due staples of the visit's user: visits x staples."""
    slots = np.arange(WORLD.staples)
    owner = people.users[visits.row][:, None]
    interval, phase = people.intervals[visits.row], people.phases[visits.row]

    def points_by(day: Ints) -> Ints:
        """Points of the grid up to the end of the day, counted from any fixed one."""
        place = (day[:, None] + 1) / interval - phase
        below = np.floor(place).astype(np.int64)
        found = below - 1
        for candidate in (below, below + 1):
            jitter = chance.uniform("due", owner, slots, candidate) - 0.5
            found = found + (candidate + WORLD.interval_jitter * jitter <= place)
        return found

    is_due = points_by(visits.day) > points_by(visits.previous)
    skips = chance.uniform("skips", owner, slots, visits.day[:, None]) < WORLD.skips
    is_due &= visits.buys[:, None]
    return np.asarray(is_due & ~skips & (people.staples[visits.row] >= 0))
