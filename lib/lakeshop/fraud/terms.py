"""Terms: the quantities of a line, its history and its order that features are computed from.

A feature declares its terms. A pass computes each term once, for the target rows. Values depend
on the rows of an entity alone: neither their order nor other rows change them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakeshop.features.windows import (
    HISTORY_DAYS,
    IS_TARGET,
    NULL,
    EntityHistories,
    LazyRows,
    Rows,
    codes_of,
    histories_of,
    is_flagged,
    places_of_targets,
)
from lakeshop.ml.arrays import Floats, Integers

ORDER = "order"  # the one group of lines that is no history


@dataclass(frozen=True)
class Value:
    """The line's own value of a raw column, NaN where it is NULL."""

    column: str


@dataclass(frozen=True)
class Lines:
    """Number of lines in the window: all, those with a flag, or those with a value of a column."""

    days: int = HISTORY_DAYS
    flag: int = 0
    having: str = ""


@dataclass(frozen=True)
class Total:
    """Sum of a raw column, or of its squares, over the lines in the window. NULL counts as 0."""

    column: str
    days: int = HISTORY_DAYS
    is_squared: bool = False


@dataclass(frozen=True)
class Largest:
    """Largest value of a raw column in the history, at least 0."""

    column: str


@dataclass(frozen=True)
class SinceLast:
    """Microseconds since the last line, NaN without a history."""


@dataclass(frozen=True)
class Frauds:
    """Number of earlier lines known to be frauds for less than so many days."""

    days: int = HISTORY_DAYS


@dataclass(frozen=True)
class Members:
    """Number of different values of an entity's column in the history. NULL is no value."""

    column: str


@dataclass(frozen=True)
class OfUser:
    """A term over the user's own lines with the entity, NaN for a guest."""

    term: "HistoryTerm"


@dataclass(frozen=True)
class ShopPrior:
    """The `Prior` of risks that the shop configures."""


@dataclass(frozen=True)
class Prior:
    """Lines at the shop's mean rate of frauds that every entity starts with (Beta prior)."""

    lines: float
    rate: float

    def risk(self, frauds: Floats, lines: Floats) -> Floats:
        """Frauds per line, shrunk to the shop's rate where there are few lines."""
        return (frauds + self.lines * self.rate) / (lines + self.lines)


Summed = Lines | Total
HistoryTerm = Value | Summed | Largest | SinceLast | Frauds | Members
Term = HistoryTerm | OfUser | ShopPrior
Values = dict[Term, Any]  # float64[n_targets], or the prior


def columns_read(term: Term) -> set[str]:
    """Names of the raw columns that a term needs, beside those that every term needs."""
    match term:
        case Value(column) | Total(column) | Largest(column) | Members(column):
            return {column}
        case Lines(having=column) if column:
            return {column}
        case OfUser(of_user):
            return columns_read(of_user)
    return set()


def evaluated(terms: Iterable[Term], history: str, rows: Rows, prior: Prior) -> Values:
    """Each term once, float64[n_targets], NaN for target rows without the entity.

    Args:
        terms: of all features of the history.
        history: the entity's column, or `order`.
        rows: all rows of the look-back of some entities, as of `windows.with_ranks`.
        prior: of risks.
    """
    distinct = list(dict.fromkeys(terms))
    own = [t for t in distinct if not isinstance(t, OfUser | ShopPrior)]
    values: Values = {t: prior for t in distinct if isinstance(t, ShopPrior)}
    if history == ORDER:
        return values | _of_order(rows, own)
    places, codes = places_of_targets(rows, history)
    values |= _at_targets(rows, histories_of(rows, places, codes), own)
    of_user = [t.term for t in distinct if isinstance(t, OfUser)]
    if of_user:
        pairs = histories_of(rows, *_pairs(rows, places, codes))
        found = _at_targets(rows, pairs, of_user)
        values |= {OfUser(term): found[term] for term in of_user}
    return values


def _pairs(rows: Rows, places: Integers, codes: Integers) -> tuple[Integers, Integers]:
    """Places of the rows that also have a user, and codes of entity and user together."""
    has_user = rows["user"][places] != NULL
    places, codes = places[has_user], codes[has_user]
    return places, codes_of(codes * (places.size + 1) + codes_of(rows["user"][places]))


def _at_targets(
    rows: Rows, histories: EntityHistories, terms: Sequence[HistoryTerm]
) -> dict[Term, Floats]:
    """Terms of the histories at the target rows, NaN where a row is in none of them."""
    targets = np.flatnonzero(is_flagged(rows, IS_TARGET))
    place_of = np.full(rows["flags"].size, -1)
    place_of[histories.order] = np.arange(histories.order.size)
    places = place_of[targets]
    has_history = places >= 0
    sums = _sums(histories, [t for t in terms if isinstance(t, Summed)])
    found: dict[Term, Floats] = {}
    for term in terms:
        values = sums[term] if isinstance(term, Summed) else _of_history(histories, term)
        found[term] = np.full(targets.size, np.nan)
        found[term][has_history] = values[places[has_history]]
    return found


def _sums(histories: EntityHistories, terms: Sequence[Summed]) -> dict[Summed, Integers]:
    """All sums in one pass over the union of their windows and summands."""
    if not terms:
        return {}
    days = sorted({term.days for term in terms})
    summands = list(dict.fromkeys(replace(term, days=0) for term in terms))
    values = [_summand(histories.rows, histories.order.size, term) for term in summands]
    sums = histories.sums(days, *values)
    return {t: sums[:, days.index(t.days), summands.index(replace(t, days=0))] for t in terms}


def _summand(rows: Rows, n: int, term: Summed) -> Integers:
    if isinstance(term, Total):
        values = np.where(rows[term.column] == NULL, 0, rows[term.column])
        return values * values if term.is_squared else values
    counted = np.ones(n, np.int64)
    if term.flag:
        counted *= is_flagged(rows, term.flag)
    if term.having:
        counted *= rows[term.having] != NULL
    return counted


def _of_history(
    histories: EntityHistories, term: Value | Largest | SinceLast | Frauds | Members
) -> NDArray[Any]:
    match term:
        case Value(column):
            return _known(histories.rows[column])
        case Largest(column):
            return np.maximum(histories.maxima(histories.rows[column]), 0)
        case Frauds(days):
            return histories.frauds(days)
        case Members(column):
            return histories.members(column)
    last = histories.last_times()
    return np.where(last == NULL, np.nan, histories.rows["time"] - np.where(last == NULL, 0, last))


def _known(values: Integers) -> Floats:
    return np.where(values == NULL, np.nan, values)


def _of_order(rows: Rows, terms: Sequence[HistoryTerm]) -> dict[Term, Floats]:
    """Terms over the lines of one user's order that were delivered on one day."""
    targets = LazyRows(rows, np.flatnonzero(is_flagged(rows, IS_TARGET)))
    _, order, lines = np.unique(targets[ORDER], return_inverse=True, return_counts=True)
    by_order = np.argsort(order, kind="stable")
    starts = np.cumsum(lines) - lines
    found: dict[Term, Floats] = {}
    for term in terms:
        if isinstance(term, Summed):
            summand = _summand(targets, order.size, term)
            found[term] = np.add.reduceat(summand[by_order], starts)[order].astype(np.float64)
        elif isinstance(term, Value):
            found[term] = _known(targets[term.column])
        else:
            msg = (
                "a feature of an order should have the terms Value, Lines and Total. "
                f"Received {term}. Declare the feature with a history."
            )
            raise TypeError(msg)
    return found


def ratio(above: Floats, below: Floats) -> Floats:
    """The quotient, NaN where the divisor is not above 0."""
    quotient: Floats = np.divide(above, below, out=np.full(above.size, np.nan), where=below > 0)
    return quotient


def scaled(divisor: float) -> Callable[[Floats], Floats]:
    """A computation that divides its term by a number."""
    return lambda values: values / divisor
