"""The range: popularity, tastes, partners, prices, promotions; and draws from it by taste and day.

Popularity follows the law of Zipf and Mandelbrot (Mandelbrot 1953), 1 / (rank + shift)^exponent,
which gives sales their long tail. A product belongs to one taste and with a share of its
popularity to a second one, so tastes overlap.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.chance import Chance, Floats, Ints
from lakeshop_demo.simulator.season import YEAR, Season
from lakeshop_demo.simulator.world import CATEGORIES, WORLD

WEEK = 7
NEVER = 2**31


@dataclass(frozen=True)
class Products:
    """One entry per product in every array; days count from the first of the simulation."""

    chance: Chance
    season: Season
    popularity: Floats
    category: Ints
    clusters: NDArray[np.int64]  # products x 2
    partner: Ints  # the product it is bought together with, -1 for none
    list_cents: Ints  # before any change
    interval: Floats  # days until a user of habit needs it again, 0 for none
    elasticity: Floats
    starts: Ints  # first day on sale, 0 for old products
    ends: Ints  # first day no longer on sale
    reprice_day: Ints  # NEVER where the list price stays
    reprice_factor: Floats
    busiest: Ints  # best day of the year

    def __len__(self) -> int:
        return len(self.popularity)

    def on_sale(self, products: Ints, days: Ints) -> NDArray[np.bool_]:
        """Mask of products on sale on each day."""
        return np.asarray((self.starts[products] <= days) & (days < self.ends[products]))

    def list_price(self, products: Ints, days: Ints) -> Ints:
        """Regular price in cents."""
        changed = days >= self.reprice_day[products]
        factor = np.where(changed, self.reprice_factor[products], 1.0)
        return np.maximum(np.rint(self.list_cents[products] * factor), 1).astype(np.int64)

    def discount(self, products: Ints, days: Ints) -> Floats:
        """Share of the list price that a promotion takes off, 0 where there is none."""
        week = days // WEEK
        runs = self.chance.uniform("promoted", products, week) < WORLD.promoted
        deep = self.chance.below(len(WORLD.discounts), "discount", products, week)
        return np.where(runs, np.asarray(WORLD.discounts)[deep], 0.0)

    def is_displayed(self, products: Ints, days: Ints) -> NDArray[np.bool_]:
        """Mask of promoted products that are displayed in stores as well."""
        return np.asarray(self.chance.uniform("display", products, days // WEEK) < 0.5)

    def lift(self, products: Ints, days: Ints) -> Floats:
        """Factor of a promotion on demand: constant elasticity, and the display."""
        discount = self.discount(products, days)
        display = np.where(self.is_displayed(products, days), WORLD.display_lift, 1.0)
        lifted = (1 - discount) ** -self.elasticity[products] * display
        return np.where(discount > 0, lifted, 1.0)

    def demand(self, products: Ints, days: Ints) -> Floats:
        """Popularity on the days: of its season, its price and its promotion."""
        season = self.season.category(days, self.busiest[products])
        changed = days >= self.reprice_day[products]
        price = np.where(changed, self.reprice_factor[products] ** -self.elasticity[products], 1.0)
        base = self.popularity[products] * season * price * self.lift(products, days)
        return np.where(self.on_sale(products, days), base, 0.0)


@lru_cache(maxsize=2)
def products_of(arguments: Arguments) -> Products:
    """The range of a simulation."""
    chance, ids = Chance(arguments.seed), np.arange(arguments.products)
    rank = np.argsort(np.argsort(chance.uniform("rank", ids), kind="stable"), kind="stable")
    popularity = 1 / (rank + 1 + WORLD.rank_shift) ** WORLD.rank_exponent
    category = chance.below(len(CATEGORIES), "category", ids)
    clusters = _clusters(chance, category, ids)
    prices = np.array([c.price for c in CATEGORIES])[category]
    spread = np.exp(WORLD.price_deviation * chance.normal("price", ids))
    least, most = WORLD.elasticity
    return Products(
        chance=chance,
        season=Season(arguments.start),
        popularity=popularity / popularity.sum(),
        category=category,
        clusters=clusters,
        partner=_partners(chance, clusters[:, 0], rank),
        list_cents=np.maximum(np.rint(prices * spread * 100), 10).astype(np.int64),
        interval=np.array([c.interval for c in CATEGORIES])[category],
        elasticity=least + (most - least) * chance.uniform("elasticity", ids),
        busiest=chance.below(YEAR, "busiest", category),
        reprice_factor=np.array([0.9, 1.05, 1.1])[chance.below(3, "reprice", ids)],
        **_life(chance, ids, arguments.days),
    )


def _clusters(chance: Chance, category: Ints, ids: Ints) -> NDArray[np.int64]:
    """Most products of a category are of one taste; the second taste is any other."""
    usual = chance.below(WORLD.clusters, "taste of category", category)
    first = np.where(
        chance.uniform("is usual", ids) < 0.7, usual, chance.below(WORLD.clusters, "taste", ids)
    )
    step = 1 + chance.below(WORLD.clusters - 1, "second taste", ids)
    return np.stack([first, (first + step) % WORLD.clusters], axis=1)


def _partners(chance: Chance, cluster: Ints, rank: Ints) -> Ints:
    """Neighbours by popularity within a taste are pairs, some of them bought together."""
    order = np.lexsort((rank, cluster))
    left, right = order[0 : len(order) - 1 : 2], order[1::2]
    is_pair = (chance.uniform("pair", left) < WORLD.paired) & (cluster[left] == cluster[right])
    partner = np.full(len(rank), -1)
    partner[left[is_pair]], partner[right[is_pair]] = right[is_pair], left[is_pair]
    return partner


def _life(chance: Chance, ids: Ints, days: int) -> dict[str, Ints]:
    is_new = chance.uniform("is new", ids) < WORLD.starts_later
    starts = np.where(is_new, chance.below(days, "starts", ids), 0)
    is_old = chance.uniform("is old", ids) < WORLD.ends_early
    ends = np.where(is_old, starts + 1 + chance.below(days, "ends", ids), NEVER)
    changes = chance.uniform("reprices", ids) < WORLD.reprices
    # Not on the first day on sale: an entry and its change would be one delivery.
    day = starts + 1 + chance.below(days, "reprice day", ids)
    return {
        "starts": starts,
        "ends": ends,
        "reprice_day": np.where(changes & (day < ends), day, NEVER),
    }


@dataclass(frozen=True)
class Shelves:
    """Draws products by taste and day: one running sum over (day, taste, member)."""

    first: int  # day
    members: Ints  # products, taste after taste
    edges: Ints  # where each taste begins in `members`
    running: Floats  # of demand, days x members, and one 0 before

    def draw(self, days: Ints, cluster: Ints, uniform: Floats) -> Ints:
        """A product for each day, taste and number of 0 to 1; -1 where the taste sells none."""
        row = (days - self.first) * len(self.members)
        low, high = row + self.edges[cluster], row + self.edges[cluster + 1]
        base, total = self.running[low], self.running[high] - self.running[low]
        place = np.searchsorted(self.running, base + uniform * total, side="right") - 1
        drawn = self.members[np.clip(place, low, np.maximum(high - 1, low)) - row]
        return np.where(total > 0, drawn, -1)


def shelves(products: Products, days: Ints, repeated: bool = False) -> Shelves:
    """The shelves of some days in a row; `repeated` holds products bought by habit alone."""
    ids = np.arange(len(products))
    members, clusters = np.tile(ids, 2), products.clusters.T.reshape(-1)
    share = np.repeat([1 - WORLD.second_cluster, WORLD.second_cluster], len(ids))
    order = np.argsort(clusters, kind="stable")
    members, share = members[order], share[order]
    edges = np.searchsorted(clusters[order], np.arange(WORLD.clusters + 1))
    if repeated:
        demand = np.where(products.interval > 0, products.popularity, 0.0)[None, :]
    else:
        demand = products.demand(ids[None, :], days[:, None])
    weights = (demand[:, members] * share).reshape(-1)
    running = np.concatenate([[0.0], np.cumsum(weights)])
    return Shelves(int(days[0]), members, edges, running)
