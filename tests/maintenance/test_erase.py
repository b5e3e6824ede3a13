"""Persons are erased from every layer, stay erased, and nothing else is judged otherwise.

One shop of three days for all tests, each of which goes on where the one before it ended.
"""

import random
import string
from datetime import timedelta

import pytest

from bytescan import files_with
from conftest import collected
from lakeshop.maintenance import erasure as erasing
from lakeshop.maintenance.maintain import maintain
from lakeshop.maintenance.personal_data import person_columns, tables_of_persons
from lakeshop.privacy.pseudonyms import pseudonym_of
from lakeshop.storage import files as tables
from lakeshop.storage.run_log import RUNS
from shops import FIRST, KEY, LINES_ALONE, contents, line, run_days, stale_days, tiny_shop

D1, D2, D3 = (FIRST + timedelta(days=n) for n in range(3))
CHANCE = random.Random(5)
GONE, ALSO, STAYS = ("".join(CHANCE.choices(string.ascii_letters, k=24)) for _ in range(3))
NAMES = [GONE, ALSO, *[pseudonym_of(user, KEY.encode()) for user in (GONE, ALSO)]]


def delivered(shop, day, n):
    """A day in which those to be erased buy, look, are spoken of, and stand in broken lines."""
    shop.deliver(
        "transactions",
        day,
        [
            line(10 * n + 1, f"{day} 09:00:00", user=GONE),
            line(10 * n + 2, f"{day} 10:00:00", user=STAYS),
            line(10 * n + 3, f"{day} 11:00:00", user=f" {ALSO}\t"),
            line(10 * n + 4, "yesterday", user=GONE),
            line(10 * n + 5, f"{day} 12:00:00", user="u1", note=f"for {GONE}, please"),
            line(10 * n + 6, f"{day} 12:00:00", user="u1", note="1"),
        ],
    )
    path = shop.landing / "transactions" / f"{day}.jsonl"
    with path.open("ab") as file:
        file.write(f'{{"id": "t{n}", "user": "{GONE}", "amo\n'.encode())
        file.write(b'{"id": "\xff", "user": "' + ALSO.encode() + b'"}\n{"id": "broken"\n')


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory):
    home = tmp_path_factory.mktemp("erased")
    quality = {"max_rejected_rows": 0.9, "max_unreadable_files": 1}
    upkeep = {"keep_days": 0}
    shop = tiny_shop(spark, home, shop=LINES_ALONE, quality=quality, maintenance=upkeep)
    for n, day in enumerate((D1, D2), 1):
        delivered(shop, day, n)
    run_days(shop, "lake", D1, D2)
    return shop


def erased(shop, *users, day=D2):
    run = shop.run(day)
    run.erase = users
    maintain(run)
    run.flush()
    return run


def files(shop, *texts):
    return files_with(shop.home / "lake", texts)


def test_contracts_say_where_persons_stand(shop):
    found = set(tables_of_persons(shop.lake()))
    assert {f"{layer}.transactions" for layer in ("bronze", "quarantine", "silver")} <= found
    assert {"restricted.user_keys", "features.user_product_days"} <= found
    everywhere = shop.lake().contracts.values()
    for contract in everywhere:
        names = {"user_id", "raw_user_id", "raw", "session_id", "device_id", "payment_id", "query"}
        assert names & set(contract.column_names) <= set(person_columns(contract)), contract.name


def test_a_killed_erasure_ends_the_same_when_it_is_run_again(shop, monkeypatch, caplog):
    """And the scan finds nothing but what it found before, of whom is not erased."""
    assert len({path.split("/")[0] for path in files(shop, *NAMES)}) == 5, "the scan sees"
    others = files(shop, STAYS)
    stays = collected(shop.lake().read("silver.transactions").where("user_id IS NOT NULL"))
    do, left = tables.delete, [2]

    def killed(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        do(*arguments)

    monkeypatch.setattr(erasing.tables, "delete", killed)
    with pytest.raises(KeyboardInterrupt):
        erased(shop, GONE, ALSO)
    monkeypatch.setattr(erasing.tables, "delete", do)
    with caplog.at_level("INFO", "lakeshop"):
        erased(shop, GONE, ALSO)
    assert files(shop, *NAMES) == []
    assert files(shop, STAYS)
    assert len(others) > 0
    assert GONE not in caplog.text
    assert ALSO not in caplog.text
    rows = collected(shop.lake().read("silver.transactions"))
    gone = {pseudonym_of(user, KEY.encode()) for user in (GONE, ALSO)}
    assert rows == [row for row in stays if not gone & set(map(str, row))]
    found = shop.run(D2).ledger.publication("quarantine.transactions", D2)
    assert found is not None
    assert found.content.rows == 1, "a broken line of nobody"


def test_what_was_current_is_current_and_the_ledger_knows_what_is_there(shop):
    assert stale_days(shop, D2) == set()
    run = shop.run(D1, D2, redo_stale=True)
    for table, days in contents(run.lake, D1, D2).items():
        for day in (D1, D2):
            published = run.ledger.publication(table, day)
            if published is not None:
                there = days.get(day)
                assert (published.content.rows, published.content.digest) == (
                    (there.rows, there.digest) if there else (0, "")
                ), table
    assert list(run.todo("silver.transactions", "quarantine.transactions")) == []
    assert list(run.todo("features.user_product_days")) == []


def test_a_day_delivered_again_and_a_new_night_bring_nobody_back(shop, caplog):
    """The day is loaded again from other bytes; the new one is a night of its own."""
    redone = collected(shop.lake().read("silver.transactions", D1, D1))
    delivered(shop, D1, 1)
    with (shop.landing / "transactions" / f"{D1}.jsonl").open("a") as file:
        file.write("\n\n")
    delivered(shop, D3, 3)
    with caplog.at_level("INFO", "lakeshop"):
        run_days(shop, "lake", D1, D3)
    assert files(shop, *NAMES) == []
    left_out = "erased: 6 rows of erased persons left out"
    assert left_out in caplog.text
    runs = shop.lake().read(RUNS, D3, D3).where("table_name = 'bronze.transactions'").collect()
    assert [row["rows_in"] - row["accepted"] for row in runs if left_out in row["warnings"]] == [6]
    again = collected(shop.lake().read("silver.transactions", D1, D1))
    assert again == redone, "bronze holds what it held: nothing had to be redone"
    assert len(collected(shop.lake().read("silver.transactions", D3, D3))) == 2
    assert stale_days(shop, D2) == set()
