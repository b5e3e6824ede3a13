"""Gold is read by every engine: the same rows from Spark, DuckDB, Polars and deltalake."""

import re
from pathlib import Path

import deltalake
import duckdb
import polars as pl
import pytest

from conftest import HOME, TwoNights
from lakeshop.pipeline import all_contracts

EXAMPLES = re.findall(r"```python\n# (\w+)\n(.*?)```", (HOME / "README.md").read_text(), re.DOTALL)
QUERIES = re.findall(r"```sql\n(.*?)```", (HOME / "docs" / "tables.md").read_text(), re.DOTALL)
GOLD = [
    name
    for table in sorted(t for t in all_contracts(HOME / "schemas") if t.startswith("gold."))
    for name in (table, f"{table}_latest")
]


def as_text(rows: list[tuple[object, ...]]) -> list[str]:
    """Rows as sorted text; times without a zone are UTC in every engine."""
    return sorted(repr([_plain(v) for v in row]) for row in rows)


def _plain(value: object) -> object:
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", GOLD)
def test_four_engines_read_the_same_rows(two_nights: TwoNights, table: str) -> None:
    shop, _ = two_nights
    lake = shop.lake("in_order")
    path, columns = lake.path(table), lake.contract(table).column_names
    by_spark = shop.spark.read.format("delta").load(path).select(*columns)
    expected = as_text([tuple(row) for row in by_spark.collect()])
    assert expected, f"{table} should hold rows"

    by_polars = pl.scan_delta(path).select(columns).collect().rows()
    assert as_text(by_polars) == expected

    arrow = deltalake.DeltaTable(path).to_pyarrow_table(columns=columns)
    assert as_text([tuple(row.values()) for row in arrow.to_pylist()]) == expected

    with duckdb.connect() as connection:
        _load_delta(connection)
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT {', '.join(columns)} FROM delta_scan('{path}')"
        assert as_text(connection.execute(query).fetchall()) == expected


@pytest.mark.parametrize("table", GOLD)
def test_gold_stays_at_reader_version_1(two_nights: TwoNights, table: str) -> None:
    shop, _ = two_nights
    protocol = deltalake.DeltaTable(shop.lake("in_order").path(table)).protocol()
    assert protocol.min_reader_version == 1
    assert not protocol.reader_features


def test_there_are_three_examples_in_the_readme() -> None:
    assert [engine for engine, _ in EXAMPLES] == ["Spark", "DuckDB", "Polars"]


@pytest.mark.parametrize(("engine", "example"), EXAMPLES, ids=[engine for engine, _ in EXAMPLES])
def test_the_readmes_examples_run(
    two_nights: TwoNights,
    engine: str,
    example: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop, _ = two_nights
    monkeypatch.chdir(HOME)
    before = shop.spark.conf.getAll
    try:
        exec(example.replace("lake/gold", f"{shop.lake('in_order').root}/gold"), {})
    finally:
        for key, value in before.items():
            if shop.spark.conf.get(key) != value and shop.spark.conf.isModifiable(key):
                shop.spark.conf.set(key, value)
    assert "product_id" in capsys.readouterr().out, engine


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_the_queries_for_analysts_run(two_nights: TwoNights, query: str) -> None:
    shop, _ = two_nights
    lake = shop.lake("in_order")
    for place in re.findall(r"'lake/(\w+/\w+)'", query):
        lake.ensure(place.replace("/", "."))  # nights so young have no figures yet
    with duckdb.connect() as connection:
        _load_delta(connection)
        found = connection.execute(query.replace("lake/", f"{shop.lake('in_order').root}/"))
        assert found.description
        found.fetchall()


def _load_delta(connection: duckdb.DuckDBPyConnection) -> None:
    """The extension comes as a package, so that no engine downloads anything."""
    import duckdb_extension_delta

    folder = Path(duckdb_extension_delta.__file__).parent
    extension = next(folder.rglob("delta.duckdb_extension"))
    connection.execute(f"LOAD '{extension}'")
