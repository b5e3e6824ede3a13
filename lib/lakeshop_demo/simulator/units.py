"""Units of work: some users over some days, or some products over all days.

They follow from the arguments alone, and so do the names and contents of the files they write.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.world import WORLD


@dataclass(frozen=True)
class Unit:
    """Some users over some days; the last of each is the first one not included."""

    name: str
    users: tuple[int, int]
    days: tuple[int, int]


@dataclass(frozen=True)
class Shard:
    """Some products over all days; the last is the first one not included."""

    name: str
    products: tuple[int, int]


def units_of(arguments: Arguments) -> list[Unit]:
    """All units of users; neighbours share their days."""
    pairs = [
        (users, days)
        for days in _cuts(arguments.days, WORLD.days_at_once)
        for users in _cuts(arguments.users, WORLD.users_at_once)
    ]
    return [Unit(f"u{number:06}", users, days) for number, (users, days) in enumerate(pairs)]


def shards_of(arguments: Arguments) -> list[Shard]:
    """All units of products."""
    cuts = _cuts(arguments.products, WORLD.products_at_once)
    return [Shard(f"p{number:06}", products) for number, products in enumerate(cuts)]


def _cuts(total: int, size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, size):
        yield first, min(first + size, total)
