"""Contents change, and no day is judged otherwise because of it; most of it without Spark."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from conftest import HOME
from lakeshop.engine.inputs import needs_rebuild, removed_inputs
from lakeshop.engine.run import Run
from lakeshop.maintenance import erasure as erasing
from lakeshop.maintenance.erasure import erase, rebase
from lakeshop.pipeline import STAGES, all_contracts
from lakeshop.storage.content import EMPTY, Content
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger, Publication
from shops import LINES_ALONE, contents, line, run_days, tiny_shop

D = date(2026, 3, 10)
DAYS = [D - timedelta(days=1), D]
CONTRACTS = all_contracts(HOME / "schemas")
TABLES = ("bronze.transactions", "silver.transactions", "features.product_days")


@pytest.fixture
def run(settings):
    """Two days of three tables, each made from the one before it, all current."""
    lake = Lake(None, "nowhere", CONTRACTS)
    run = Run("test", lake, Ledger(lake), settings, D, D)
    for table in TABLES:
        inputs = tuple(f"{declared.table}@1" for declared in CONTRACTS[table].inputs)
        for day in DAYS:
            made = run.ledger.input_digest(CONTRACTS[table], day)
            named = run.run_id(table, day)
            content = Content(5, f"of {table} {day}")
            run.ledger.record([Publication(table, day, named, made, content, 1, inputs)])
    return run


def open_days(run):
    return {
        (table, day)
        for table in TABLES[1:]
        for day in DAYS
        if not run._is_current(CONTRACTS[table], day)
    }


CHANGED = {"bronze.transactions": {D: Content(4, "other")}, "silver.transactions": {D: EMPTY}}


def test_without_it_days_would_be_stale(run):
    for table, days in CHANGED.items():
        was = run.ledger.publication(table, D)
        run.ledger.record([replace(was, content=days[D])])
    assert open_days(run) == {(table, D) for table in TABLES[1:]}


def test_what_was_current_stays_current_and_knows_its_new_content(run):
    rebase(run, CHANGED)
    assert open_days(run) == set()
    assert run.ledger.publication("silver.transactions", D).content == EMPTY
    assert run.ledger.publication("bronze.transactions", D).content.rows == 4
    new = [(p.table, p.day) for p in run.ledger._new[6:]]
    assert len(new) == len(set(new)), "one publication of a day, or their order would decide"


def test_what_was_stale_stays_stale(run):
    table = TABLES[2]
    was = run.ledger.publication(table, D)
    run.ledger.record([replace(was, input_digest="older")])
    rebase(run, CHANGED)
    assert open_days(run) == {(table, D)}


def test_results_of_older_code_are_rebuilt_on_request_only(run):
    was = run.ledger.publication(TABLES[2], D)
    run.ledger.record([replace(was, run_id="of older code")])
    rebase(run, CHANGED)
    assert open_days(run) == {(TABLES[2], D)}
    assert not run.ledger.is_stale(CONTRACTS[TABLES[2]], D)


def test_the_same_again_changes_nothing(run):
    rebase(run, CHANGED)
    count = len(run.ledger._new)
    rebase(run, CHANGED)
    assert len(run.ledger._new) == count


# -- what retention has removed ------------------------------------------------------------------


def test_removed_rows_leave_what_was_made_from_them_current(run):
    run.ledger.record_removed("bronze.transactions", D)
    assert run.ledger.publication("bronze.transactions", DAYS[0]).is_removed
    assert not run.ledger.publication("bronze.transactions", D).is_removed
    assert open_days(run) == set()


def test_what_cannot_be_made_the_same_is_not_redone(run):
    table = "silver.transactions"
    contract = CONTRACTS[table]
    for day in DAYS:
        was = run.ledger.publication(table, day)
        run.ledger.record([replace(was, input_digest="older")])
    assert needs_rebuild(run.ledger, contract, D)
    run.ledger.record_removed("bronze.transactions", D)
    assert needs_rebuild(run.ledger, contract, D), "its own day of bronze is there"
    assert not needs_rebuild(run.ledger, contract, DAYS[0])
    removed = run.ledger.removed_inputs(contract, DAYS[0])
    assert removed == ["bronze.transactions"]
    assert "bronze.transactions that retention has removed" in removed_inputs(
        contract, DAYS[0], removed
    )


def test_what_was_removed_is_not_redone(run):
    table = "features.product_days"
    was = run.ledger.publication(table, DAYS[0])
    run.ledger.record([replace(was, input_digest="older")])
    assert needs_rebuild(run.ledger, CONTRACTS[table], DAYS[0])
    run.ledger.record_removed(table, D)
    assert not needs_rebuild(run.ledger, CONTRACTS[table], DAYS[0])


# -- what killed runs have left ------------------------------------------------------------------

GONE, ALSO = "QwErTyUiOpAsDfGhJkLz", "ZxCvBnMaSdFgHjKlQwEr"


@pytest.fixture
def shop(spark, tmp_path):
    """A day on which both buy."""
    shop = tiny_shop(spark, tmp_path, shop=LINES_ALONE)
    shop.deliver("transactions", D, lines())
    return shop


def lines(**of_nobody):
    bought = [line(1, f"{D} 09:00:00", user=GONE), line(2, f"{D} 10:00:00", user=ALSO)]
    return [*bought, line(3, f"{D} 11:00:00", **of_nobody)]


@pytest.mark.parametrize(
    "stages",
    [("ingest",), pytest.param(("ingest", "clean"), marks=pytest.mark.chaos)],
    ids=" ".join,
)
def test_what_a_killed_night_has_replaced_is_made_again_after_an_erasure(shop, stages):
    """Its corrected drop is in the tables, and nothing that the ledger knows was made from it."""
    run_days(shop, "lake", D, D)
    shop.deliver("transactions", D, lines(amount="9.99"))
    killed = shop.run(D)
    for stage in stages:
        STAGES[stage](killed)
    erase(shop.run(D), [GONE])
    run_days(shop, "lake", D, D)
    run_days(shop, "undisturbed", D, D)
    assert contents(shop.lake(), D, D) == contents(shop.lake("undisturbed"), D, D)


def test_an_erasure_after_a_killed_one_of_somebody_else_knows_what_is_left(shop, monkeypatch):
    """Then the ledger knows neither what is there nor what is to be, and yet nothing is lost."""

    def killed(*_):
        raise KeyboardInterrupt

    loaded = shop.run(D)
    STAGES["ingest"](loaded)
    loaded.flush()
    with monkeypatch.context() as patched:
        patched.setattr(erasing.tables, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(shop.run(D), [GONE])
    erase(shop.run(D), [ALSO])
    run = shop.run(D)
    there = run.lake.content(TABLES[0], D, D)[D]
    assert run.ledger.publication(TABLES[0], D).content == there
    assert there.rows == 1
