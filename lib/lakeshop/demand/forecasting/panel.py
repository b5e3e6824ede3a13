"""Panel of series by days, the input of every forecasting method, and its cleaning.

Exposure is the share of a day on which a unit could have been sold. It is 0 before the first day of
a series and while it was sold out, and 1 where stock is unknown. A rate is units by exposure: days
without stock are ignored instead of counting as no demand.

A day with units or exposure other than a number of 0 or more is unexposed: it is ignored, and the
series is forecast from its other days.

Spikes are winsorised (Tukey 1962). A selling day of a series is cut at the larger of 5 times the
largest and 20 times the median of its other selling days. Its others are all but the largest 0.5 %,
at least one. A promotion of two days or more is kept, since its days support one another. So is a
promotion of one day up to 20 times the usual. A sale of one day in ten thousand, or a mistyped
quantity, is cut. A series with one selling day has no comparison.

The first sale of a history is excluded: the history begins because of it. On four days of Complete
Journey, 28 days ahead, forecasts were this many times the sales of new products:

- mean of 56 days: 4.9 with the first sale, 2.0 without it
- Croston: 38 with the first sale, 2.8 without it
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Bools, Floats
from lakeshop.ml.numeric import compiled

TIMES_LARGEST = 5.0
TIMES_MEDIAN = 20.0
FEW = 0.005  # share of selling days that may be spikes


@dataclass(frozen=True, eq=False)
class Panel:
    """One row per series in every array; columns are days, the last of history is `day`.

    `units`, `exposure` and `price` are float64[n, T]: units sold, exposure from 0 to 1, and the
    price paid per unit, NaN where unknown. `display`, `mailer` and `announced` are float64[n, T +
    H], through the horizon: number of stores that promote a product, and the lead of the
    announcement in days; -1 without a promotion.
    """

    day: date
    units: Floats
    exposure: Floats
    price: Floats
    display: Floats
    mailer: Floats
    announced: Floats

    def __len__(self) -> int:
        return len(self.units)

    @property
    def days(self) -> int:
        """Days of history, T."""
        return int(self.units.shape[1])

    @property
    def horizon(self) -> int:
        """Days after it, H."""
        return int(self.display.shape[1]) - self.days

    def until(self, days_before: int) -> "Panel":
        """The panel as of earlier days: shorter history, and promotions announced by then."""
        known, ahead = self.days - days_before, np.arange(self.horizon) + 1
        cut = {name: getattr(self, name)[:, :known] for name in ("units", "exposure", "price")}
        planned = {}
        is_known = self.announced[:, known : known + self.horizon] >= ahead
        for name, unknown in (("display", 0.0), ("mailer", 0.0), ("announced", -1.0)):
            values = getattr(self, name)[:, : known + self.horizon].copy()
            values[:, known:] = np.where(is_known, values[:, known:], unknown)
            planned[name] = values
        return Panel(day=self.day - timedelta(days=days_before), **cut, **planned)

    def take(self, rows: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> "Panel":
        """Some of the series."""
        arrays = [f.name for f in fields(self) if f.name != "day"]
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})


def counted(panel: Panel) -> Panel:
    """Readable panel with cut spikes, without exposure on the day that began a history.

    This is the first exposed day of a series if it sold, unless there is no other.
    """
    history, _ = winsorised(panel)
    is_exposed = history.exposure > 0
    first = np.argmax(is_exposed, axis=1)[:, None] if panel.days else np.zeros((len(panel), 0), int)
    is_begun = np.take_along_axis(history.units, first, axis=1) > 0
    is_begun &= is_exposed.sum(axis=1, keepdims=True) > 1
    exposure = history.exposure.copy()
    left = np.where(is_begun, 0.0, np.take_along_axis(exposure, first, axis=1))
    np.put_along_axis(exposure, first, left, axis=1)
    return replace(history, exposure=exposure)


def winsorised(panel: Panel) -> tuple[Panel, Bools]:
    """Readable panel with cut spikes, and `is_capped` of each series. Idempotent."""
    clean = readable(panel)
    caps = _caps(clean.units, clean.exposure)
    is_over: Bools = (clean.units > caps[:, None]) & (clean.exposure > 0)
    if not is_over.any():
        return clean, np.zeros(len(panel), np.bool_)
    capped = np.where(is_over, caps[:, None], clean.units)
    is_capped: Bools = np.any(is_over, axis=1)
    return replace(clean, units=capped), is_capped


def readable(panel: Panel) -> Panel:
    """The panel with units and exposure set to 0 on unreadable days."""
    with np.errstate(invalid="ignore"):
        is_good = np.isfinite(panel.units) & np.isfinite(panel.exposure)
        is_good &= (panel.units >= 0) & (panel.exposure >= 0)
    units = np.where(is_good, panel.units, 0.0)
    return replace(panel, units=units, exposure=np.where(is_good, panel.exposure, 0.0))


@compiled
def _caps(units: Floats, exposure: Floats) -> Floats:
    """Cap of a day of each series; infinite where nothing is cut."""
    n, days = units.shape
    caps = np.full(n, np.inf)
    for row in range(n):
        count, least, most = 0, np.inf, 0.0
        for t in range(days):
            if exposure[row, t] > 0 and units[row, t] > 0:
                count += 1
                least, most = min(least, units[row, t]), max(most, units[row, t])
        if count < 2 or most <= TIMES_MEDIAN * least:
            continue
        sold = np.empty(count)
        place = 0
        for t in range(days):
            if exposure[row, t] > 0 and units[row, t] > 0:
                sold[place] = units[row, t]
                place += 1
        sold.sort()
        others = count - int(np.ceil(FEW * count))
        caps[row] = max(TIMES_LARGEST * sold[others - 1], TIMES_MEDIAN * sold[(others - 1) // 2])
    return caps
