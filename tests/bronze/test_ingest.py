"""Drops to bronze: complete or nothing, once, again when delivered again, range as nights."""

import os
from datetime import date, timedelta

import pytest
import yaml

from conftest import collected
from lakeshop.bronze.ingest import ingest
from lakeshop.silver.clean import clean
from shops import action, line, product, tiny_shop

D1 = date(2026, 3, 7)
D2, D3 = D1 + timedelta(days=1), D1 + timedelta(days=2)
LAKES = ("nights", "history")
TABLES = ("bronze.transactions", "bronze.user_actions", "bronze.products")


@pytest.fixture
def shop(spark, tmp_path):
    return tiny_shop(spark, tmp_path)


def rows_of(shop, table="bronze.transactions", lake="lake"):
    columns = ("business_date", "source_file", "source_line", "raw", "fault")
    return collected(shop.lake(lake).read(table), *columns)


def version(shop, table="bronze.transactions"):
    return shop.lake().version(table)


def ingested(run):
    """As a job does it: work, then remember it."""
    ingest(run)
    run.flush()


def delivered(shop):
    """Three days: the catalogue once, actions on the second day only."""
    shop.deliver("transactions", D1, [line(1, f"{D1} 10:00:00"), line(2, f"{D1} 11:00:00")])
    shop.deliver("transactions", D2, [line(3, f"{D2} 10:00:00")], zipped=True)
    shop.deliver("transactions", D3, [])
    shop.deliver("products", D1, [product(0), product(1)])
    shop.deliver("user_actions", D2, [action(1, f"{D2} 09:00:00")])


def test_rows_are_filed_raw_with_file_and_line(shop):
    delivered(shop)
    ingested(shop.run(D1))
    (one, two) = rows_of(shop)
    assert one[:3] == (D1, f"transactions/{D1}.jsonl", 1)
    assert '"id": "t1"' in one[3]
    assert two[2] == 2
    products = collected(shop.lake().read("bronze.products"), "source_line", "raw", "header")
    assert products == [
        (2, "p0,Product 0,D,C,B", "sku,title,department,category,brand"),
        (3, "p1,Product 1,D,C,B", "sku,title,department,category,brand"),
    ]
    runs = collected(shop.lake().read("ops.runs"), "table_name", "rows_in", "accepted")
    assert runs == [
        ("bronze.products", 2, 2),
        ("bronze.transactions", 2, 2),
        ("bronze.user_actions", 0, 0),
    ]


def test_missing_required_drops_are_named_and_the_other_days_loaded(shop):
    path = shop.home / "conf/shops/tiny.yaml"
    conf = yaml.safe_load(path.read_text())
    conf["shop"]["entities"]["transactions"]["required"] = True
    path.write_text(yaml.safe_dump(conf))
    delivered(shop)
    for day in (D2, D3):
        for path in (shop.landing / "transactions").glob(f"{day}*"):
            path.unlink()
    run = shop.run(D1, D3)
    ingested(run)
    (failure,) = run.failures
    assert (failure.table, failure.first, failure.last) == ("bronze.transactions", D2, D3)
    text = failure.reason
    assert f"{shop.landing}/transactions/{D2}.jsonl*" in text
    assert f"{shop.landing}/transactions/{D3}.jsonl*" in text
    assert str(D1) not in text
    assert [row[0] for row in rows_of(shop)] == [D1] * len(rows_of(shop))
    assert run.ledger.failed_days("bronze.transactions", None, None) == [D2, D3]
    assert run.ledger.publication("bronze.user_actions", D3)


def test_of_many_missing_drops_five_are_shown(shop):
    run = shop.run(D1, D1 + timedelta(days=29))
    ingested(run)
    text = run.failures[0].reason
    assert text.count("transactions/2026-03") == 5
    assert "and 25 more" in text


def test_a_drop_counts_once_and_again_when_it_is_delivered_again(shop):
    delivered(shop)
    ingested(shop.run(D1, D2))
    before = {table: version(shop, table) for table in TABLES}
    ingested(shop.run(D1, D2))
    assert {table: version(shop, table) for table in TABLES} == before
    assert shop.lake().read("ops.publications").count() == 6  # three tables, two days, once
    path = shop.deliver("transactions", D1, [line(9, f"{D1} 12:00:00")])
    os.utime(path, (2e9, 2e9))  # whatever the file system's resolution of times
    shop.deliver("user_actions", D2, [])  # taken away by an empty file: one that is gone is kept
    ingested(shop.run(D1, D2))
    rows = rows_of(shop)
    assert [row[0] for row in rows] == [D1, D2]
    assert '"t9"' in rows[0][3]
    assert '"t3"' in rows[1][3]
    assert rows_of(shop, "bronze.user_actions") == []
    assert version(shop, "bronze.products") == before["bronze.products"]


def test_days_whose_files_are_gone_keep_what_was_loaded(shop, caplog):
    """Asked for again or failed, archived or replaced by a part: no row is taken away."""
    delivered(shop)
    ingested(shop.run(D1, D2))
    before = {table: rows_of(shop, table) for table in TABLES}
    for path in shop.landing.rglob("*.jsonl*"):
        path.unlink()
    shop.deliver("transactions", D2, [line(4, f"{D2} 12:00:00")])
    run = shop.run(D1, D2)
    error = RuntimeError("a night before failed")
    run.fail(("bronze.transactions",), D2, D2, error)
    run.failures.clear()
    ingested(run)
    assert not run.failures
    assert not run.ledger.failed_days("bronze.transactions", None, None)
    assert {table: rows_of(shop, table) for table in TABLES} == before
    said = f"{D1} to {D2} keeps the rows that were loaded, since transactions/{D1}.jsonl is gone"
    assert said in caplog.text
    assert "an empty one in the place of one that should count no more" in caplog.text


def test_a_required_day_whose_file_is_gone_is_kept_and_an_unreadable_file_may_go(shop):
    path = shop.home / "conf/shops/tiny.yaml"
    conf = yaml.safe_load(path.read_text())
    conf["shop"]["entities"]["transactions"]["required"] = True
    path.write_text(yaml.safe_dump(conf))
    rows = [line(1, f"{D1} 10:00:00")]
    cut = shop.deliver("transactions", D1, rows, zipped=True)
    cut.write_bytes(cut.read_bytes()[:-9])
    ingested(shop.run(D1))
    cut.unlink()
    whole = shop.deliver("transactions", D1, rows)
    ingested(shop.run(D1))
    assert [row[1] for row in rows_of(shop)] == [f"transactions/{D1}.jsonl"]
    whole.unlink()
    run = shop.run(D1)
    ingested(run)
    assert not run.failures
    assert len(rows_of(shop)) == 1


def test_days_of_a_history_keep_its_rows(shop, caplog):
    shop.deliver("transactions", "", [line(n, f"{D1} 1{n}:00:00") for n in range(2)])
    ingested(shop.run(D1, D2, is_history=True))
    ingested(shop.run(D1))
    assert len(rows_of(shop)) == 2
    assert "a history is loaded again with --history" in caplog.text


def test_a_range_equals_its_nights_in_any_order(shop):
    delivered(shop)
    ingested(shop.run(D1, D2, lake="range"))
    for day in (D2, D1):
        ingested(shop.run(day, lake="nights"))
    for table in TABLES:
        nights = rows_of(shop, table, "nights")
        assert rows_of(shop, table, "range") == nights
        assert (table != "bronze.transactions") or len(nights) == 3
        first, second = (shop.lake(lake).content(table, D1, D2) for lake in ("range", "nights"))
        assert first == second


def test_several_files_of_a_day_one_of_them_truncated(shop):
    rows = [line(n, f"{D1} 10:00:00") for n in range(50)]
    path = shop.deliver("transactions", D1, rows, zipped=True)
    path.write_bytes(path.read_bytes()[:-20])
    shop.deliver("transactions", D1, rows[:1])
    ingested(shop.run(D1))
    [whole, cut] = rows_of(shop)
    assert whole[:3] == (D1, f"transactions/{D1}.jsonl", 1)
    assert cut[:4] == (D1, f"transactions/{D1}.jsonl.gz", 0, None)
    assert "whole gzip file" in cut[4]
    assert rows_of(shop, "bronze.products") == []  # optional and not delivered


# -- a first delivery of history -------------------------------------------------------------------


def test_history_is_filed_by_the_shops_day_of_the_event(shop):
    """The shop's clock is New York's; a day's last minute there is UTC's next day."""
    times = {
        "t1": (f"{D1} 23:59:59", D1),
        "t2": (f"{D2} 00:00:00", D2),
        "t3": ("2020-01-01 00:00:00", D1),  # before the range: known from its first day
        "t4": (f"{D3 + timedelta(days=5)} 00:00:00", D3),  # after it: cleaning rejects it there
        "t5": ("yesterday", D3),
        "t6": (None, D3),
    }
    rows = [line(n, at) for n, (at, _) in enumerate(times.values(), 1)]
    shop.deliver("transactions", "", rows)
    shop.deliver("products", "", [product(1), product(2)])
    ingested(shop.run(D1, D3, is_history=True))
    found = {row[3].split('"')[3]: row[0] for row in rows_of(shop)}
    assert found == {name: day for name, (_, day) in times.items()}
    assert {row[1] for row in rows_of(shop)} == {"history/transactions.jsonl"}
    assert [row[0] for row in rows_of(shop, "bronze.products")] == [D1, D1]


def test_history_equals_the_nights_it_stands_for(shop):
    rows = [line(n, f"{day} 1{n}:00:00") for n, day in enumerate((D1, D1, D2, D3))]
    for day in (D1, D2, D3):
        shop.deliver("transactions", day, [row for row in rows if str(day) in row["at"]])
    shop.deliver("transactions", "", rows)
    ingested(shop.run(D1, D3, lake="nights"))
    ingested(shop.run(D1, D3, lake="history", is_history=True))
    once = shop.lake("history").version("bronze.transactions")
    ingested(shop.run(D1, D3, lake="history", is_history=True))
    assert shop.lake("history").version("bronze.transactions") == once
    nights = [(row[0], row[3]) for row in rows_of(shop, lake="nights")]
    assert sorted((row[0], row[3]) for row in rows_of(shop, lake="history")) == sorted(nights)
    for lake in LAKES:
        clean(shop.run(D1, D3, lake=lake))
    silver = [shop.lake(lake).content("silver.transactions", D1, D3) for lake in LAKES]
    assert silver[0] == silver[1]
    assert [silver[0][day].rows for day in (D1, D2, D3)] == [2, 1, 1]


def test_a_missing_history_of_a_required_entity(shop):
    run = shop.run(D1, D3, is_history=True)
    ingested(run)
    assert "history/transactions*.jsonl*" in run.unusable["bronze.transactions"]
    assert not run.ledger.failed_days("bronze.transactions", None, None)


def test_history_leaves_alone_what_has_none(shop):
    """An optional entity without a history keeps the days that nights have filed."""
    path = shop.home / "conf/shops/tiny.yaml"
    conf = yaml.safe_load(path.read_text())
    del conf["shop"]["entities"]["user_actions"]["history"]
    path.write_text(yaml.safe_dump(conf))
    delivered(shop)
    shop.deliver("transactions", "", [line(1, f"{D1} 10:00:00")])
    ingested(shop.run(D2))
    assert len(rows_of(shop, "bronze.user_actions")) == 1
    ingested(shop.run(D1, D3, is_history=True))
    assert len(rows_of(shop, "bronze.user_actions")) == 1
