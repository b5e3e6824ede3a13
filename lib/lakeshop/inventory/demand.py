"""Forecast demand by series and day, and the days that an order must cover."""

from dataclasses import dataclass

import numpy as np

from lakeshop.ml.arrays import Floats, Integers


@dataclass(frozen=True, eq=False)
class Demand:
    """Forecast demand, one row per series.

    `mean` and `dispersion` are float64[n, H]: units of each day after the business date, and the
    dispersion a of their variance, mean + a * mean^2. `level_variance` is float64[n]: the variance
    of a factor of mean 1, common to all days, on the forecast's level. Beyond the horizon its last
    week repeats.
    """

    mean: Floats
    dispersion: Floats
    level_variance: Floats

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, rows: Integers) -> "Demand":
        """Some of the series."""
        return Demand(self.mean[rows], self.dispersion[rows], self.level_variance[rows])

    @classmethod
    def of(cls, mean: Floats, variance: Floats, level_variance: Floats) -> "Demand":
        """By means and variances; a variance below the mean counts as that of a Poisson."""
        more = np.maximum(variance - mean, 0.0)
        dispersion = np.where(mean > 0, more / np.where(mean > 0, mean, 1.0) ** 2, 0.0)
        return cls(mean, dispersion, level_variance)


@dataclass(frozen=True, eq=False)
class Interval:
    """Days of demand: the lead time and `days` after it, or only the `days` after it.

    `lead_time` and `deviation` are float64[n], days; `days` is int64[n]. The lead time is normal,
    not less than 0, and rounded to whole days.
    """

    lead_time: Floats
    deviation: Floats
    days: Integers
    is_after_arrival: bool = False


def check(demand: Demand, interval: Interval) -> None:
    """Refuse invalid demand, and arrays of inconsistent shapes.

    Raises:
        ValueError: a number or a shape is invalid.
    """
    numbers = {
        "mean": demand.mean,
        "dispersion": demand.dispersion,
        "level_variance": demand.level_variance,
        "lead_time": interval.lead_time,
        "deviation": interval.deviation,
        "days": interval.days,
    }
    for name, values in numbers.items():
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            msg = f"{name} should be 0 or more. Received a value that is not; leave the series out."
            raise ValueError(msg)
        if len(values) != len(demand):
            msg = f"{name} should have {len(demand)} rows, as mean. Received {len(values)}."
            raise ValueError(msg)
    if demand.mean.shape != demand.dispersion.shape or not demand.mean.shape[1]:
        shapes = f"{demand.mean.shape} and {demand.dispersion.shape}"
        msg = f"mean and dispersion should be of equal shape, with days. Received {shapes}."
        raise ValueError(msg)
