"""Reasons of picks: the family of features that spoke most for one, as a code.

A family's contribution is its Shapley value on the log-odds (see `ml.attribution`); the reference
is a usual pair. A family that cannot be said in words a customer would read gives way to the next
one. No Spark here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from lakeshop.ml.arrays import Bools, Floats, Floats32, Integers
from lakeshop.ml.attribution import contributions
from lakeshop.recommendations.features import (
    ACTIONS,
    HABIT,
    POPULARITY,
    PRICE,
    PROMOTION,
    SIMILARITY,
    TASTE,
    TIMING,
    families_of,
)
from lakeshop.recommendations.histories import Pairs

ORDERS = 2  # of families: one and its reverse; twenty times as many pairs as picks are scored
CHEAPER = -0.05  # a change of price that is told of
USUAL_TIMES = 3  # purchases from which an interval is told of
(
    INTERVAL, BOUGHT_BEFORE, BOUGHT_WITH, LOOKED_AT, OF_TASTE, POPULAR, PROMOTED, CHEAPER_NOW,
    ARRIVED, TO_TRY, CHOSEN, IN_RANGE,
) = CODES = (
    "rebuy_interval", "bought_before", "bought_with", "looked_at", "of_your_taste", "popular",
    "promoted", "cheaper_now", "new_arrival", "to_try", "chosen_by_shop", "in_the_range",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Facts:
    """What is true of picks: equally long columns.

    `times` is how often the user bought the product, `cause` the product of theirs that speaks
    most for it or -1, `is_promoted` whether any store promotes it tomorrow, `price_change` NaN
    where there is none. `is_looked_at`, `is_popular`, `is_of_taste`, `is_arrival`, `is_explored`
    and `is_chosen` are true where the user looked at it, anybody bought it this week, the user
    often buys of its category, it is new in the range, was drawn, or has its place from the shop.
    """

    times: Floats
    cause: Integers
    is_promoted: Bools
    price_change: Floats
    is_looked_at: Bools
    is_popular: Bools
    is_of_taste: Bools
    is_arrival: Bools
    is_explored: Bools
    is_chosen: Bools


def by_family(
    predict: Callable[[Floats32], Floats],
    inputs: Floats32,
    usual: Floats,
    keys: Sequence[str],
    names: tuple[str, ...],
) -> dict[str, Floats]:
    """Contribution of each family to the log-odds of each pick.

    Args:
        predict: inputs to probabilities.
        inputs: of the picks, float32[n, inputs].
        usual: of a usual pair, float64[inputs].
        keys: one name per pick.
        names: of the inputs.
    """
    families = {family: at for family, at in families_of(names).items() if at}
    found = contributions(
        predict, inputs, usual, keys, players=list(families.values()), orders=ORDERS
    )
    return {family: found[:, place] for place, family in enumerate(families)}


def codes_of(contribution: Mapping[str, Floats], facts: Facts) -> Integers:
    """The place in `CODES` of each pick's reason.

    Args:
        contribution: as of `by_family`; none of a shop without a network.
        facts: of the picks.
    """
    times = facts.times
    said = {
        HABIT: _own(times),
        TIMING: _own(times),
        SIMILARITY: np.where(facts.cause >= 0, CODES.index(BOUGHT_WITH), -1),
        ACTIONS: np.where(facts.is_looked_at, CODES.index(LOOKED_AT), -1),
        TASTE: np.where(facts.is_of_taste, CODES.index(OF_TASTE), -1),
        POPULARITY: np.where(
            facts.is_arrival,
            CODES.index(ARRIVED),
            np.where(facts.is_popular & (times == 0), CODES.index(POPULAR), -1),
        ),
        PROMOTION: np.where(facts.is_promoted, CODES.index(PROMOTED), -1),
        PRICE: np.where(facts.price_change < CHEAPER, CODES.index(CHEAPER_NOW), -1),
    }
    # What says nothing of the user stands back: habit first, then what they bought with it.
    without = np.where(times > 0, said[HABIT], said[SIMILARITY])
    plain = np.where(facts.is_popular, CODES.index(POPULAR), CODES.index(IN_RANGE))
    code = np.where(without >= 0, without, plain)
    most = np.zeros(times.size)
    for family, codes in said.items():
        value = contribution.get(family)
        if value is not None:
            is_best = (codes >= 0) & (value > most)
            code, most = np.where(is_best, codes, code), np.where(is_best, value, most)
    code = np.where(facts.is_explored, CODES.index(TO_TRY), code)
    return np.where(facts.is_chosen, CODES.index(CHOSEN), code)


def _own(times: Floats) -> Integers:
    """The code of an own purchase, -1 where there is none."""
    code = np.where(times >= USUAL_TIMES, CODES.index(INTERVAL), CODES.index(BOUGHT_BEFORE))
    return np.where(times > 0, code, -1)


def causes_of(
    by_target: sparse.csr_matrix, bought: Pairs, users: int, user: Integers, target: Integers
) -> Integers:
    """The user's product with the largest weight for each pick, the first of equals; -1 without.

    Args:
        by_target: what each product bought says of a target, [targets, products].
        bought: what the users bought.
        users: how many there are.
        user: of each pick.
        target: place of each pick's product among the targets, -1 where it is none.
    """
    is_own = np.zeros((users, by_target.shape[1]), np.bool_)
    kept = bought.values["purchase_days"] > 0
    is_own[bought.user[kept], bought.product[kept]] = True
    known = np.flatnonzero(target >= 0)
    speaking = by_target[target[known]]
    pick = np.repeat(known, np.diff(speaking.indptr))
    mine = is_own[user[pick], speaking.indices] & (speaking.data > 0)
    pick, product, weight = pick[mine], speaking.indices[mine], speaking.data[mine]
    first = np.unique(pick[np.lexsort((product, -weight, pick))], return_index=True)
    causes = np.full(user.size, -1, np.int64)
    causes[first[0]] = product[np.lexsort((product, -weight, pick))][first[1]]
    return causes
