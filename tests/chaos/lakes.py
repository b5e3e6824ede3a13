"""What a lake holds, read without Spark: rows by table and day, the ledger, and what is wrong.

`deltalake` reads the tables, so that what Spark wrote is judged by somebody else.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable

from shops import OUTCOMES

Days = Mapping[date, tuple[int, str]]
LATEST = "_latest"
OF_THE_RUN = {"table_version", "published_at", "inputs"}  # of a publication: other at each try


@dataclass(frozen=True)
class Held:
    """What one moment of a lake holds."""

    tables: Mapping[str, Days]
    ledger: Mapping[tuple[str, date], Mapping[str, object]]
    versions: Mapping[str, int]
    runs: tuple[Mapping[str, object], ...]

    @property
    def without_ops(self) -> Mapping[str, Days]:
        return {table: days for table, days in self.tables.items() if not table.startswith("ops.")}


def tables_of(lake: Path) -> Iterator[tuple[str, DeltaTable]]:
    """The tables of a lake that were written; one whose first commit is missing is none."""
    for log in sorted(lake.glob("*/*/_delta_log")):
        if any(log.glob("*.json")):
            yield f"{log.parent.parent.name}.{log.parent.name}", DeltaTable(log.parent)


def held_by(lake: Path) -> Held:
    """What a lake holds now."""
    tables: dict[str, Days] = {}
    versions: dict[str, int] = {}
    rows_of: dict[str, list[dict[str, object]]] = {}
    for name, table in tables_of(lake):
        rows = table.to_pyarrow_table().to_pylist()
        versions[name] = table.version()
        tables[name] = by_day(rows)
        if name in {"ops.publications", "ops.runs"}:
            rows_of[name] = rows
    ledger = {}
    noted = rows_of.get("ops.publications", [])
    for row in sorted(noted, key=lambda row: (row["published_at"], row["table_version"])):
        ledger[str(row["table_name"]), row["business_date"]] = row
    return Held(tables, ledger, versions, tuple(rows_of.get("ops.runs", [])))  # type: ignore[arg-type]


def by_day(rows: list[dict[str, object]]) -> Days:
    """Number and digest of the rows of each day, whatever their order."""
    days: dict[date, list[str]] = {}
    for row in rows:
        days.setdefault(row["business_date"], []).append(repr(sorted(row.items())))  # type: ignore[arg-type]
    return {
        day: (len(texts), hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16])
        for day, texts in days.items()
    }


def faults_of_killed(now: Held, before: Held, right: Held) -> list[str]:
    """What no kill may leave: anything but each table's day as it was, or as it is to become."""
    faults = []
    for table, days in now.without_ops.items():
        old, new = before.tables.get(table, {}), right.tables.get(table, {})
        if table.endswith(LATEST):
            # The whole table is one publication.
            if days not in (old, new):
                faults.append(f"{table} is neither the old nor the new: {days}")
            faults += [
                f"{table} shows {day}, which {table.removesuffix(LATEST)} does not hold"
                for day, content in days.items()
                if now.tables[table.removesuffix(LATEST)].get(day) != content
            ]
            continue
        faults += [
            f"{table} of {day} is neither the old nor the new: {days.get(day)}"
            for day in {*days, *old, *new}
            if days.get(day) not in (old.get(day), new.get(day))
        ]
    faults += [f"{table} is gone" for table in before.tables if table not in now.tables]
    return faults + faults_of_ledger(now, right) + faults_of_balance(now)


def faults_of_ledger(now: Held, right: Held) -> list[str]:
    """Publications that are not so: other content than is to be, or none in the table."""
    faults = []
    for (table, day), noted in now.ledger.items():
        truth = right.ledger.get((table, day))
        if truth is None or any(noted[k] != truth[k] for k in truth if k not in OF_THE_RUN):
            faults.append(f"the ledger has {table} of {day} as {noted}, not as {truth}")
        if now.tables[table].get(day) != right.tables[table].get(day):
            faults.append(f"the ledger has {table} of {day}, the table has other rows")
        if int(str(noted["table_version"])) > now.versions[table]:
            faults.append(f"the ledger has {table} at version {noted['table_version']}, too new")
    return faults


def faults_of_balance(now: Held) -> list[str]:
    """Runs that lost rows, or doubled them."""
    return [
        f"{run['table_name']} of {run['business_date']}: rows in are not accounted for, {run}"
        for run in now.runs
        if run["rows_in"] != sum(int(str(run[k])) for k in OUTCOMES if run[k] is not None)
    ]


def faults_at_the_end(now: Held, right: Held) -> list[str]:
    """How a lake differs from that of undisturbed nights, ops and numbers of versions apart."""
    faults = [
        f"{table} holds {now.tables.get(table)}, not {days}"
        for table, days in right.without_ops.items()
        if now.tables.get(table) != days
    ]
    faults += [f"{t} should not be there" for t in now.tables if t not in right.tables]
    faults += [f"{key} is missing in the ledger" for key in right.ledger if key not in now.ledger]
    faults += [
        f"{table} does not show its newest day"
        for table, days in now.tables.items()
        if table.endswith(LATEST) and days != _newest(now.tables[table.removesuffix(LATEST)])
    ]
    return faults + faults_of_ledger(now, right) + faults_of_balance(now)


def _newest(days: Days) -> Days:
    return {max(days): days[max(days)]} if days else {}


def unreferenced(lake: Path) -> Counter[str]:
    """Data files that no table refers to, by table: what killed writes left."""
    left: Counter[str] = Counter()
    for name, table in tables_of(lake):
        folder = lake / name.replace(".", "/")
        known = {unquote(uri).rpartition("/")[2] for uri in table.file_uris()}
        left[name] = sum(
            file.name not in known
            for file in folder.rglob("*.parquet")
            if "_delta_log" not in file.parts
        )
    return +left
