"""Fraud in four patterns, and when it becomes known.

Amount, terminal and stolen card follow the Fraud Detection Handbook (Le Borgne et al. 2022), the
delay of labels too; coupon abuse is by rings of accounts that share a card and a device. Fraud
happens at visits that take place anyway, so that it lies in the middle of genuine behaviour.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.baskets import FRAUD, Looks
from lakeshop_demo.simulator.chance import Chance, Ints
from lakeshop_demo.simulator.people import People
from lakeshop_demo.simulator.products import Products
from lakeshop_demo.simulator.season import DAY_SECONDS
from lakeshop_demo.simulator.visits import Visits
from lakeshop_demo.simulator.world import WORLD

GENUINE, AMOUNT, TERMINAL, STOLEN_CARD, COUPON_ABUSE = range(5)
PATTERNS = ("genuine", "amount", "terminal", "stolen_card", "coupon_abuse")


@dataclass(frozen=True)
class Windows:
    """Stores with a terminal that is compromised from a day on."""

    store: Ints
    first: Ints


def terminal_windows(arguments: Arguments) -> Windows:
    """As many windows as give the requested share of lines, one at least."""
    chance, days = Chance(arguments.seed), arguments.days
    wanted = WORLD.terminal_share * days * WORLD.stores
    number = np.arange(max(1, round(wanted / (WORLD.terminal_days * WORLD.terminal_fraud))))
    latest = max(1, days - WORLD.terminal_days + 1)
    return Windows(
        store=chance.below(WORLD.stores, "terminal", number),
        first=chance.below(latest, "terminal from", number),
    )


def large_amounts(chance: Chance, products: Products, visits: Visits) -> Looks:
    """Dear products that are bought by fraud at some visits."""
    number = max(1, round(WORLD.dear_share * len(products)))
    dear = np.argsort(-products.list_cents, kind="stable")[:number]
    hit = chance.uniform("amount fraud", visits.user, visits.day) < WORLD.amount_fraud
    visit = np.nonzero(hit & visits.buys)[0]
    product = dear[chance.below(number, "dear", visits.user[visit], visits.day[visit])]
    on_sale = products.on_sale(product, visits.day[visit])
    visit, product = visit[on_sale], product[on_sale]
    yes = np.ones(len(visit), dtype=bool)
    return Looks(visit, product, np.full(len(visit), FRAUD), yes, yes, yes)


def visit_patterns(chance: Chance, people: People, visits: Visits) -> Ints:
    """Visits made with a stolen card, and visits of a ring that abuses its coupon."""
    row, day = visits.row, visits.day
    drawn = chance.uniform("fraud visit", visits.user, day)
    is_stolen = (people.stolen_from[row] >= 0) & (drawn < WORLD.stolen_fraud)
    is_stolen &= _within(day, people.stolen_from[row], WORLD.stolen_days)
    is_abuse = (people.ring[row] >= 0) & (drawn < WORLD.ring_fraud)
    is_abuse &= _within(day, people.ring_from[row], WORLD.ring_days)
    return np.where(is_stolen, STOLEN_CARD, np.where(is_abuse, COUPON_ABUSE, GENUINE))


def line_patterns(arguments: Arguments, visits: Visits, looks: Looks, per_visit: Ints) -> Ints:
    """The pattern of each look, were it bought; the visit's comes first."""
    chance, windows = Chance(arguments.seed), terminal_windows(arguments)
    store, day = visits.store[looks.visit], visits.day[looks.visit]
    is_open = np.zeros(len(store), dtype=bool)
    for place, first in zip(windows.store, windows.first, strict=True):
        is_open |= (store == place) & _within(day, first, WORLD.terminal_days)
    drawn = chance.uniform("terminal fraud", visits.user[looks.visit], day, looks.product)
    is_terminal = is_open & (drawn < WORLD.terminal_fraud)
    own = np.where(looks.source == FRAUD, AMOUNT, np.where(is_terminal, TERMINAL, GENUINE))
    of_visit = per_visit[looks.visit]
    return np.where(of_visit != GENUINE, of_visit, own)


def more_units(chance: Chance, units: Ints, pattern: Ints, order: Ints) -> Ints:
    """Units as they become by fraud: several of a dear product, several times the usual."""
    least, most = WORLD.amount_units
    dear = least + chance.below(most - least + 1, "dear units", order)
    least, most = WORLD.stolen_units
    times = least + chance.below(most - least + 1, "stolen units", order)
    units = np.where(pattern == AMOUNT, dear, units)
    return np.where(pattern == STOLEN_CARD, units * times, units)


def label_delays(chance: Chance, order: Ints, product: Ints) -> Ints:
    """Seconds from a line to its label: `label_days` at least, more by an exponential law."""
    uniform = chance.uniform("label", order, product)
    days = WORLD.label_days - WORLD.label_mean_days * np.log(uniform)
    return (days * DAY_SECONDS).astype(np.int64)


def is_checked(chance: Chance, order: Ints, product: Ints) -> NDArray[np.bool_]:
    """Genuine lines that are looked into and labelled as such."""
    return np.asarray(chance.uniform("checked", order, product) < WORLD.checked)


def _within(day: Ints, first: Ints | int, length: int) -> NDArray[np.bool_]:
    return np.asarray((first <= day) & (day < first + length))
