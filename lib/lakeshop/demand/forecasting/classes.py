"""Demand class of each series."""

import numpy as np

from lakeshop.demand.forecasting.panel import Panel, readable, winsorised
from lakeshop.ml.arrays import Floats, Integers, Names
from lakeshop.ml.numeric import compiled

CLASSES = ("smooth", "erratic", "intermittent", "lumpy", "new", "dead")
SMOOTH, ERRATIC, INTERMITTENT, LUMPY, NEW, DEAD = range(len(CLASSES))
MOST_INTERVAL = 1.32  # mean days between selling days
MOST_VARIATION = 0.49  # squared coefficient of variation of the units of selling days
COLD_START_DAYS = 56
DEAD_DAYS = 91


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
