"""What was published from what; most of it without Spark."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from conftest import HOME, collected
from lakeshop.bronze.ingest import ingest
from lakeshop.contracts.model import Input
from lakeshop.pipeline import all_contracts
from lakeshop.storage.content import EMPTY, Content
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import PUBLICATIONS, Ledger, Publication, digest_of
from shops import LINES_ALONE, line, tiny_shop

D = date(2026, 3, 10)
NOW = datetime(2026, 3, 11, 2, tzinfo=UTC)
CONTRACTS = all_contracts(HOME / "schemas")
SOURCE, TARGET = "silver.products", "features.products"
CONTRACT = replace(CONTRACTS[TARGET], inputs=(Input(SOURCE, 2),))


def day(n):
    return D + timedelta(days=n)


def publication(n, digest="x", table=SOURCE, rows=1, version=1):
    content = Content(rows, digest) if rows else EMPTY
    return Publication(
        table, day(n), f"run {n}", f"in {n}", content, version, (f"bronze@{version}",)
    )


def ledger_of(*publications, lake=None):
    ledger = Ledger(lake or Lake(None, "nowhere", CONTRACTS))
    ledger.record(publications)
    return ledger


WEEK = [publication(n, digest=str(n)) for n in range(-3, 4)]


@pytest.mark.parametrize("n", range(-3, 4))
def test_the_digest_of_inputs_changes_with_a_day_of_the_window_and_no_other(n):
    before = ledger_of(*WEEK).input_digest(CONTRACT, D)
    after = ledger_of(*WEEK, publication(n, digest="other")).input_digest(CONTRACT, D)
    assert (after != before) == (n in {-2, -1, 0})  # two days of look-back and the day itself


@pytest.mark.parametrize("n", range(-3, 4))
def test_without_a_look_back_all_days_count_up_to_the_day(n):
    contract = replace(CONTRACT, inputs=(Input(SOURCE, None),))
    before = ledger_of(*WEEK).input_digest(contract, D)
    after = ledger_of(*WEEK, publication(n, digest="other")).input_digest(contract, D)
    assert (after != before) == (n <= 0)


def test_days_without_rows_do_not_count():
    without = ledger_of(publication(0)).input_digest(CONTRACT, D)
    empty = ledger_of(publication(0), publication(-1, rows=0)).input_digest(CONTRACT, D)
    assert empty == without
    assert ledger_of(publication(0, rows=0)).input_digest(CONTRACT, D) == ledger_of().input_digest(
        CONTRACT, D
    )


def test_a_day_that_is_emptied_counts():
    emptied = ledger_of(publication(0), publication(0, rows=0))
    assert emptied.input_digest(CONTRACT, D) == ledger_of().input_digest(CONTRACT, D)
    assert emptied.input_digest(CONTRACT, D) != ledger_of(publication(0)).input_digest(CONTRACT, D)


def test_content_that_moves_to_another_day_counts():
    one = ledger_of(publication(0, "x"), publication(-1, "y")).input_digest(CONTRACT, D)
    other = ledger_of(publication(0, "y"), publication(-1, "x")).input_digest(CONTRACT, D)
    assert one != other


def test_content_counts_and_not_how_it_was_published():
    again = [replace(p, run_id="later", version=9, input_digest="else") for p in WEEK]
    assert ledger_of(*again).input_digest(CONTRACT, D) == ledger_of(*WEEK).input_digest(CONTRACT, D)


def test_tables_are_not_mixed_up():
    contract = replace(CONTRACT, inputs=(Input(SOURCE, 0), Input("silver.users", 0)))
    one = ledger_of(publication(0, "x"), publication(0, "y", "silver.users"))
    other = ledger_of(publication(0, "y"), publication(0, "x", "silver.users"))
    assert one.input_digest(contract, D) != other.input_digest(contract, D)


@pytest.mark.parametrize("n", range(-3, 2))
def test_a_table_that_reads_itself_reads_the_days_before(n):
    contract = replace(CONTRACT, inputs=(Input(TARGET, 2), Input(SOURCE, 0)))
    own = [publication(k, str(k), TARGET) for k in range(-3, 2)]
    before, after = ledger_of(*own), ledger_of(*own, publication(n, "other", TARGET))
    assert (after.input_digest(contract, D) != before.input_digest(contract, D)) == (n in {-2, -1})
    told = [ledger.input_digest(contract, D, with_self=False) for ledger in (before, after)]
    assert told[0] == told[1]


def test_the_order_of_recording_does_not_matter():
    expected = ledger_of(*WEEK).input_digest(CONTRACT, D)
    assert ledger_of(*reversed(WEEK)).input_digest(CONTRACT, D) == expected
    one_by_one = ledger_of()
    for entry in WEEK[3:] + WEEK[:3]:
        one_by_one.record([entry])
        one_by_one.input_digest(CONTRACT, D)  # what it remembers must not outlive a new record
    assert one_by_one.input_digest(CONTRACT, D) == expected


def test_the_latest_publication_wins():
    ledger = ledger_of(publication(0, "old", rows=5), publication(0, "new", rows=7, version=2))
    assert ledger.publication(SOURCE, D) == publication(0, "new", rows=7, version=2)
    assert ledger.publication(SOURCE, day(1)) is None
    assert ledger.publication("gold.none", D) is None


def test_days_and_rows():
    ledger = ledger_of(publication(2, rows=4), publication(0, rows=1), publication(1, rows=0))
    assert ledger.days(SOURCE) == [D, day(1), day(2)]
    assert ledger.rows(SOURCE, D, day(1)) == 1
    assert ledger.rows(SOURCE, day(-9), day(9)) == 5
    assert ledger.rows("gold.none", D, D) == 0


def test_a_digest_tells_its_parts_apart():
    parts = [("a", "b"), ("ab",), ("b", "a"), ("a", "b", ""), ()]
    assert len({digest_of(*given) for given in parts}) == len(parts)
    assert digest_of(1, D) == digest_of("1", "2026-03-10")


def test_a_day_is_stale_where_what_it_was_made_from_has_changed():
    ledger = ledger_of(publication(0, "x"))
    made = replace(publication(0, table=TARGET), inputs=(f"{SOURCE}@1",))
    ledger.record([replace(made, input_digest=ledger.input_digest(CONTRACT, D))])
    assert not ledger.is_stale(CONTRACT, D)
    assert not ledger.is_stale(CONTRACT, day(1)), "never published"
    ledger.record([publication(0, "changed")])
    assert ledger.is_stale(CONTRACT, D)


def test_a_day_made_from_other_tables_is_older_not_stale():
    """What a contract gains as input may not exist for days that were published before."""
    gained = replace(CONTRACT, inputs=(*CONTRACT.inputs, Input("silver.users", 0)))
    ledger = ledger_of(publication(0, "x"))
    made = replace(publication(0, table=TARGET), inputs=(f"{SOURCE}@1",))
    ledger.record([replace(made, input_digest=ledger.input_digest(CONTRACT, D))])
    assert not ledger.is_stale(gained, D)
    ledger.record([replace(made, inputs=(f"{SOURCE}@1", "silver.users@none"))])
    assert ledger.is_stale(gained, D), "an input that was declared counts, even before it exists"


def test_what_is_published_as_one_is_remembered_as_one():
    ledger = ledger_of()
    other = publication(0, table=TARGET)
    with ledger.atomic_batch(SOURCE):
        ledger.record([publication(0), other])
        assert ledger._new == [other], "another table's thread may flush now"
        assert ledger.publication(SOURCE, D) == publication(0)
        ledger.record([publication(1)])
    assert ledger._new == [other, publication(0), publication(1)]


def test_the_newest_version():
    ledger = ledger_of(publication(0, version=4), publication(1, version=3))
    assert ledger.newest_version(SOURCE) == 4
    assert ledger.newest_version("gold.none") == 0


# -- the table behind it ---------------------------------------------------------------------------


def test_what_is_flushed_is_found_again(spark, tmp_path):
    lake = Lake(spark, str(tmp_path / "lake"), CONTRACTS)
    nothing = Ledger.load(lake)
    assert nothing.publication(SOURCE, D) is None
    nothing.flush(NOW)
    assert not lake.exists(PUBLICATIONS), "nothing to say, nothing written"

    # The tables themselves, empty: a ledger forgets what is no longer there.
    lake.ensure(SOURCE)
    lake.ensure(TARGET)
    assert lake.is_empty(SOURCE, D, D)
    ledger = Ledger.load(lake)
    ledger.record([publication(0, "old", rows=5, version=3), publication(1, "kept")])
    ledger.record([publication(0, "newer", rows=6, version=4), publication(0, "t", TARGET)])
    ledger.flush(NOW)
    found = Ledger.load(Lake(spark, lake.root, CONTRACTS))
    assert found.publication(SOURCE, D).content == Content(6, "newer")

    # Loaded again from nothing, a table begins at version 0: the later publication counts.
    ledger.record([publication(0, "newest", rows=2, version=1)])
    ledger.flush(NOW + timedelta(days=1))
    ledger.flush(NOW + timedelta(days=2))
    found = Ledger.load(Lake(spark, lake.root, CONTRACTS))
    assert lake.read(PUBLICATIONS).count() == 5
    assert found.publication(SOURCE, D).content == Content(2, "newest")
    for table in (SOURCE, TARGET):
        assert found.days(table) == ledger.days(table)
        for n in (0, 1):
            assert found.publication(table, day(n)) == ledger.publication(table, day(n))
    assert found.input_digest(CONTRACT, day(1)) == ledger.input_digest(CONTRACT, day(1))


def test_a_table_moved_away_is_forgotten(spark, tmp_path):
    lake = Lake(spark, str(tmp_path / "lake"), CONTRACTS)
    lake.ensure(SOURCE)
    ledger = ledger_of(publication(0), publication(0, table=TARGET), lake=lake)
    ledger.flush(NOW)
    found = Ledger.load(Lake(spark, lake.root, CONTRACTS))
    assert found.days(SOURCE) == [D]
    assert found.days(TARGET) == [], "it was never written, or moved away"
    assert [found.is_missing(table) for table in (SOURCE, TARGET)] == [False, True]


def test_a_table_moved_away_comes_back_by_its_new_days_alone(spark, tmp_path):
    lake = Lake(spark, str(tmp_path / "lake"), CONTRACTS)
    ledger = ledger_of(publication(0, table=TARGET), publication(1, table=TARGET), lake=lake)
    ledger.flush(NOW)
    ledger = Ledger.load(lake)
    ledger.forget(TARGET, NOW + timedelta(days=1), "of the night")
    assert not ledger.is_missing(TARGET)
    again = publication(1, "again", table=TARGET, version=0)
    ledger.record([again])
    ledger.flush(NOW + timedelta(days=1))  # no later: the version tells it from what was
    lake.ensure(TARGET)
    found = Ledger.load(Lake(spark, lake.root, CONTRACTS))
    assert found.days(TARGET) == [day(1)]
    assert found.publication(TARGET, day(1)) == again
    assert not found.is_missing(TARGET)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_table_moved_away_is_loaded_again_day_by_day(spark, tmp_path, is_killed):
    """Each day by a run of its own; killed ones have written their day and remember nothing."""
    table, days = "bronze.transactions", (D, day(1))
    shop = tiny_shop(spark, tmp_path, shop=LINES_ALONE)
    for number, delivered in enumerate(days):
        shop.deliver("transactions", delivered, [line(number, f"{delivered} 10:00:00")])

    def load(*asked, is_remembered=True):
        run = shop.run(*asked)
        ingest(run)
        if is_remembered:
            run.flush()

    load(*days)
    loaded = collected(shop.lake().read(table))
    shutil.rmtree(shop.lake().path(table))
    load(D, is_remembered=not is_killed)
    assert shop.run(D).ledger.days(table) == ([] if is_killed else [D])
    load(day(1), is_remembered=not is_killed)
    assert collected(shop.lake().read(table)) == loaded
