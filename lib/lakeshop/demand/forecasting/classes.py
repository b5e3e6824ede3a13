"""Demand class of each series, and its value class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lakeshop.demand.forecasting.history import readable, winsorised
from lakeshop.demand.forecasting.panel import Floats, Panel
from lakeshop.ml.numeric import compiled

Names = NDArray[np.str_]
Integers = NDArray[np.int64]

CLASSES = ("smooth", "erratic", "intermittent", "lumpy", "new", "dead")
SMOOTH, ERRATIC, INTERMITTENT, LUMPY, NEW, DEAD = range(len(CLASSES))
MOST_INTERVAL = 1.32  # mean days between selling days
MOST_VARIATION = 0.49  # squared coefficient of variation of the units of selling days
COLD_START_DAYS = 56
DEAD_DAYS = 91
FIRST, NEXT = 0.8, 0.95


def demand_class(panel: Panel) -> Names:
    """The class of each series (Syntetos, Boylan & Croston 2005), over its exposed days.

    Smooth and erratic series sell at least once in 1.32 days. Sizes of selling days vary in erratic
    and lumpy ones. A series is new for 56 days after its first exposed day, or without any. It is
    dead without a sale in its last 91 exposed days. Spikes are excluded: a mistyped quantity does
    not make a series lumpy.
    """
    history, (cut, _) = readable(panel), winsorised(panel)
    classes: Names = np.array(CLASSES)[_classes(history.units, cut.units, history.exposure)]
    return classes


def abc(values: ArrayLike, ids: Sequence[str] | Names) -> Names:
    """A: series that make the first 80 % of the value, B: the next 15 %, C: the rest.

    The series that crosses a border is before it. Equal values are in the order of their ids; what
    has no value above 0 is C.

    Raises:
        ValueError: not as many values as ids.
    """
    worth = np.asarray(values, np.float64)
    if worth.shape != (len(ids),):
        msg = (
            "abc should get as many values as ids. "
            f"Received {worth.size} and {len(ids)}. Take them from the same rows."
        )
        raise ValueError(msg)
    worth = np.where(np.isfinite(worth) & (worth > 0), worth, 0.0)
    order = np.lexsort((np.asarray(ids, dtype=np.str_), -worth))
    total = np.cumsum(worth[order])
    before, whole = np.append(0.0, total)[:-1], np.append(0.0, total)[-1]
    found = np.full(worth.size, "C")
    is_a, is_b = before < FIRST * whole, before < NEXT * whole
    found[order] = np.where(worth[order] == 0, "C", np.where(is_a, "A", np.where(is_b, "B", "C")))
    return found


@compiled
def _classes(units: Floats, cut: Floats, exposure: Floats) -> Integers:
    """The place of each series' class in `CLASSES`."""
    n, days = units.shape
    classes = np.full(n, NEW)
    for row in range(n):
        exposed, sales, sizes, total, since, first = 0, 0, 0, 0.0, 0, days
        for t in range(days):
            if exposure[row, t] <= 0:
                continue
            first = min(first, t)
            exposed, since = exposed + 1, since + 1
            if units[row, t] > 0:
                sales, since = sales + 1, 0
                if units[row, t] == cut[row, t]:
                    sizes, total = sizes + 1, total + units[row, t]
        if days - first < COLD_START_DAYS:
            continue
        if since >= DEAD_DAYS:
            classes[row] = DEAD
            continue
        mean, squares = total / max(sizes, 1), 0.0
        for t in range(days):
            if exposure[row, t] > 0 and 0 < units[row, t] == cut[row, t]:
                squares += (units[row, t] / mean - 1) ** 2
        is_rare = exposed >= MOST_INTERVAL * sales
        is_varied = squares >= MOST_VARIATION * max(sizes, 1)
        if is_rare:
            classes[row] = LUMPY if is_varied else INTERMITTENT
        else:
            classes[row] = ERRATIC if is_varied else SMOOTH
    return classes
