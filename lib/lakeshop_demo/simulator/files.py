"""The files of one unit: drops by entity and day, and the truth by table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakeshop_demo.drops import packed, put
from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.chance import Chance, Ints
from lakeshop_demo.simulator.dirt import OUTCOMES, Delivery, delivery
from lakeshop_demo.simulator.season import Season
from lakeshop_demo.simulator.texts import contents

# Delivered every day, also of a day on which nothing happened.
ALWAYS = frozenset({"transactions", "user_actions"})


@dataclass(frozen=True)
class Folders:
    """Folders of drops and truth."""

    landing: Path
    truth: Path


def delivered(
    arguments: Arguments, entity: str, lines: pa.StringArray, day: Ints, *ids: Ints
) -> Delivery:
    """Rows with their dirt, which is drawn by the rows' own ids."""
    drawn = Chance(arguments.seed).uniform(f"dirt of {entity}", *ids)
    return delivery(entity, lines, day, drawn, arguments.dirt)


def write(
    arguments: Arguments,
    name: str,
    folders: Folders,
    given: Iterable[Delivery],
    tables: Mapping[str, pa.Table],
    *,
    own_days: tuple[int, int],
) -> dict[str, int]:
    """Write the files of a unit; rows due after the last day are never delivered.

    Args:
        arguments: of the simulation.
        name: of the unit, and so of its files.
        folders: of the drops and the truth.
        given: rows by entity.
        tables: the truth by table.
        own_days: first day and the one after the last, of which a drop is always written.

    Returns:
        Rows delivered, by entity.
    """
    rows: dict[str, int] = {}
    counts: list[tuple[str, int, str, int]] = []
    for one in given:
        by_day = dict(contents(one.lines, one.day))
        if one.entity in ALWAYS:
            by_day |= {day: b"" for day in range(*own_days) if day not in by_day}
        for day, content in by_day.items():
            if day < arguments.days:
                place = f"{one.entity}/{arguments.date_of(day)}/{name}.jsonl.gz"
                put(folders.landing / place, packed(content))
        held = [(one.entity, *key, n) for key, n in one.counts().items() if key[0] < arguments.days]
        rows[one.entity] = sum(n for *_, n in held)
        counts += held
    for table, content in ({"rows": _counts(arguments, counts)} | dict(tables)).items():
        put(folders.truth / table / f"{name}.parquet", parquet(content))
    return rows


def _counts(arguments: Arguments, counts: list[tuple[str, int, str, int]]) -> pa.Table:
    entities, days, kinds, rows = zip(*counts, strict=True) if counts else ([], [], [], [])
    return pa.table(
        {
            "entity": pa.array(entities, pa.string()),
            "business_date": dates(arguments, np.array(days, np.int64)),
            "kind": pa.array(kinds, pa.string()),
            "outcome": pa.array([OUTCOMES[kind] for kind in kinds], pa.string()),
            "rows": pa.array(rows, pa.int64()),
        }
    )


def dates(arguments: Arguments, days: Ints) -> pa.Array:
    """Dates of days that count from the first one."""
    return pa.array((np.datetime64(arguments.start) + days).astype("datetime64[D]"))


def parquet(table: pa.Table) -> bytes:
    """The table as the bytes of a Parquet file, the same for the same."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def calendar(arguments: Arguments) -> pa.Table:
    """Factor of each day on a user's visits."""
    days = np.arange(arguments.days)
    factor = Season(arguments.start).visits(days)
    return pa.table({"day": dates(arguments, days), "visits": factor})
