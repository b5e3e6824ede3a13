"""The files of a replay as a history and the stock it starts with."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lakeshop.errors import InputError
from lakeshop.inventory.replay.settings import Data, Held, Long, ReplaySettings, Wide
from lakeshop.inventory.replay.simulation import History, State, initial_state


class ReplayInput(NamedTuple):
    """Input of a replay: names of the series, history, start, the first scored period."""

    series: list[str]
    history: History
    start: State
    first: int


def read_input(settings: ReplaySettings, folder: Path) -> ReplayInput:
    """Read the input of a replay.

    Args:
        settings: of the replay.
        folder: folder of the files.

    Raises:
        InputError: a file or column is missing, or the periods do not fit.
    """
    data = settings.data
    if isinstance(data.demand, Long):
        units, exposure = _of_days(_long(data.demand, data, folder), data.demand, data)
    else:
        units = _wide(data.demand, data, folder).astype(np.float64)
        exposure = pd.DataFrame(1.0, index=units.index, columns=units.columns)
    if data.in_stock:
        shares = _wide(data.in_stock, data, folder).map(_share)
        exposure = shares.reindex(index=units.index, columns=units.columns).fillna(1.0)
    units, exposure = _in_periods(units, exposure, settings)
    first = int(units.columns.get_indexer(pd.Index([_first(settings)]))[0])
    if first < 1:
        msg = (
            f"first_scored should be the first day of a period, with others before it. Received "
            f"{settings.first_scored}; the periods go from {units.columns[0]:%Y-%m-%d} to "
            f"{units.columns[-1]:%Y-%m-%d}."
        )
        raise InputError(msg)
    # Of a wide file every row is a series, also one that was never in stock.
    chosen = _on_sale(exposure, first) if data.demand.layout == "long" else units.index
    if data.most_series:
        sold = units.loc[chosen].iloc[:, :first].sum(axis=1)
        chosen = sold.nlargest(data.most_series).index
    units, exposure = units.loc[chosen], exposure.loc[chosen]
    history = History(
        dates=units.columns.to_numpy().astype("datetime64[D]"),
        units=units.fillna(0.0).to_numpy(np.float64),
        exposure=exposure.to_numpy(np.float64),
        period_days=settings.period_days,
    )
    past = history.until(first)
    start = (
        _held(data.stock, data, folder, units.index)
        if data.stock
        else initial_state(past, data.start_cover, window=13, lead=settings.lead_periods)
    )
    names = [" ".join(map(str, key if isinstance(key, tuple) else (key,))) for key in chosen]
    return ReplayInput(names, history, start, first)


def _files(patterns: tuple[str, ...], folder: Path) -> list[Path]:
    found = []
    for pattern in patterns:
        matching = sorted(folder.glob(pattern))
        if not matching:
            msg = f"{folder / pattern} should exist. Found no such file; name the folder by --data."
            raise InputError(msg)
        found += matching
    return found


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError) as error:
        msg = f"{path} should be a table. Received: {error}"
        raise InputError(msg) from None


def _has(table: pd.DataFrame, columns: tuple[str, ...], path: Path) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        msg = (
            f"{path} should have the columns {', '.join(columns)}. "
            f"Missing: {', '.join(missing)}; map them in the replay's file."
        )
        raise InputError(msg)


def _wide(files: Wide, data: Data, folder: Path) -> pd.DataFrame:
    """Series by periods; a period in several files is that of the last one."""
    whole = pd.DataFrame()
    for path in _files(files.files, folder):
        table = _read(path)
        _has(table, data.series, path)
        table = table.set_index(list(data.series))
        try:
            table.columns = pd.to_datetime(table.columns, format="%Y-%m-%d")
        except ValueError as error:
            msg = f"{path} should have columns headed by days, YYYY-MM-DD. Received: {error}"
            raise InputError(msg) from None
        if table.index.has_duplicates:
            msg = f"{path} should have one row per series. Received several of {data.series}."
            raise InputError(msg)
        whole = table.combine_first(whole) if len(whole) else table
    return whole.sort_index(axis=1)


def _long(files: Long, data: Data, folder: Path) -> pd.DataFrame:
    columns = (*data.series, files.day, files.units, *([files.in_stock] if files.in_stock else []))
    tables = []
    for path in _files(files.files, folder):
        table = _read(path)
        _has(table, columns, path)
        tables.append(table[list(columns)])
    return pd.concat(tables, ignore_index=True)


def _of_days(rows: pd.DataFrame, files: Long, data: Data) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Units and exposure, series by the days that occur."""
    rows = rows.assign(**{files.day: pd.to_datetime(rows[files.day])})
    series, keys = list(data.series), [*data.series, files.day]
    units = rows.groupby(keys)[files.units].sum().unstack(files.day)
    days = pd.date_range(units.columns[0], units.columns[-1], freq="D")
    units = units.reindex(columns=days)
    ends = rows.groupby(series)[files.day].agg(["min", "max"]).reindex(units.index)
    place = days.to_numpy()[None, :]
    first, last = (ends[name].to_numpy()[:, None] for name in ("min", "max"))
    exposure = pd.DataFrame(
        ((place >= first) & (place <= last)).astype(float), index=units.index, columns=days
    )
    if files.in_stock:
        shares = rows.assign(_share=rows[files.in_stock].map(_share))
        shares = shares.groupby(keys)["_share"].min().unstack(files.day)
        exposure *= shares.reindex(columns=days).fillna(1.0)
    return units.fillna(0.0), exposure


def _in_periods(
    units: pd.DataFrame, exposure: pd.DataFrame, settings: ReplaySettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Days summed to periods that begin on the first scored day; whole periods only."""
    if settings.data.demand.layout == "long":
        length, first = settings.period_days, _first(settings)
        number = (pd.DatetimeIndex(units.columns) - first).days.to_numpy() // length
        units, exposure = (frame.T.groupby(number).sum().T for frame in (units, exposure))
        whole = np.bincount(number - number.min()) == length
        units, exposure = units.loc[:, whole], exposure.loc[:, whole] / length
        starts = first + pd.to_timedelta(units.columns.to_numpy() * length, unit="D")
        units.columns = exposure.columns = pd.DatetimeIndex(starts)
    if settings.last_scored:
        kept = pd.DatetimeIndex(units.columns) <= pd.Timestamp(settings.last_scored)
        units, exposure = units.loc[:, kept], exposure.loc[:, kept]
    gaps = np.diff(units.columns.to_numpy()) != np.timedelta64(settings.period_days, "D")
    if gaps.any():
        day = units.columns[int(np.argmax(gaps))]
        msg = (
            f"Periods should follow each other every {settings.period_days} days. "
            f"Received none after that of {day:%Y-%m-%d}; see period_days and the files."
        )
        raise InputError(msg)
    return units, exposure


def _held(held: Held, data: Data, folder: Path, series: pd.Index) -> State:
    path = _files((held.file,), folder)[0]
    table = _read(path)
    _has(table, (*data.series, held.on_hand, *held.in_transit), path)
    table = table.set_index(list(data.series))
    missing = series.difference(table.index)
    if len(missing):
        msg = f"{path} should have a row of each series. Missing {len(missing)}: {missing[0]}."
        raise InputError(msg)
    table = table.loc[series].astype({held.on_hand: float})
    return State(
        table[held.on_hand].to_numpy(np.float64),
        table[list(held.in_transit)].to_numpy(np.float64).reshape(len(table), -1),
    )


def _on_sale(exposure: pd.DataFrame, first: int) -> pd.Index:
    """Series that were on sale before the first scored period and in it."""
    before, then = exposure.iloc[:, :first].sum(axis=1), exposure.iloc[:, first]
    return exposure.index[(before > 0) & (then > 0)]


def _first(settings: ReplaySettings) -> pd.Timestamp:
    return pd.Timestamp(settings.first_scored)


def _share(value: object) -> float:
    """True, false, 0, 1 or a share; as text, too."""
    return float({"true": 1, "false": 0}.get(str(value).strip().lower(), str(value)))
