"""How columns of an entity's histories come to the rows that they are of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakeshop.features.windows import (
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

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]


@dataclass(frozen=True)
class Prior:
    """Lines at the shop's mean rate of frauds that every entity is given (Beta prior)."""

    lines: float
    rate: float

    def risk(self, frauds: Floats, lines: Floats) -> Floats:
        """Frauds per line, towards the shop's rate where there are few lines."""
        return (frauds + self.lines * self.rate) / (lines + self.lines)


def of_entity(rows: Rows, name: str, columns: Callable[[EntityHistories], Columns]) -> Columns:
    """Columns of the entity's histories, at the rows that have the entity."""
    histories = histories_of(rows, *places_of_targets(rows, name))
    return _placed(histories.order, columns(histories), rows["flags"].size)


def of_pair(rows: Rows, name: str, columns: Callable[[EntityHistories], Columns]) -> Columns:
    """As `of_entity`, of the entity together with the user."""
    places, codes = places_of_targets(rows, name)
    has_user = rows["user"][places] != NULL
    places, codes = places[has_user], codes[has_user]
    pairs = codes_of(codes * (places.size + 1) + codes_of(rows["user"][places]))
    histories = histories_of(rows, places, pairs)
    return _placed(histories.order, columns(histories), rows["flags"].size)


def of_asked(rows: Rows, columns: Callable[[Rows], Columns]) -> Columns:
    """Columns of the rows that ask, at these."""
    places = np.flatnonzero(is_flagged(rows, IS_TARGET))
    return _placed(places, columns(LazyRows(rows, places)), rows["flags"].size)


def _placed(places: NDArray[np.int64], columns: Columns, n: int) -> Columns:
    """The columns spread over all n rows, NaN where there is none."""
    spread = {}
    for name, values in columns.items():
        spread[name] = np.full(n, np.nan)
        spread[name][places] = values
    return spread


def ratio(above: NDArray[np.generic], below: NDArray[np.generic]) -> Floats:
    """The quotient, NaN where there is nothing to divide by."""
    left, right = above.astype(np.float64), below.astype(np.float64)
    quotient: Floats = np.divide(left, right, out=np.full(left.size, np.nan), where=right > 0)
    return quotient
