"""Rows of features.demand as the matrices of forecasting methods."""

from collections.abc import Mapping
from datetime import date
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from lakeshop.demand.forecasting.panel import Panel
from lakeshop.ml.arrays import Floats, Integers

Columns: TypeAlias = pd.DataFrame | pa.RecordBatch | pa.Table | Mapping[str, pa.Array]


def panel_of(batch: Columns, day: date, history_days: int, horizon_days: int) -> Panel:
    """The series of a batch, one row each in its order.

    Args:
        batch: first_day, last_day, units, exposure, price, display, mailer and announced of
            features.demand, as Arrow or pandas columns.
        day: its business date, the panel's last day of history.
        history_days: columns of history, T; older days are cut off.
        horizon_days: columns after it, H; at most as many as the arrays reach.

    Returns:
        Exposure is 0 and the price unknown before first_day and after last_day.
    """
    columns = {name: _arrow(batch[name], kind) for name, kind in _TYPES.items()}
    first = _ages(columns["first_day"], day)
    last = _ages(columns["last_day"], day)

    def matrix(name: str, ahead: int, elsewhere: float) -> Floats:
        return _matrix(columns[name], first, (history_days, ahead), elsewhere)

    exposure = matrix("exposure", 0, 1.0)
    age = np.arange(history_days - 1, -1, -1)
    exposure[(age > first[:, None]) | (age < last[:, None])] = 0.0
    return Panel(
        day=day,
        units=matrix("units", 0, 0.0),
        exposure=exposure,
        price=matrix("price", 0, np.nan),
        display=matrix("display", horizon_days, 0.0),
        mailer=matrix("mailer", horizon_days, 0.0),
        announced=matrix("announced", horizon_days, -1.0),
    )


_ARRAYS = ("units", "exposure", "price", "display", "mailer", "announced")
_TYPES = {
    **dict.fromkeys(("first_day", "last_day"), pa.date32()),
    **dict.fromkeys(_ARRAYS, pa.list_(pa.float64())),
}


def _arrow(column: pd.Series | pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pd.Series):
        return pa.array(column, kind, from_pandas=True)
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.cast(kind)


def _ages(days: pa.Array, day: date) -> Integers:
    dates = np.asarray(days, "datetime64[D]")
    return (np.datetime64(day) - dates).astype(np.int64)


def _matrix(
    column: pa.ListArray, first_age: Integers, shape: tuple[int, int], elsewhere: float
) -> Floats:
    """Right-aligned arrays: the column of a day is the same in every row.

    Args:
        column: arrays from the first day of each series on, NULL for none.
        first_age: age of the first day.
        shape: days of history, and days ahead.
        elsewhere: fill value outside the arrays.
    """
    width, n = sum(shape), len(column)
    begins = shape[0] - 1 - first_age
    lengths = np.asarray(column.value_lengths().fill_null(0), np.int64)
    values = np.asarray(column.flatten(), np.float64)
    row_starts = np.arange(n) * width
    # One array of places for all rows: an element lies as far behind its row's first as here.
    shift = row_starts + begins - (np.cumsum(lengths) - lengths)
    places = np.arange(values.size) + np.repeat(shift, lengths)
    if ((begins < 0) | (begins + lengths > width)).any():
        in_row = places - np.repeat(row_starts, lengths)
        is_shown = (in_row >= 0) & (in_row < width)
        places, values = places[is_shown], values[is_shown]
    found = np.full(n * width, elsewhere)
    found[places] = values
    return found.reshape(n, width)
