"""Tables of training days: when they are made, and which day of them nights read."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from lakeshop.contracts.model import DAILY
from lakeshop.engine.inputs import read_inputs
from lakeshop.engine.run import Run
from lakeshop.storage.content import Content
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger, Publication

NEIGHBOURS, LISTS = "similarity.neighbours", "gold.similar_products"
BOUGHT = "features.user_product_days"
MONDAY = date(2026, 3, 9)
THURSDAY = MONDAY + timedelta(days=3)
WEEK = timedelta(days=7)


def published(table, *days, rows=1, digest="a", failure=""):
    return [
        Publication(table, day, "r", "i", Content(rows, digest), 1, failure=failure) for day in days
    ]


@pytest.fixture
def run(spark, tmp_path, contracts, settings):
    """A run of a Thursday on an empty lake; what is published is up to the test."""
    lake = Lake(spark, str(tmp_path / "lake"), contracts)
    return Run("nightly", lake, Ledger(lake), settings, THURSDAY, THURSDAY)


def made_on(run, table=NEIGHBOURS):
    return [first for first, _ in run.todo(table)]


def declared(contracts):
    return next(i for i in contracts[LISTS].inputs if i.table == NEIGHBOURS)


def test_neighbours_are_found_on_the_training_day(run):
    run.ledger.record(published(BOUGHT, MONDAY - WEEK, MONDAY))
    assert made_on(run) == [MONDAY]


def test_a_young_shop_finds_them_each_night_until_it_was_known_on_a_training_day(run):
    run.ledger.record(published(BOUGHT, MONDAY, rows=0))
    run.ledger.record(published(BOUGHT, MONDAY + timedelta(days=1), THURSDAY))
    assert made_on(run) == [THURSDAY], "on Monday nothing was known"
    run.ledger.record(published("silver.transactions", MONDAY))
    assert made_on(run) == [MONDAY]


def test_a_shop_that_wants_it_finds_them_each_night(run, contracts):
    run.lake.contracts[NEIGHBOURS] = replace(contracts[NEIGHBOURS], schedule=DAILY)
    try:
        run.ledger.record(published(BOUGHT, MONDAY))
        assert made_on(run) == [THURSDAY]
    finally:
        run.lake.contracts[NEIGHBOURS] = contracts[NEIGHBOURS]


def test_a_night_reads_the_newest_day_that_did_not_fail(run, contracts):
    reach = run.ledger.reach
    ask = contracts[LISTS], declared(contracts), THURSDAY
    assert reach(*ask) == (THURSDAY - timedelta(days=13), THURSDAY), "none was made"
    run.ledger.record(published(NEIGHBOURS, MONDAY - WEEK, MONDAY))
    run.ledger.record(published(NEIGHBOURS, MONDAY + WEEK))
    assert reach(*ask) == (MONDAY, MONDAY), "a later one is not known yet"
    run.ledger.record(published(NEIGHBOURS, MONDAY, failure="it broke"))
    assert reach(*ask) == (MONDAY - WEEK, MONDAY - WEEK)


def test_only_the_day_that_is_read_makes_a_night_stale(run, contracts):
    run.ledger.record(published(NEIGHBOURS, MONDAY - WEEK, MONDAY))
    before = run.ledger.input_digest(contracts[LISTS], THURSDAY)
    run.ledger.record(published(NEIGHBOURS, MONDAY - WEEK, digest="b"))
    assert run.ledger.input_digest(contracts[LISTS], THURSDAY) == before
    run.ledger.record(published(NEIGHBOURS, MONDAY, digest="b"))
    assert run.ledger.input_digest(contracts[LISTS], THURSDAY) != before


def test_a_builder_gets_one_day_of_neighbours(run, contracts, rows):
    for day in (MONDAY - WEEK, MONDAY):
        made = rows(NEIGHBOURS, {"business_date": day, "product_id": f"{day}"})
        run.lake.replace_days(NEIGHBOURS, made, day, day, run_id="r")
    run.ledger.record(published(NEIGHBOURS, MONDAY - WEEK, MONDAY))
    tables = read_inputs(run.lake, run.ledger, contracts[LISTS], THURSDAY, THURSDAY)
    assert [row["product_id"] for row in tables[NEIGHBOURS].collect()] == [f"{MONDAY}"]
