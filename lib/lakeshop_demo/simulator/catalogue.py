"""Files of some products: catalogue, promotions, stock, and the truth of demand."""

import numpy as np
import pyarrow as pa

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.chance import Chance, Ints
from lakeshop_demo.simulator.files import Folders, dates, delivered, write
from lakeshop_demo.simulator.products import NEVER, WEEK, Products, products_of
from lakeshop_demo.simulator.purchases import HOURS
from lakeshop_demo.simulator.rows import product_rows, promotion_rows, sku, stock_rows
from lakeshop_demo.simulator.stock import Ledger, ledger, terms_of
from lakeshop_demo.simulator.texts import where
from lakeshop_demo.simulator.units import Shard
from lakeshop_demo.simulator.world import WORLD


def write_products(
    arguments: Arguments, shard: Shard, folders: Folders, wanted: Ints
) -> tuple[Ledger, dict[str, int]]:
    """Write all files of some products; return their ledger and the rows delivered.

    Args:
        arguments: of the simulation.
        shard: the products.
        folders: of the drops and the truth.
        wanted: units demanded, products x hours since the begin of the first day.
    """
    chance, products = Chance(arguments.seed), products_of(arguments)
    ids = np.arange(*shard.products)
    held = ledger(chance, products, ids, wanted.reshape(len(ids), arguments.days, HOURS))
    row, day = np.nonzero(products.on_sale(ids[:, None], np.arange(arguments.days)))
    place = (row, day)
    counted = stock_rows(products, ids, terms_of(chance, ids), held, place)
    entry, entry_day = _entries(products, ids, arguments.days)
    is_ending = entry_day >= _end_announced(products, entry)
    entries = product_rows(products, entry, entry_day, is_ending)
    promoted, first = _promotions(products, ids, arguments.days)
    stores = _stores(chance, products, promoted, first)
    offers = promotion_rows(products, promoted, first, stores)
    announced = np.maximum(first - 1, 0)
    given = [
        delivered(arguments, "stock", counted, day, ids[row], day),
        delivered(arguments, "products", entries, entry_day, entry, entry_day),
        delivered(arguments, "promotions", offers, announced, promoted, first),
    ]
    tables = {
        "products": _products(arguments, products, ids),
        "promotions": _lifts(arguments, products, promoted, first),
        "demand": _demand(arguments, ids, held, place),
    }
    days = (0, arguments.days)
    return held, write(arguments, shard.name, folders, given, tables, own_days=days)


def _entries(products: Products, ids: Ints, days: int) -> tuple[Ints, Ints]:
    """Product and day of each entry of the catalogue, one where two fall on the same day.

    A product has one when it comes, when its price changes and when its end is announced.
    """
    occasions = [products.starts[ids], products.reprice_day[ids], _end_announced(products, ids)]
    pairs = np.stack([np.tile(ids, len(occasions)), np.concatenate(occasions)], axis=1)
    entry, day = np.unique(pairs[pairs[:, 1] < days], axis=0).T
    return entry, day


def _end_announced(products: Products, ids: Ints) -> Ints:
    """The day on which the shop announces a product's end: a week or a day ahead."""
    is_early = products.chance.uniform("end announced", ids) < 0.5
    return np.maximum(products.ends[ids] - np.where(is_early, WEEK, 1), products.starts[ids])


def _promotions(products: Products, ids: Ints, days: int) -> tuple[Ints, Ints]:
    """Product and first day of each promotion that begins while the product is on sale."""
    weeks = np.arange(0, days, WEEK)
    runs = products.discount(ids[:, None], weeks) > 0
    row, week = np.nonzero(runs & products.on_sale(ids[:, None], weeks))
    return ids[row], weeks[week]


def _stores(chance: Chance, products: Products, ids: Ints, first: Ints) -> tuple[Ints, Ints]:
    """Stores that display a promoted product, and that show it in their mailer."""
    displays, mailers = (
        1 + chance.below(WORLD.stores, purpose, ids, first) for purpose in ("displays", "mailers")
    )
    return np.where(products.is_displayed(ids, first), displays, 0), mailers


def _products(arguments: Arguments, products: Products, ids: Ints) -> pa.Table:
    partner, ends = products.partner[ids], products.ends[ids]
    return pa.table(
        {
            "product_id": sku(ids),
            "popularity": products.popularity[ids],
            "tastes": pa.array(products.clusters[ids].tolist(), pa.list_(pa.int64())),
            "partner_id": where(partner >= 0, sku(partner)),
            "elasticity": products.elasticity[ids],
            "days_between": products.interval[ids],
            "starts_on": dates(arguments, products.starts[ids]),
            "ends_on": where(ends < NEVER, dates(arguments, np.minimum(ends, NEVER))),
        }
    )


def _lifts(arguments: Arguments, products: Products, ids: Ints, first: Ints) -> pa.Table:
    return pa.table(
        {
            "product_id": sku(ids),
            "starts_on": dates(arguments, first),
            "discount": products.discount(ids, first),
            "lift": products.lift(ids, first),
        }
    )


def _demand(arguments: Arguments, ids: Ints, held: Ledger, place: tuple[Ints, Ints]) -> pa.Table:
    row, day = place
    names = ("demanded", "sold", "delivered", "on_hand", "on_order", "sold_until")
    return pa.table(
        {
            "product_id": sku(ids[row]),
            "day": dates(arguments, day),
            **{name: getattr(held, name)[place] for name in names},
        }
    )
