"""Sparse days of many series as dense arrays: NumPy over a whole batch, without a loop.

The days of all series of a batch are concatenated in one array, each from its first day on. An
entry's place is the start of its series plus its days since then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pyarrow as pa

from lakeshop.demand.forecasting.classes import demand_class
from lakeshop.demand.forecasting.weekdays import weekday_factors
from lakeshop.demand.open_days import OpenDays
from lakeshop.demand.panels import panel_of
from lakeshop.demand.settings import DemandSettings
from lakeshop.ml.arrays import Bools, Floats, Integers

Entries = Mapping[str, Integers]  # equally long columns; `row` is the series of an entry

NAMES = (
    "product_id",
    "store_id",
    "department",
    "category",
    "is_active",
    "first_day",
    "last_day",
    "discontinued_on",
    "units",
    "exposure",
    "price",
    "display",
    "mailer",
    "announced",
    "list_price",
    "refunded",
    "excluded_units",
    "value",
    "abc",
    "demand_class",
    "is_fractional",
    "weekdays",
    "closed",
)
CARRIED = (
    "product_id",
    "store_id",
    "department",
    "category",
    "discontinued_on",
    "list_price",
    "refunded",
    "excluded_units",
    "abc",
    "is_fractional",
    "is_active",
)
CENTS, THOUSANDTHS = 100, 1000
NOT_ANNOUNCED = -1


@dataclass(frozen=True)
class Layout:
    """Positions of the days of each series: from `first_age` days ago to `ahead` days from now."""

    first_age: Integers
    ahead: int = 0

    @cached_property
    def lengths(self) -> Integers:
        """Days of each series."""
        return self.first_age + 1 + self.ahead

    @cached_property
    def edges(self) -> Integers:
        """Start of each series, and the end of the last one, int64[n + 1]."""
        return np.append(0, np.cumsum(self.lengths))

    def places(self, row: Integers, age: Integers) -> Integers:
        """Position of each entry's day."""
        places: Integers = self.edges[row] + self.first_age[row] - age
        return places

    def places_of(self, ages: Sequence[int]) -> Integers:
        """Positions of some days in all series that reach back to them."""
        row = np.repeat(np.arange(self.first_age.size), len(ages))
        age = np.tile(np.array(ages, np.int64), self.first_age.size)
        is_within = age <= self.first_age[row]
        return self.places(row[is_within], age[is_within])

    def arrays(self, values: pa.Array, has_any: Bools | None = None) -> pa.ListArray:
        """One array per series, NULL where it has none."""
        if has_any is None:
            return pa.ListArray.from_arrays(pa.array(self.edges, pa.int32()), values)
        edges = np.append(0, np.cumsum(np.where(has_any, self.lengths, 0)))
        kept = values.filter(pa.array(np.repeat(has_any, self.lengths)))
        return pa.ListArray.from_arrays(pa.array(edges, pa.int32()), kept, mask=pa.array(~has_any))

    def any_of(self, flags: Bools) -> Bools:
        """Mask of series with any flagged day."""
        before = np.append(0, np.cumsum(flags))
        found: Bools = before[self.edges[1:]] > before[self.edges[:-1]]
        return found


def to_dense_arrays(
    day: date, options: DemandSettings, days: OpenDays, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Series with their entries as the rows of features.demand, without the business date."""
    for batch in batches:
        history = Layout(integers(batch["first_age"]))
        sold = entries(batch["sold"])
        units, price = units_and_price(history, sold)
        stock = [entries(batch[name]) for name in ("own_stock", "shared_stock")]
        exposed = exposure(history, units > 0, stock, options.opening_hours)
        exposed[history.places_of(days.silent)] = 0.0
        planned = Layout(history.first_age, options.horizon_days)
        promoted = promotion_days(planned, entries(batch["promoted"]))
        first = np.datetime64(day) - history.first_age
        columns = {
            **{name: batch[name] for name in CARRIED},
            "first_day": pa.array(first),
            "last_day": pa.array(np.full(len(batch), np.datetime64(day))),
            "units": history.arrays(pa.array(units)),
            "exposure": history.arrays(pa.array(exposed), history.any_of(exposed < 1)),
            "price": history.arrays(pa.array(price, mask=np.isnan(price))),
            **promoted,
            "value": pa.array(integers(batch["cents"]) / CENTS),
            "weekdays": _of_weekdays(factors(batch["weekday_counts"])),
            "closed": pa.array([days.closed or None] * len(batch), pa.list_(pa.int32())),
        }
        panel = panel_of(columns, day, options.history_days, options.horizon_days)
        columns["demand_class"] = pa.array(demand_class(panel).tolist(), pa.string())
        yield pa.RecordBatch.from_arrays([columns[name] for name in NAMES], names=list(NAMES))


def integers(column: pa.Array) -> Integers:
    """A column without NULLs."""
    return np.asarray(column, np.int64)


def entries(column: pa.ListArray) -> Entries:
    """The structs of all rows as columns; NULL counts as none."""
    lengths = np.asarray(column.value_lengths().fill_null(0), np.int64)
    found = column.flatten()
    fields = dict(zip(found.type.names, map(integers, found.flatten()), strict=True))
    return {"row": np.repeat(np.arange(len(column)), lengths), **fields}


def units_and_price(history: Layout, sold: Entries) -> tuple[Floats, Floats]:
    """Units of each day, and the unit price of the last day with a sale until then."""
    units = np.zeros(history.edges[-1])
    price = np.full(history.edges[-1], np.nan)
    places = history.places(sold["row"], sold["age"])
    units[places] = sold["units"] / THOUSANDTHS
    paid = np.maximum(sold["amount"], 0)  # a day's credits may exceed its sales
    price[places] = paid * (THOUSANDTHS // CENTS) / sold["units"]
    newest = np.maximum.accumulate(np.where(units > 0, np.arange(units.size), -1))
    is_known = newest >= np.repeat(history.edges[:-1], history.lengths)
    return units, np.where(is_known, price[newest], np.nan)


def exposure(
    history: Layout, is_sold: Bools, stock: Iterable[Entries], opening_hours: int
) -> Floats:
    """Share of each day on which a series could be bought: the mean over its counts.

    An empty shelf without sold-out hours is 0 if nothing was sold that day, and else half a day. A
    day with a sale is exposed for at least an hour.
    """
    hours, counts = np.zeros((2, history.edges[-1]))
    for found in stock:
        is_within = found["age"] <= history.first_age[found["row"]]
        row, age, n, lost, unknown = (
            found[name][is_within] for name in ("row", "age", "counts", "hours", "unknown")
        )
        places = history.places(row, age)
        empty = np.where(is_sold[places], opening_hours / 2, opening_hours)
        hours[places] += lost + unknown * empty
        counts[places] += n
    counted = np.maximum(1 - hours / (opening_hours * np.maximum(counts, 1)), 0.0)
    least = np.where(is_sold, 1 / opening_hours, 0.0)
    shares: Floats = np.maximum(counted, least)
    return shares


def promotion_days(planned: Layout, spans: Entries) -> dict[str, pa.ListArray]:
    """`display`, `mailer` and `announced` of each day, through the horizon.

    Stores of overlapping spans are summed. The last announced span sets `announced`.
    """
    first = np.minimum(spans["starts_on"], planned.first_age[spans["row"]])
    days = np.maximum(first - np.maximum(spans["ends_on"], -planned.ahead) + 1, 0)
    span = np.repeat(np.arange(days.size), days)
    age = first[span] - (np.arange(span.size) - np.repeat(np.cumsum(days) - days, days))
    places = planned.places(spans["row"][span], age)
    size = int(planned.edges[-1])
    stores = {
        name: np.bincount(places, weights=spans[name][span], minlength=size)
        for name in ("display", "mailer")
    }
    never = np.iinfo(np.int32).max
    announced = np.full(size, never, np.int32)
    np.minimum.at(announced, places, (spans["known_on"][span] - age).astype(np.int32))
    has_any = planned.any_of(announced < never)
    announced = np.where(announced < never, np.maximum(announced, NOT_ANNOUNCED), NOT_ANNOUNCED)
    columns = {**stores, "announced": announced.astype(np.int32)}
    return {name: planned.arrays(pa.array(days), has_any) for name, days in columns.items()}


def factors(counts: pa.ListArray) -> Floats:
    """float64[n, 7]: weekday factors from order lines and product-days, seven of each."""
    both = np.asarray(counts.flatten(), np.int64).reshape(-1, 2, 7)
    return weekday_factors(both[:, 0], both[:, 1])


def _of_weekdays(values: Floats) -> pa.ListArray:
    edges = pa.array(np.arange(0, values.size + 1, 7), pa.int32())
    return pa.ListArray.from_arrays(edges, pa.array(values.ravel()))
