"""Dirt on demand: broken, repeated, late and unknown rows, and the expected outcome of each.

A broken or repeated row is written beside its good original: a dirty shop sells the same as the
clean one. A late row is delivered days after its event.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lakeshop_demo.simulator.chance import Floats, Ints

ACCEPTED, QUARANTINED, DUPLICATE = "accepted", "quarantined", "duplicate"
AS_IS = "as it is"
OUTCOMES: Mapping[str, str] = {
    AS_IS: ACCEPTED,
    "malformed": QUARANTINED,
    "wrong type": QUARANTINED,
    "twice": DUPLICATE,  # on the same day
    "again": DUPLICATE,  # on the next day
    "late": ACCEPTED,
    "unknown product": ACCEPTED,  # with a warning
}
KINDS = tuple(OUTCOMES)
LATEST = 5  # days after the event
ENTITY_KINDS = ("malformed", "wrong type", "twice", "again")
EVENT_KINDS = (*ENTITY_KINDS, "late")


@dataclass(frozen=True)
class Shape:
    """Possible faults of an entity's rows: the kinds of dirt and the fields they spoil."""

    kinds: tuple[str, ...]
    typed: str
    key: str = ""
    product: str = ""


SHAPES: Mapping[str, Shape] = {
    "transactions": Shape((*EVENT_KINDS, "unknown product"), "sold_at", "line", "sku"),
    "user_actions": Shape(EVENT_KINDS, "at"),
    "stock": Shape(EVENT_KINDS, "on_shelf"),
    "fraud_labels": Shape(EVENT_KINDS, "verdict"),
    "products": Shape(ENTITY_KINDS, "price"),
    "users": Shape(ENTITY_KINDS, "born"),
    "promotions": Shape(ENTITY_KINDS, "until"),
}


@dataclass(frozen=True)
class Delivery:
    """Delivered rows of one entity: the line, the day of its drop and its fault."""

    entity: str
    lines: pa.StringArray
    day: Ints
    kind: Ints  # place in KINDS

    def counts(self) -> dict[tuple[int, str], int]:
        """Rows by day and kind."""
        found, rows = np.unique(self.day * len(KINDS) + self.kind, return_counts=True)
        pairs = zip(found.tolist(), rows.tolist(), strict=True)
        return {(key // len(KINDS), KINDS[key % len(KINDS)]): n for key, n in pairs}


def delivery(entity: str, lines: pa.StringArray, day: Ints, draws: Floats, dirt: float) -> Delivery:
    """The rows with their dirt.

    Args:
        entity: its name.
        lines: the good rows.
        day: of their drop.
        draws: a number of 0 to 1 for each; rows below `dirt` get some.
        dirt: share of rows.
    """
    shape = SHAPES[entity]
    hit = np.nonzero(draws < dirt)[0]
    which = (draws[hit] / dirt * len(shape.kinds)).astype(np.int64) if dirt else hit
    kind, day = np.zeros(len(day), dtype=np.int64), day.copy()
    parts = [(lines, day, kind)]
    for number, name in enumerate(shape.kinds):
        places = hit[which == number]
        if name == "late":
            day[places] += 1 + places % LATEST
            kind[places] = KINDS.index(name)
        elif len(places):
            texts = [_SPOIL[name](text, shape) for text in lines.take(pa.array(places)).to_pylist()]
            copies = day[places] + (name == "again")
            parts.append(
                (pa.array(texts, pa.string()), copies, np.full(len(places), KINDS.index(name)))
            )
    every = pa.concat_arrays([part[0] for part in parts])
    return Delivery(entity, every, *(np.concatenate([p[k] for p in parts]) for k in (1, 2)))


def _cut(text: str, shape: Shape) -> str:
    del shape
    return text[: max(2, len(text) * 2 // 3)].rstrip("\n}") + "\n"


def _mistyped(text: str, shape: Shape) -> str:
    return re.sub(rf'"{shape.typed}":("[^"]*"|[^,}}]+)', f'"{shape.typed}":"soon"', text)


def _unknown(text: str, shape: Shape) -> str:
    text = re.sub(rf'"{shape.key}":"([^"]*)"', rf'"{shape.key}":"\1X"', text)
    return re.sub(rf'"{shape.product}":"([^"]*)"', rf'"{shape.product}":"\1X"', text)


def _same(text: str, shape: Shape) -> str:
    del shape
    return text


_SPOIL: Mapping[str, Callable[[str, Shape], str]] = {
    "malformed": _cut,
    "wrong type": _mistyped,
    "unknown product": _unknown,
    "twice": _same,
    "again": _same,
}
