"""The digest of a table's code: what it imports counts, what it does not import does not."""

import pytest

from conftest import HOME
from lakeshop.engine import code
from lakeshop.engine.code import CodeDigests
from lakeshop.pipeline import configuration


@pytest.fixture
def digests(monkeypatch):
    """Digests of tables, after changes of some modules' sources."""
    settings, applications, contracts = configuration(
        HOME / "conf", HOME / "schemas", env="local", shop="simulated"
    )
    true = code._source

    def found(**changes):
        changed = {name.replace("__", "."): text for name, text in changes.items()}
        monkeypatch.setattr(code, "_source", lambda m: true(m) + changed.get(m, ""))
        each = CodeDigests(contracts, applications, settings)
        tables = (*applications.wanted(contracts), "silver.transactions", "bronze.products")
        return {table: each(table) for table in (*tables, "ops.metrics:fraud", "ops.metrics")}

    return found


def changed_by(digests, **changes):
    before, after = digests(), digests(**changes)
    assert before == digests()
    return {table for table in before if before[table] != after[table]}


def test_a_comment_in_an_application_changes_its_own_tables_alone(digests):
    assert changed_by(digests, lakeshop__recommendations__discover="# a word") == {
        "gold.recommendations", "ops.metrics",
    }  # fmt: skip


def test_what_a_builder_imports_counts(digests):
    changed = changed_by(digests, lakeshop__ml__numeric="# a word")
    assert "gold.inventory_forecasts" in changed
    assert "gold.recommendations" not in changed or "similarity.neighbours" in changed
    assert "silver.transactions" not in changed


def test_modules_that_the_configuration_names_count(digests):
    changed = changed_by(digests, lakeshop__fraud__network="# a word")
    assert {"models.fraud", "gold.fraud_scores", "ops.metrics:fraud"} <= changed
    assert not {t for t in changed if t.startswith(("features.user", "silver.", "bronze."))}


def test_extensions_count_for_the_table_that_they_extend(digests):
    changed = changed_by(digests, lakeshop__inventory__backtest="# a word")
    assert {"ops.backtests", "ops.metrics"} <= changed
    assert "gold.inventory_forecasts" not in changed


def test_the_engine_counts_for_every_table(digests):
    assert changed_by(digests, lakeshop__storage__lake="# a word") == set(digests())
