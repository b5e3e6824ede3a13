"""The two lists of each user, from scored candidates and the rules of the shop.

No Spark here. `lakeshop.recommendations.rules` makes the rules from the settings.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Bools, Floats, Ids, Integers
from lakeshop.recommendations.filling import NO_RULE, Cap, Filling, queue_of

LISTS = ("again", "new")  # by number
AGAIN, NEW = range(2)


@dataclass(frozen=True, eq=False)
class ProductGroups:
    """Codes of the department, category and brand of products by number; -1 where unknown."""

    department: Integers
    category: Integers
    brand: Integers


@dataclass(frozen=True, eq=False)
class Scored:
    """Candidates: equally long columns, each user and product once, users ascending from 0.

    `product` is a number, `log_odds` are finite. `is_known` marks products that the
    user bought before. `explored` marks candidates that are for the end of `new` alone.
    """

    user: Integers
    product: Integers
    log_odds: Floats
    is_known: Bools
    explored: Bools


@dataclass(frozen=True, eq=False)
class FixedPlaces:
    """Products with places of their own: equally long columns, by list and place."""

    product: Integers
    list: Integers
    place: Integers
    rule: Ids


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of the shop for products by number; a rule is an index of `names`.

    `never` masks products. `boost` is added to the log-odds of a product, and `boosted_by` is the
    strongest rule of it, -1 without any. `unmatched` names the rules that fit no product that may
    be shown.
    """

    names: tuple[str, ...]
    unmatched: tuple[str, ...]
    never: Bools
    boost: Floats
    boosted_by: Ids
    always: FixedPlaces
    caps: tuple[Cap, ...]
    explored_share: float


@dataclass(frozen=True, eq=False)
class Picks:
    """Rows of the candidates by user, list and rank: equally long columns.

    `log_odds` are those after boosts, and do not rise from a rank to the next. `rule` is -1 where
    none moved the row.
    """

    place: Integers
    list: NDArray[np.int8]
    rank: Ids
    log_odds: Floats
    rule: Ids


def picked_lists(scored: Scored, groups: ProductGroups, rules: Rules, length: int) -> Picks:
    """The lists of all users; of equals the product with the smaller number is first.

    The rule of a row is the one that gave it its place, else its boost. Without these it is the
    cap that set aside the first of the better rows.

    Args:
        scored: the candidates, with the products of `rules.always` among them.
        groups: of the products.
        rules: of the same products.
        length: of a list, as in the settings of the rules.
    """
    log_odds = scored.log_odds + rules.boost[scored.product]
    entry = _entries(scored, rules.always)
    is_fixed = entry >= 0
    side = np.where(scored.is_known, AGAIN, NEW)
    side[is_fixed] = rules.always.list[entry[is_fixed]]
    of_list = 2 * scored.user + side
    n_lists = 2 * (int(scored.user.max(initial=-1)) + 1)
    codes = [getattr(groups, cap.level)[scored.product] for cap in rules.caps]
    filling = Filling(n_lists, length, rules.caps, codes, entry.size)
    for number in range(rules.always.place.size):
        rows = np.flatnonzero(entry == number)
        filling.add(of_list[rows], rows)

    may_show = ~is_fixed & ~rules.never[scored.product]
    keys = (of_list, log_odds, scored.product)
    best = queue_of(keys, may_show & ~scored.explored, n_lists)
    explored = queue_of(keys, may_show & scored.explored, n_lists)
    kept = np.zeros(n_lists, dtype=np.int64)  # places for explored ones, none in `again`
    kept[NEW::2] = int(rules.explored_share * length + 0.5)
    first = filling.fill(best, length - kept)
    last = filling.fill(explored, np.minimum(filling.size + kept, length))
    whole = np.full(n_lists, length)
    rest = filling.fill(best, whole)
    is_left = may_show & ~scored.explored
    is_left[np.concatenate([first, rest])] = False
    set_aside = filling.fill(queue_of(keys, is_left, n_lists), whole, is_strict=False)
    others = np.concatenate([first, rest, set_aside, last])
    others = others[np.argsort(of_list[others], kind="stable")]

    rows, rank = _ranked(others, of_list, entry, rules.always)
    rule = rules.boosted_by[scored.product]
    rule = np.where(rule == NO_RULE, filling.moved_by, rule)
    rule[is_fixed] = rules.always.rule[entry[is_fixed]]
    written = _written(log_odds[rows], is_fixed[rows], of_list[rows], rank)
    return Picks(rows, (of_list[rows] % 2).astype(np.int8), rank, written, rule[rows])


def _entries(scored: Scored, always: FixedPlaces) -> Integers:
    """The fixed place of each row, -1 without any.

    A product with places in both lists has that of `again` where the user bought it.
    """
    entry = np.full(scored.user.size, -1, dtype=np.int64)
    for number, (product, listed) in enumerate(zip(always.product, always.list, strict=True)):
        # Places of `again` come first.
        may_have = scored.is_known if listed == AGAIN else entry < 0
        entry[(scored.product == product) & may_have] = number
    return entry


def _ranked(
    others: Integers, of_list: Integers, entry: Integers, always: FixedPlaces
) -> tuple[Integers, Ids]:
    """All rows by list and rank, and their ranks.

    Args:
        others: rows without fixed places, by list, best first.
        of_list: the list of each row.
        entry: the fixed place of each row, -1 without any.
        always: the fixed places. In a short list their rows follow the last of the others.
    """
    fixed = np.flatnonzero(entry >= 0)
    fixed = fixed[np.lexsort((entry[fixed], of_list[fixed]))]
    n_lists = int(of_list.max(initial=-1)) + 1
    rank = _turn(of_list[others])
    for number, place in enumerate(always.place):
        has_it = np.zeros(n_lists, dtype=bool)
        has_it[of_list[entry == number]] = True
        rank += has_it[of_list[others]] & (rank >= place)
    n_others = np.bincount(of_list[others], minlength=n_lists)
    at_the_end = n_others[of_list[fixed]] + _turn(of_list[fixed])
    fixed_rank = np.minimum(always.place[entry[fixed]], at_the_end)
    rows, ranks = np.concatenate([others, fixed]), np.concatenate([rank, fixed_rank])
    order = np.lexsort((ranks, of_list[rows]))
    return rows[order], ranks[order].astype(np.int32)


def _turn(of_list: Integers) -> Integers:
    """The number of each row within its list, from 1; rows come by list."""
    turn: Integers = np.arange(of_list.size) - np.searchsorted(of_list, of_list) + 1
    return turn


def _written(log_odds: Floats, is_fixed: Bools, of_list: Integers, rank: Ids) -> Floats:
    """Log-odds by which lists merge with all rows in their places.

    A row with a fixed place has those of the next row without one, or of the last. No row has
    more than the row before: one that is explored may have better odds of its own.
    """
    longest = int(rank.max(initial=0))
    table = np.full((int(of_list.max(initial=-1)) + 1, longest), np.nan)
    table[of_list, rank - 1] = np.where(is_fixed, np.nan, log_odds)
    for here in reversed(range(longest - 1)):
        table[:, here] = np.where(np.isnan(table[:, here]), table[:, here + 1], table[:, here])
    for here in range(1, longest):
        table[:, here] = np.where(np.isnan(table[:, here]), table[:, here - 1], table[:, here])
    # Of a list of fixed places alone.
    own = np.where(np.isnan(table[of_list, rank - 1]), log_odds, table[of_list, rank - 1])
    table[of_list, rank - 1] = own
    written: Floats = np.minimum.accumulate(table, axis=1)[of_list, rank - 1]
    return written
