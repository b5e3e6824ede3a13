"""Two lakes, table by table and row for row: `python -m lakediff OLD NEW`, with tests on the path.

Rows are compared as multisets, in full: NULL equals NULL and NaN equals NaN. What the digest of
the code or the clock goes into is left out, and of a model's file its weights are compared. Models
may lie in `ops.models` or, by application, in `models.*`: they are compared as `ops.models`, and
where that is so in one lake alone, what the logs tell of these tables is left out.
`--without TABLE.COLUMN` leaves out what is meant to differ, `--only TABLE` all other tables. The
exit code is 0 where all tables are equal.
"""

import argparse
import hashlib
import io
import sys
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import h5py
import pyarrow as pa
from deltalake import DeltaTable

MODELS, BY_APPLICATION, BACKTEST = "ops.models", "models.", "_backtest"
WEIGHTS = "model.weights.h5"
OF_CODE = {"run_id", "model_sha256", "sha256", "code", "data"}
# A training is named by the digest of its data, run ids included.
OF_TABLE: Mapping[str, set[str]] = {
    "ops.runs": {"seconds", "finished_at", "table_version", "settings"},
    "ops.publications": {"published_at", "table_version", "input_digest", "content_digest"},
    "ops.rounds": {"seconds", "training_seconds", "training_id"},
    MODELS: {"training_id"},
}
LOGS = {"ops.runs", "ops.publications"}
SHOWN = 3  # rows of each side
WIDTH = 120  # characters of a value

Tables = Mapping[str, DeltaTable]


@dataclass(frozen=True)
class Side:
    """One lake's table in DuckDB, its columns with their types."""

    view: str
    types: Mapping[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(prog="lakediff", description=__doc__)
    arguments.add_argument("old", type=Path)
    arguments.add_argument("new", type=Path)
    arguments.add_argument("--without", action="append", default=[], metavar="TABLE.COLUMN")
    arguments.add_argument("--only", action="append", default=[], metavar="TABLE")
    given = arguments.parse_args(argv)
    are_equal = True
    for is_equal, text in differences(given.old, given.new, given.without, given.only):
        are_equal &= is_equal
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    return 0 if are_equal else 1


def differences(
    old: Path, new: Path, without: Collection[str] = (), only: Collection[str] = ()
) -> Iterator[tuple[bool, str]]:
    """Of each table whether it is equal, and what there is to say of it."""
    lakes = by_name(tables_of(old)), by_name(tables_of(new))
    names = sorted(lakes[0].keys() | lakes[1].keys())
    if not names:
        yield False, f"no table below {old}, nor below {new}"
    is_moved = (MODELS in lakes[0].get(MODELS, {})) != (MODELS in lakes[1].get(MODELS, {}))
    for name in names:
        if only and name not in only:
            continue
        if any(name not in lake for lake in lakes):
            yield False, f"{name}: only in {'old' if name in lakes[0] else 'new'}"
            continue
        left_out = OF_CODE | OF_TABLE.get(name, set())
        left_out |= {of.rpartition(".")[2] for of in without if of.rpartition(".")[0] == name}
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            sides = [
                seen(database, view, held, left_out, is_moved and name in LOGS)
                for view, held in zip(
                    "ab", as_rows(name, *[lake[name] for lake in lakes]), strict=True
                )
            ]
            yield compared(database, name, *sides)


def tables_of(lake: Path) -> Tables:
    """The Delta tables below a folder, by layer and name."""
    return {
        ".".join(log.parent.relative_to(lake).parts): DeltaTable(log.parent)
        for log in sorted(lake.rglob("_delta_log"))
        if any(log.glob("*.json"))
    }


def by_name(tables: Tables) -> Mapping[str, Tables]:
    """The same by the name under which tables are compared."""
    found: dict[str, dict[str, DeltaTable]] = {}
    for name, table in tables.items():
        found.setdefault(MODELS if name.startswith(BY_APPLICATION) else name, {})[name] = table
    return found


def as_rows(name: str, *sides: Tables) -> Sequence[object]:
    """What DuckDB reads of a table: batch after batch, but for models."""
    if name != MODELS:
        return [side[name].to_pyarrow_dataset() for side in sides]
    tables = [{of: table.to_pyarrow_table() for of, table in side.items()} for side in sides]
    is_named = all("name" in part.column_names for side in tables for part in side.values())
    return [models(side, is_named) for side in tables]


def models(tables: Mapping[str, pa.Table], is_named: bool) -> pa.Table:
    """All models of a lake, each with its weights' digest instead of its file.

    Where not all tables have names, a table's name is that of its models, a backtest's too.
    """
    parts = []
    for table, part in tables.items():
        columns = {column: part[column] for column in part.column_names}
        columns["model"] = pa.array([weights_of(m.as_py()) for m in part["model"]], pa.string())
        if not is_named:
            names = [table.removeprefix(BY_APPLICATION)] * len(part)
            names = part["name"].to_pylist() if "name" in columns else names
            columns["name"] = pa.array([n.removesuffix(BACKTEST) for n in names], pa.string())
        parts.append(pa.table(columns))
    return pa.concat_tables(parts, promote_options="permissive")


def weights_of(payload: bytes) -> str:
    """The digest of a Keras file's weights, by their places."""
    digest = hashlib.sha256()

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            values = item[()]
            digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
            digest.update(values.tobytes())

    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        weights = io.BytesIO(archive.read(WEIGHTS))
    with h5py.File(weights, "r") as file:
        file.visititems(add)  # in the order of their names
    return digest.hexdigest()


def seen(
    database: duckdb.DuckDBPyConnection,
    view: str,
    held: object,
    left_out: Collection[str],
    are_models_left_out: bool,
) -> Side:
    """A view of one lake's rows, in the columns that are compared, in the order of their names."""
    database.register(f"{view}_held", held)
    rows = database.table(f"{view}_held")
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    chosen = {name: types[name] for name in sorted(types) if name not in left_out}
    columns = [
        _tables_read(name) if name == "inputs" and "table_name" in types else quoted(name)
        for name in chosen
    ]
    where = ""
    if are_models_left_out:
        of_models = "table_name = 'ops.models' OR table_name LIKE 'models.%'"
        where = f"WHERE NOT ({of_models})"
    select = f"SELECT {', '.join(columns) or '1 AS nothing'} FROM {view}_held {where}"
    database.execute(f"CREATE TEMP VIEW {view} AS {select}")
    return Side(view, chosen)


def _tables_read(column: str) -> str:
    """The names of the tables, without their versions; all tables of models are one."""
    names = f"list_transform({quoted(column)}, lambda x: split_part(x, '@', 1))"
    as_one = f"if(starts_with(x, '{BY_APPLICATION}'), '{MODELS}', x)"
    return f"list_sort(list_distinct(list_transform({names}, lambda x: {as_one}))) AS {column}"


def compared(
    database: duckdb.DuckDBPyConnection, name: str, old: Side, new: Side
) -> tuple[bool, str]:
    """Whether two tables are equal, and how they differ where they are not."""
    shared = {column: told for column, told in old.types.items() if column in new.types}
    faults = [f"column {column} only in old" for column in old.types if column not in shared]
    faults += [f"column {column} only in new" for column in new.types if column not in shared]
    faults += [
        f"column {column} is {told} in old, {new.types[column]} in new"
        for column, told in shared.items()
        if told != new.types[column]
    ]
    rows = [_one(database, f"SELECT count(*) FROM {side.view}")[0] for side in (old, new)]
    missing, added = _odd(database, shared)
    if not faults and not missing and not added:
        return True, f"{name}: equal, {rows[0]:,} rows"
    told = [f"{name}: differs, {rows[0]:,} rows in old, {rows[1]:,} in new", *faults]
    if missing or added:
        told.append(f"{missing:,} rows in old alone, {added:,} in new alone")
        told += _shown(database, shared)
    return False, "\n    ".join(told)


def _odd(database: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> tuple[int, int]:
    """Rows that each side has and the other lacks; the table `odd` holds their hashes."""
    for view in "ab":
        database.execute(
            f"CREATE TEMP TABLE {view}_hashes AS "
            f"SELECT {_hash(columns)} AS h, count(*) AS n FROM {view} GROUP BY h"
        )
    database.execute(
        "CREATE TEMP TABLE odd AS SELECT h, coalesce(a.n, 0) - coalesce(b.n, 0) AS more "
        "FROM a_hashes a FULL JOIN b_hashes b USING (h) WHERE more != 0"
    )
    return _one(
        database,
        "SELECT coalesce(sum(greatest(more, 0)), 0)::BIGINT, "
        "coalesce(sum(greatest(-more, 0)), 0)::BIGINT FROM odd",
    )


def _shown(database: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> Iterator[str]:
    """The columns that differ, and the first rows that do."""
    sums = ", ".join(f"sum({_hash({c: told})}::HUGEINT)" for c, told in columns.items())
    totals = [_one(database, f"SELECT {sums} FROM {view}") for view in "ab"]
    differing = [c for c, a, b in zip(columns, *totals, strict=True) if a != b]
    stated = ", ".join(differing) or "none by itself, the same values stand in other rows"
    yield f"columns that differ: {stated}"
    same = [column for column in columns if column not in differing]
    names = [*same, *differing]
    for view, sign, lake in (("a", ">", "old"), ("b", "<", "new")):
        found = database.execute(
            f"SELECT {', '.join(map(quoted, names))} FROM {view} "
            f"WHERE {_hash(columns)} IN (SELECT h FROM odd WHERE more {sign} 0) "
            f"ORDER BY ALL LIMIT {SHOWN}"
        ).fetchall()
        for row in found:
            told = dict(zip(names, row, strict=True))
            yield f"{lake}: " + ", ".join(f"{c}={_short(told[c])}" for c in (*differing, *same))


def _hash(columns: Mapping[str, str]) -> str:
    """64 bits of a row. To DuckDB a NULL within a list or instead of one is as if left out."""
    terms = ["1"]
    for name, told in columns.items():
        column = quoted(name)
        terms.append(column)
        if told.endswith("[]"):
            terms += [f"len({column})", f"list_transform({column}, lambda x: x IS NULL)"]
    return f"hash({', '.join(terms)})"


def _one(database: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = database.execute(query).fetchone()
    assert row is not None
    return row


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main())
