"""Order lines: purchases of the visits, their price, card and coupon."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.baskets import Impressions, Looks, units_of
from lakeshop_demo.simulator.chance import Chance, Floats, Ints
from lakeshop_demo.simulator.fraud import (
    COUPON_ABUSE,
    STOLEN_CARD,
    line_patterns,
    more_units,
    visit_patterns,
)
from lakeshop_demo.simulator.people import People
from lakeshop_demo.simulator.products import Products
from lakeshop_demo.simulator.visits import Visits
from lakeshop_demo.simulator.world import WORLD

NO_COUPON, BIRTHDAY, CAMPAIGN, WELCOME = range(4)
OF_RING, OF_THIEF = 10**9, 2 * 10**9  # added to the number of a ring, of a user robbed
HOURS = 24


@dataclass(frozen=True)
class Tickets:
    """Attributes of a whole visit; one entry per visit."""

    pattern: Ints
    coupon: Ints
    payment: Ints
    device: Ints
    checkout: Ints  # second of the day


@dataclass(frozen=True)
class Lines:
    """One entry per order line; money in cents."""

    visit: Ints
    order: Ints
    number: Ints  # of the line in its order, from 1; negative for its refund
    user: Ints
    day: Ints
    second: Ints
    product: Ints
    units: Ints
    discount: Ints
    amount: Ints
    store: Ints
    coupon: Ints
    payment: Ints
    device: Ints
    pattern: Ints

    def __len__(self) -> int:
        return len(self.visit)

    def where(self, chosen: NDArray[np.bool_]) -> "Lines":
        """The chosen lines."""
        return Lines(*[getattr(self, f.name)[chosen] for f in fields(self)])

    def with_more(self, more: "Lines") -> "Lines":
        """These lines and then the others."""
        both = ((getattr(self, f.name), getattr(more, f.name)) for f in fields(self))
        return Lines(*[np.concatenate(pair) for pair in both])


def tickets(
    chance: Chance, people: People, visits: Visits, looks: Looks, shown: Impressions
) -> Tickets:
    """Pattern of fraud, coupon, card, device and checkout of each visit."""
    pattern = visit_patterns(chance, people, visits)
    is_abuse = pattern == COUPON_ABUSE
    ring = OF_RING + people.ring[visits.row]
    drawn = chance.uniform("coupon", visits.user, visits.day)
    coupon = np.where(drawn < WORLD.campaign_coupon, CAMPAIGN, NO_COUPON)
    is_gift = visits.in_birthday_week & (drawn < WORLD.birthday_coupon)
    coupon = np.where(is_gift, BIRTHDAY, coupon)
    steps = 1 + 3 * np.bincount(looks.visit, minlength=len(visits))
    steps = steps + 2 * np.bincount(shown.visit, minlength=len(visits))
    return Tickets(
        pattern=pattern,
        coupon=np.where(is_abuse, WELCOME, coupon),
        payment=np.where(is_abuse, ring, visits.user),
        device=np.where(
            is_abuse, ring, np.where(pattern == STOLEN_CARD, OF_THIEF, 0) + visits.user
        ),
        checkout=visits.second + WORLD.seconds_per_action * steps,
    )


def wanted_lines(
    arguments: Arguments, products: Products, visits: Visits, looks: Looks, ticket: Tickets
) -> Lines:
    """The lines that users would buy, were everything in stock."""
    chance = Chance(arguments.seed)
    pattern = line_patterns(arguments, visits, looks, ticket.pattern)
    units = units_of(chance, products, visits, looks)
    units = more_units(chance, units, pattern, visits.order[looks.visit])
    bought = looks.bought
    visit, product, units = looks.visit[bought], looks.product[bought], units[bought]
    day = visits.day[visit]
    discount, amount = _money(products, product, day, units, ticket.coupon[visit])
    return Lines(
        visit=visit,
        order=visits.order[visit],
        number=places(visit) + 1,
        user=visits.user[visit],
        day=day,
        second=ticket.checkout[visit],
        product=product,
        units=units,
        discount=discount,
        amount=amount,
        store=visits.store[visit],
        coupon=ticket.coupon[visit],
        payment=ticket.payment[visit],
        device=ticket.device[visit],
        pattern=pattern[bought],
    )


def _money(
    products: Products, product: Ints, day: Ints, units: Ints, coupon: Ints
) -> tuple[Ints, Ints]:
    """Discount and amount in cents; promotion and coupon take off one after the other."""
    gross = units * products.list_price(product, day)
    shares: Floats = np.array([0.0, WORLD.coupon_share, WORLD.coupon_share, WORLD.ring_discount])
    kept = (1 - products.discount(product, day)) * (1 - shares[coupon])
    amount = np.rint(gross * kept).astype(np.int64)
    return gross - amount, amount


def places(visit: Ints) -> Ints:
    """Place of each entry within its visit, from 0; entries come by visit."""
    first = np.searchsorted(visit, visit, side="left")
    return np.arange(len(visit)) - first


def demand(lines: Lines, products: int, first: int, last: int) -> tuple[Ints, Ints, Ints]:
    """Product, hour from the first one of day 0, and units demanded, each pair once."""
    hours = (last - first) * HOURS
    key = lines.product * hours + (lines.day - first) * HOURS + lines.second // 3600
    found, place = np.unique(key, return_inverse=True)
    units = np.bincount(place, lines.units, len(found)).astype(np.int64)
    assert found.size == 0 or found[-1] < products * hours
    return found // hours, found % hours + first * HOURS, units


def is_sold(lines: Lines, sold_until: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Mask of lines in stock: sold in an hour before `sold_until`, products x days."""
    return np.asarray(lines.second // 3600 < sold_until[lines.product, lines.day])


def refunds(chance: Chance, lines: Lines) -> Lines:
    """Lines that are returned some days later; returned units are not sold again."""
    back = lines.where(chance.uniform("refund", lines.order, lines.number) < WORLD.refunded)
    least, most = WORLD.refund_days
    later = least + chance.below(most - least + 1, "refund day", back.order, back.number)
    changed = {
        "number": -back.number,
        "day": back.day + later,
        "units": -back.units,
        "discount": -back.discount,
        "amount": -back.amount,
    }
    return Lines(**{f.name: changed.get(f.name, getattr(back, f.name)) for f in fields(Lines)})
