"""Series by days as matrices: the input of every forecasting method.

Exposure is the share of a day on which a unit could have been sold. It is 0 before the first day of
a series and while it was sold out, and 1 where stock is unknown. A rate is units by exposure: days
without stock are ignored instead of counting as no demand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Floats


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
