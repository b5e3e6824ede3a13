"""What a simulated shop's users will buy in a week, as who knows them fully would say.

The simulator's draws are hashes of a seed, a purpose and ids. Other draws of the days ahead, with
everything that lies before them as it was, are other weeks that the same users might have. How
often a user buys a product in them is the probability that a ranking can know at best.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.baskets import baskets
from lakeshop_demo.simulator.chance import Chance, Ints
from lakeshop_demo.simulator.people import people_of
from lakeshop_demo.simulator.products import products_of, shelves
from lakeshop_demo.simulator.visits import visits_of

OF_A_USER = ("due",)  # points of a user's grid: known beforehand, whatever is drawn
BY_DAY = ("visit", "buys")  # ids are user and day; days before the future stay as they were


@dataclass(frozen=True)
class Future(Chance):
    """Draws of another course of the days from `since` on; future 0 is the simulated one."""

    number: int = 0
    since: int = 0

    def bits(self, purpose: str, *ids: ArrayLike) -> NDArray[np.uint64]:
        """64 random bits for each combination of ids."""
        past = super().bits(purpose, *ids)
        if not self.number or purpose in OF_A_USER:
            return past
        other = Chance(self.seed + 7919 * self.number).bits(purpose, *ids)
        if purpose in BY_DAY:
            return np.where(np.asarray(ids[1]) >= self.since, other, past)
        return other


def bought(arguments: Arguments, first: int, last: int, number: int) -> Ints:
    """Users and products bought on the days `first` to `last` - 1 of a future, before stock.

    Returns:
        user * products + product, each pair once, ascending.
    """
    chance = Future(arguments.seed, number, first)
    people, products = people_of(arguments, 0, arguments.users), products_of(arguments)
    visits = visits_of(arguments, people, first, last, chance)
    looks, _ = baskets(chance, people, products, shelves(products, np.arange(first, last)), visits)
    user = visits.user[looks.visit[looks.bought]]
    return np.unique(user * arguments.products + looks.product[looks.bought])


def likeliest(
    arguments: Arguments, first: int, last: int, futures: int, k: int
) -> Iterator[tuple[int, Ints]]:
    """Each user's `k` products that they buy in most of so many futures, best first."""
    times = np.zeros(arguments.users * arguments.products, np.int32)
    for number in range(1, futures + 1):
        times[bought(arguments, first, last, number)] += 1
    for user, own in enumerate(times.reshape(arguments.users, arguments.products)):
        best = np.argsort(-own, kind="stable")[:k]
        yield user, best[own[best] > 0]
