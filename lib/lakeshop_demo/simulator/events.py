"""Events of one unit of users and days, in both passes, and their files."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakeshop_demo.simulator.actions import actions
from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.baskets import Impressions, Looks, baskets, together
from lakeshop_demo.simulator.chance import Chance, Ints
from lakeshop_demo.simulator.files import Folders, dates, delivered, write
from lakeshop_demo.simulator.fraud import GENUINE, PATTERNS, is_checked, label_delays, large_amounts
from lakeshop_demo.simulator.people import People, people_of
from lakeshop_demo.simulator.products import Shelves, products_of, shelves
from lakeshop_demo.simulator.purchases import (
    Lines,
    Tickets,
    demand,
    is_sold,
    refunds,
    tickets,
    wanted_lines,
)
from lakeshop_demo.simulator.rows import (
    action_rows,
    customer,
    label_rows,
    line_id,
    sku,
    transaction_rows,
    user_rows,
)
from lakeshop_demo.simulator.season import DAY_SECONDS
from lakeshop_demo.simulator.texts import chosen, where
from lakeshop_demo.simulator.units import Unit
from lakeshop_demo.simulator.visits import Visits, visits_of


@dataclass(frozen=True)
class Events:
    """Events of one unit, before stock."""

    people: People
    visits: Visits
    looks: Looks
    shown: Impressions
    ticket: Tickets
    lines: Lines


@lru_cache(maxsize=2)
def _shelves(arguments: Arguments, first: int, last: int) -> Shelves:
    return shelves(products_of(arguments), np.arange(first, last))


def events_of(arguments: Arguments, unit: Unit) -> Events:
    """Events of a unit, before stock: the same in both passes."""
    chance, products = Chance(arguments.seed), products_of(arguments)
    people = people_of(arguments, *unit.users)
    visits = visits_of(arguments, people, *unit.days)
    looks, shown = baskets(chance, people, products, _shelves(arguments, *unit.days), visits)
    looks = together([looks, large_amounts(chance, products, visits)])
    ticket = tickets(chance, people, visits, looks, shown)
    lines = wanted_lines(arguments, products, visits, looks, ticket)
    return Events(people, visits, looks, shown, ticket, lines)


def demand_of(arguments: Arguments, unit: Unit) -> tuple[Ints, Ints, Ints]:
    """Product, hour since the begin of the first day and units demanded by the users."""
    return demand(events_of(arguments, unit).lines, arguments.products, *unit.days)


def write_events(
    arguments: Arguments, unit: Unit, folders: Folders, sold_until: NDArray[np.int8]
) -> dict[str, int]:
    """Write all that the unit's users did; return the rows delivered, by entity.

    Args:
        arguments: of the simulation.
        unit: the users and days.
        folders: where to write.
        sold_until: hour from which each product is sold out, products x days.
    """
    chance, products = Chance(arguments.seed), products_of(arguments)
    events = events_of(arguments, unit)
    people, visits, ticket = events.people, events.visits, events.ticket
    sold = events.lines.where(is_sold(events.lines, sold_until))
    done = actions(chance, visits, events.looks, events.shown, ticket, sold)
    lines = sold.with_more(refunds(chance, sold))
    found, label_day, label_second = labels(chance, sold)
    known = np.maximum(people.joined, 0)
    new = (unit.days[0] <= known) & (known < unit.days[1])
    entries = user_rows(products, people, new)
    bought = transaction_rows(products, lines)
    acted, day = action_rows(products, visits, ticket, done), visits.day[done.visit]
    session = visits.order[done.visit]
    labelled = label_rows(products, found, label_day, label_second)
    given = [
        delivered(arguments, "transactions", bought, lines.day, lines.order, lines.number),
        delivered(arguments, "user_actions", acted, day, session, done.number),
        delivered(arguments, "fraud_labels", labelled, label_day, found.order, found.number),
        delivered(arguments, "users", entries, known[new], people.users[new]),
    ]
    tables = {"frauds": _frauds(arguments, found, label_day)}
    if unit.days[0] == 0:
        tables |= {"users": _users(arguments, people), "staples": _staples(people)}
    return write(arguments, unit.name, folders, given, tables, own_days=unit.days)


def labels(chance: Chance, sold: Lines) -> tuple[Lines, Ints, Ints]:
    """Lines that get a label, its day and its second: every fraud, and some genuine ones."""
    is_found = (sold.pattern != GENUINE) | is_checked(chance, sold.order, sold.product)
    found = sold.where(is_found)
    later = label_delays(chance, found.order, found.product)
    over, second = np.divmod(found.second + later, DAY_SECONDS)
    return found, found.day + over, second


def _frauds(arguments: Arguments, found: Lines, label_day: Ints) -> pa.Table:
    """Fraudulent lines that were delivered; the label of the latest ones comes after the end."""
    is_fraud = found.pattern != GENUINE
    lines, day = found.where(is_fraud), label_day[is_fraud]
    return pa.table(
        {
            "transaction_id": line_id(lines),
            "pattern": chosen(list(PATTERNS), lines.pattern),
            "user_id": customer(lines.user),
            "event_date": dates(arguments, lines.day),
            "labelled_on": dates(arguments, day),
        }
    )


def _users(arguments: Arguments, people: People) -> pa.Table:
    return pa.table(
        {
            "user_id": customer(people.users),
            "visits_per_day": people.activity,
            "tastes": pa.array(people.tastes.tolist(), pa.list_(pa.int64())),
            "registered_on": dates(arguments, people.joined),
            "birth_date": dates(arguments, -people.born),
            "card_stolen_on": where(people.stolen_from >= 0, dates(arguments, people.stolen_from)),
            "ring": where(people.ring >= 0, pa.array(people.ring)),
        }
    )


def _staples(people: People) -> pa.Table:
    row, slot = np.nonzero(people.staples >= 0)
    return pa.table(
        {
            "user_id": customer(people.users[row]),
            "product_id": sku(people.staples[row, slot]),
            "days_between": people.intervals[row, slot],
        }
    )
