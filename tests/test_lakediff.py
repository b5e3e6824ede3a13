"""What tells two lakes apart is told the truth about small ones."""

import io
import math
import zipfile
from datetime import UTC, date, datetime

import h5py
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakediff import differences, main

NAN = math.nan
ROWS = {
    "business_date": [date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 3)],
    "name": ["a", None, "c", "c"],
    "value": [0.1 + 0.2, NAN, None, None],
    "parts": [[1.0, None], [], None, None],
    "run_id": ["r1", "r2", "r3", "r4"],
}
TYPES = {"name": pa.string(), "value": pa.float64(), "parts": pa.list_(pa.float64())}
LOG = {
    "table_name": ["gold.lists", "ops.models"],
    "inputs": [["silver.lines@7", "ops.models@3"], ["silver.lines@7"]],
    "rows": [3, 2],
    "published_at": [datetime(2026, 3, 3, tzinfo=UTC)] * 2,
    "table_version": [4, 5],
    "content_digest": ["x", "y"],
}


def write(lake, table, rows):
    columns = {c: pa.array(values, TYPES.get(c)) for c, values in rows.items()}
    write_deltalake(lake / table.replace(".", "/"), pa.table(columns))


def said(old, new, **options):
    """What is said of the tables that differ."""
    return [text for is_equal, text in differences(old, new, **options) if not is_equal]


@pytest.fixture
def old(tmp_path):
    write(tmp_path / "old", "gold.lists", ROWS)
    return tmp_path / "old"


def file_of(weights, note):
    """A model's file, with nothing but its weights and what differs from file to file."""
    file, payload = io.BytesIO(), io.BytesIO()
    with h5py.File(file, "w") as content:
        content["layers/dense/vars/0"] = weights
    with zipfile.ZipFile(payload, "w") as archive:
        archive.writestr("metadata.json", note)
        archive.writestr("model.weights.h5", file.getvalue())
    return payload.getvalue()


def models_of(names, weights, note):
    return {
        "name": names,
        "method": [f"method {n}" for n, _ in enumerate(names)],
        "model": [file_of(w, note) for w in weights],
        "sha256": [note] * len(names),
        "training_id": [note] * len(names),
    }


def test_a_lake_is_equal_to_itself(old, capsys):
    assert main([str(old), str(old)]) == 0
    assert capsys.readouterr().out == "gold.lists: equal, 4 rows\n"


def test_neither_order_nor_run_tells_rows_apart(old, tmp_path):
    other = {c: values[::-1] for c, values in ROWS.items()} | {"run_id": ["other"] * 4}
    write(tmp_path / "new", "gold.lists", other)
    assert not said(old, tmp_path / "new")


@pytest.mark.parametrize(
    ("column", "place", "value"),
    [
        ("value", 0, 0.3),  # the last bit
        ("value", 1, None),
        ("value", 2, NAN),
        ("value", 2, 0.0),
        ("name", 1, ""),
        ("parts", 0, [1.0]),
        ("parts", 0, [None, 1.0]),
        ("parts", 1, None),
        ("parts", 1, [None]),
        ("business_date", 3, date(2026, 3, 4)),
    ],
)
def test_a_changed_value_is_found(old, tmp_path, column, place, value, capsys):
    changed = {c: list(values) for c, values in ROWS.items()}
    changed[column][place] = value
    write(tmp_path / "new", "gold.lists", changed)
    assert main([str(old), str(tmp_path / "new")]) == 1
    told = capsys.readouterr().out
    assert "1 rows in old alone, 1 in new alone" in told
    assert f"columns that differ: {column}\n" in told
    assert not said(old, tmp_path / "new", without=[f"gold.lists.{column}"])


def test_equal_rows_are_counted(old, tmp_path):
    write(tmp_path / "new", "gold.lists", {c: values[:3] for c, values in ROWS.items()})
    (text,) = said(old, tmp_path / "new")
    assert "4 rows in old, 3 in new" in text
    assert "1 rows in old alone, 0 in new alone" in text


def test_values_that_changed_places_are_found(old, tmp_path):
    swapped = ROWS | {"name": ["c", None, "a", "c"]}
    write(tmp_path / "new", "gold.lists", swapped)
    (text,) = said(old, tmp_path / "new")
    assert "2 rows in old alone, 2 in new alone" in text
    assert "the same values stand in other rows" in text


def test_columns_and_tables_of_one_lake_alone_are_found(old, tmp_path):
    new = tmp_path / "new"
    write(new, "gold.lists", {c: v for c, v in ROWS.items() if c != "parts"} | {"rank": [1] * 4})
    write(new, "gold.others", ROWS)
    lists, others = said(old, new)
    assert "column parts only in old" in lists
    assert "column rank only in new" in lists
    assert others == "gold.others: only in new"
    assert said(new, old)[1] == "gold.others: only in old"
    assert not said(new, new)
    assert not said(old, new, only=["silver.lines"])


def test_another_type_is_found(tmp_path):
    write(tmp_path / "old", "gold.ranks", {"rank": pa.array([1, 2], pa.int32())})
    write(tmp_path / "new", "gold.ranks", {"rank": pa.array([1, 2], pa.int64())})
    (text,) = said(tmp_path / "old", tmp_path / "new")
    assert "column rank is INTEGER in old, BIGINT in new" in text


def test_two_folders_without_a_table_are_not_equal(tmp_path):
    assert main([str(tmp_path), str(tmp_path)]) == 1


def test_logs_differ_by_what_was_done_not_by_when(tmp_path):
    write(tmp_path / "old", "ops.publications", LOG)
    later = {
        "published_at": [datetime(2026, 3, 4, tzinfo=UTC)] * 2,
        "inputs": [["silver.lines@8", "ops.models@1"], ["silver.lines@9"]],
        "table_version": [0, 1],
        "content_digest": ["a", "b"],
    }
    write(tmp_path / "new", "ops.publications", LOG | later)
    assert not said(tmp_path / "old", tmp_path / "new")
    write(tmp_path / "less", "ops.publications", LOG | {"rows": [3, 1]})
    assert said(tmp_path / "old", tmp_path / "less")


def test_models_are_compared_by_their_weights(tmp_path):
    names, weights = ["fraud", "demand"], [[1.0, 2.0], [3.0]]
    write(tmp_path / "old", "ops.models", models_of(names, weights, "of old code"))
    write(tmp_path / "new", "ops.models", models_of(names, weights, "of new code"))
    assert not said(tmp_path / "old", tmp_path / "new")
    write(tmp_path / "other", "ops.models", models_of(names, [[1.0, 2.0], [3.1]], "of new code"))
    (text,) = said(tmp_path / "old", tmp_path / "other")
    assert "columns that differ: model\n" in text


@pytest.mark.parametrize("is_named", [True, False])
def test_models_of_each_application_are_those_of_one_table(tmp_path, is_named):
    names, weights = ["fraud", "demand", "demand_backtest"], [[1.0], [2.0], [3.0]]
    every = models_of(names, weights, "old")
    write(tmp_path / "old", "ops.models", every)
    write(tmp_path / "old", "ops.publications", LOG)
    for table, places in (("models.fraud", slice(0, 1)), ("models.demand", slice(1, 3))):
        rows = {c: v[places] for c, v in every.items() if is_named or c != "name"}
        write(tmp_path / "new", table, rows)
    moved = {
        "table_name": ["gold.lists", "models.fraud"],
        "inputs": [["silver.lines@7", "models.fraud@3"], ["silver.lines@7"]],
    }
    write(tmp_path / "new", "ops.publications", LOG | moved)
    assert not said(tmp_path / "old", tmp_path / "new")
    write(tmp_path / "less", "models.fraud", {c: v[:1] for c, v in every.items()})
    (text,) = said(tmp_path / "old", tmp_path / "less", only=["ops.models"])
    assert "2 rows in old alone, 0 in new alone" in text
