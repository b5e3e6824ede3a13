"""JSON lines from arrays, without a loop over rows: Arrow's kernels join the parts of each line.

Texts hold letters, digits, blanks and hyphens only, so nothing needs escaping. The lines of a
column lie one after the other in Arrow's buffer, which is a file's content as it stands.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakeshop_demo.simulator.chance import Ints

NULL = "null"


def json_lines(fields: Mapping[str, pa.Array | str]) -> pa.StringArray:
    """One line per row, ending with a line break.

    Args:
        fields: each field's values as JSON, a text for one that is the same in all rows; NULL
            values become null.
    """
    parts: list[pa.Array | str] = []
    for number, (name, values) in enumerate(fields.items()):
        parts += [f'{"," if number else "{"}"{name}":', values]
    return joined(*parts, "}\n")


def joined(*parts: pa.Array | str) -> pa.StringArray:
    """Row by row, the parts one after the other; NULL is written as null."""
    values = [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(
        *values, pa.scalar(""), null_handling="replace", null_replacement=NULL
    )


def quoted(*parts: pa.Array | str, known: NDArray[np.bool_] | None = None) -> pa.StringArray:
    """Row by row, the parts as one JSON string; null where it is not `known`."""
    text = joined('"', *parts, '"')
    return text if known is None else pc.if_else(pa.array(known), text, pa.scalar(NULL))


def whole(numbers: Ints) -> pa.StringArray:
    """Whole numbers as digits."""
    return pc.cast(pa.array(numbers), pa.string())


def number(prefix: str, ids: Ints, width: int = 7) -> pa.StringArray:
    """Ids as a shop writes them: a letter and at least `width` digits."""
    return joined(prefix, whole(ids + 10**width))


def money(cents: Ints) -> pa.StringArray:
    """Cents as a decimal number with two places."""
    found, place = np.unique(cents, return_inverse=True)
    texts = [f"{'-' if c < 0 else ''}{abs(c) // 100}.{abs(c) % 100:02}" for c in found.tolist()]
    return pa.array(texts, pa.string()).take(pa.array(place))


def chosen(texts: list[str], places: Ints) -> pa.StringArray:
    """The texts at the places."""
    return pa.array(texts, pa.string()).take(pa.array(places))


def stamps(times: NDArray[np.datetime64]) -> pa.StringArray:
    """Local times as 2026-01-31 10:22:31."""
    return pc.cast(pa.array(times.astype("datetime64[s]")), pa.string())


def days(dates: NDArray[np.datetime64]) -> pa.StringArray:
    """Dates as 2026-01-31."""
    return pc.cast(pa.array(dates.astype("datetime64[D]")), pa.string())


def where(is_known: NDArray[np.bool_], values: pa.Array) -> pa.Array:
    """The values, NULL where they are not known."""
    return pc.if_else(pa.array(is_known), values, pa.scalar(None, values.type))


def contents(lines: pa.StringArray, day: Ints) -> Iterator[tuple[int, bytes]]:
    """Each day and all of its lines, in their order."""
    order = np.argsort(day, kind="stable")
    ordered = lines.take(pa.array(order))
    _, offsets, data = ordered.buffers()
    if not len(ordered) or data is None:
        return
    edges = np.frombuffer(offsets, dtype=np.int32)[: len(ordered) + 1]
    found, first = np.unique(day[order], return_index=True)
    bounds = [*edges[first].tolist(), int(edges[-1])]
    for place, one in enumerate(found.tolist()):
        yield one, data.slice(bounds[place], bounds[place + 1] - bounds[place]).to_pybytes()
