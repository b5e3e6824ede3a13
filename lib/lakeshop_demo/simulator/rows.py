"""The shop's own rows: its column names and its formats of ids, money and times.

Names and ids are the shop's, not Lakeshop's: conf/shops/simulated.yaml maps them.
"""

import itertools

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakeshop_demo.simulator.actions import COUPON, KINDS, QUERIES, SEARCH, Actions
from lakeshop_demo.simulator.chance import Ints
from lakeshop_demo.simulator.fraud import GENUINE, PATTERNS
from lakeshop_demo.simulator.people import People
from lakeshop_demo.simulator.products import WEEK, Products
from lakeshop_demo.simulator.purchases import NO_COUPON, Lines, Tickets
from lakeshop_demo.simulator.season import YEAR
from lakeshop_demo.simulator.stock import Ledger, Terms
from lakeshop_demo.simulator.texts import (
    chosen,
    days,
    joined,
    json_lines,
    money,
    number,
    quoted,
    stamps,
    whole,
)
from lakeshop_demo.simulator.visits import Visits
from lakeshop_demo.simulator.world import BRANDS, CATEGORIES, REGIONS, WORLD

COUPONS = ["", "BDAY10", "SAVE10", "WELCOME40"]
CAMPAIGNS = ["", "birthday", "save", "welcome"]
OPENING, COUNTING = 5 * 3600, 23 * 3600 + 1800  # when entries change and stock is counted
AGES = (18, 25, 35, 45, 55, 65)
_LETTER = {"sku": "P", "customer": "C", "card": "K", "device": "D", "store": "S"}


def sku(products: Ints) -> pa.StringArray:
    """The shop's id of products."""
    return number(_LETTER["sku"], products)


def customer(users: Ints) -> pa.StringArray:
    """The shop's id of users."""
    return number(_LETTER["customer"], users, width=8)


def line_id(lines: Lines) -> pa.StringArray:
    """The shop's id of order lines; a refund bears that of its line, and R."""
    refund = chosen(["", "R"], (lines.number < 0).astype(np.int64))
    return joined(whole(lines.order), "-", whole(np.abs(lines.number)), refund)


def transaction_rows(products: Products, lines: Lines) -> pa.StringArray:
    """Order lines and refunds."""
    return json_lines(
        {
            "line": quoted(line_id(lines)),
            "receipt": whole(lines.order),
            "customer": quoted(customer(lines.user)),
            "sku": quoted(sku(lines.product)),
            "branch": quoted(number(_LETTER["store"], lines.store, width=4)),
            "pieces": whole(lines.units),
            "paid": money(lines.amount),
            "saved": money(lines.discount),
            "voucher": quoted(chosen(COUPONS, lines.coupon), known=lines.coupon != NO_COUPON),
            "card": quoted(number(_LETTER["card"], lines.payment, width=10)),
            "device": quoted(number(_LETTER["device"], lines.device, width=10)),
            "sold_at": quoted(stamps(products.season.stamps(lines.day, lines.second))),
        }
    )


def action_rows(
    products: Products, visits: Visits, ticket: Tickets, done: Actions
) -> pa.StringArray:
    """User actions."""
    visit, session = done.visit, whole(visits.order[done.visit])
    coupon = np.where(done.kind == COUPON, ticket.coupon[visit], NO_COUPON)
    return json_lines(
        {
            "id": quoted(session, "-", whole(done.number)),
            "customer": quoted(customer(visits.user[visit])),
            "session": session,
            "device": quoted(number(_LETTER["device"], ticket.device[visit], width=10)),
            "what": quoted(chosen(list(KINDS), done.kind)),
            "sku": quoted(sku(done.product), known=done.product >= 0),
            "typed": quoted(queries(products, done.query), known=done.kind == SEARCH),
            "voucher": quoted(chosen(COUPONS, coupon), known=coupon != NO_COUPON),
            "campaign": quoted(chosen(CAMPAIGNS, coupon), known=coupon != NO_COUPON),
            "at": quoted(stamps(products.season.stamps(visits.day[visit], done.second))),
        }
    )


def queries(products: Products, query: Ints) -> pa.StringArray:
    """Search terms of a product: its kind, its brand and kind, or its brand."""
    product, way = np.divmod(np.maximum(query, 0), QUERIES)
    kinds = len(CATEGORIES)
    brand, kind = product % len(BRANDS), products.category[product]
    texts = [
        *[c.name for c in CATEGORIES],
        *[f"{b.lower()} {c.name}" for b in BRANDS for c in CATEGORIES],
        *[b.lower() for b in BRANDS],
    ]
    places = [kind, kinds + brand * kinds + kind, kinds + len(BRANDS) * kinds + brand]
    return chosen(texts, np.choose(way, places))


def label_rows(products: Products, lines: Lines, day: Ints, second: Ints) -> pa.StringArray:
    """Labels of order lines, with their time."""
    names, is_fraud = ["", *PATTERNS[1:]], lines.pattern != GENUINE  # genuine is no pattern
    return json_lines(
        {
            "line": quoted(line_id(lines)),
            "verdict": chosen(["false", "true"], is_fraud.astype(np.int64)),
            "scheme": quoted(chosen(names, lines.pattern), known=is_fraud),
            "found_at": quoted(stamps(products.season.stamps(day, second))),
        }
    )


def user_rows(products: Products, people: People, is_new: NDArray[np.bool_]) -> pa.StringArray:
    """Entries of the new users."""
    start, born = np.datetime64(products.season.start), people.born[is_new]
    bands = [f"{low}-{high - 1}" for low, high in itertools.pairwise(AGES)]
    age = np.searchsorted(AGES, born // YEAR, side="right") - 1
    region = people.home_store[is_new] * len(REGIONS) // WORLD.stores
    return json_lines(
        {
            "customer": quoted(customer(people.users[is_new])),
            "born": quoted(days(start - born)),
            "registered": quoted(days(start + people.joined[is_new])),
            "district": quoted(chosen(list(REGIONS), region)),
            "age": quoted(chosen([*bands, f"{AGES[-1]}+"], np.maximum(age, 0))),
        }
    )


def product_rows(
    products: Products, ids: Ints, day: Ints, is_ending: NDArray[np.bool_]
) -> pa.StringArray:
    """Entries of the catalogue as of a day; of ending products, their last day."""
    last = np.datetime64(products.season.start) + np.where(is_ending, products.ends[ids] - 1, 0)
    names, departments = [c.name for c in CATEGORIES], [c.department for c in CATEGORIES]
    category, brand = products.category[ids], ids % len(BRANDS)
    return json_lines(
        {
            "sku": quoted(sku(ids)),
            "title": quoted(chosen(list(BRANDS), brand), " ", chosen(names, category), " ",
                            whole(ids)),
            "section": quoted(chosen(departments, category)),
            "kind": quoted(chosen(names, category)),
            "maker": quoted(chosen(list(BRANDS), brand)),
            "price": money(products.list_price(ids, day)),
            "until": quoted(days(last), known=is_ending),
            "changed_at": quoted(stamps(products.season.stamps(day, np.full(len(ids), OPENING)))),
        }
    )  # fmt: skip


def promotion_rows(
    products: Products, ids: Ints, first: Ints, stores: tuple[Ints, Ints]
) -> pa.StringArray:
    """Promotions by product and first day; `stores` are the displaying and the mailing ones."""
    start = np.datetime64(products.season.start)
    return json_lines(
        {
            "sku": quoted(sku(ids)),
            "since": quoted(days(start + first)),
            "until": quoted(days(start + first + WEEK - 1)),
            "displays": whole(stores[0]),
            "mailers": whole(stores[1]),
        }
    )


def stock_rows(
    products: Products, ids: Ints, terms: Terms, held: Ledger, place: tuple[Ints, Ints]
) -> pa.StringArray:
    """Stock at the day's end; `place` are row and day of the counts in the ledger."""
    row, day = place
    shelf_life = np.array([c.shelf_life for c in CATEGORIES])[products.category[ids[row]]]
    return json_lines(
        {
            "sku": quoted(sku(ids[row])),
            "on_shelf": whole(held.on_hand[place]),
            "ordered": whole(held.on_order[place]),
            "hours_out": whole(held.hours_sold_out[place]),
            "lead_days": money(np.rint(terms.lead_days[row] * 100).astype(np.int64)),
            "lead_spread": money(np.rint(terms.lead_deviation[row] * 100).astype(np.int64)),
            "pack": whole(terms.pack[row]),
            "keeps_days": chosen(["null", *map(str, range(1, 400))], shelf_life),
            "counted_at": quoted(stamps(products.season.stamps(day, np.full(len(day), COUNTING)))),
        }
    )
