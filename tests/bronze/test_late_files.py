"""Files that come after their night: the same lake as of the same files in time."""

import os
from datetime import timedelta

import pytest
import yaml

from lakeshop.bronze.ingest import ingest
from lakeshop.pipeline import build_tables
from lakeshop.silver.clean import clean
from shops import FIRST, LINES_ALONE, contents, line, tiny_shop

DAYS = [FIRST + timedelta(days=n) for n in range(4)]
BY_DAY = ("features.product_days",)
SNAPSHOTS = ("features.demand", "gold.inventory_forecasts")


def lines(n, number=6):
    return [line(10 * n + i, f"{DAYS[n]} {9 + i:02}:00:00") for i in range(number)]


@pytest.fixture
def shop(spark, tmp_path):
    return tiny_shop(spark, tmp_path, shop=LINES_ALONE)


def loaded(shop, first, last=None):
    run = shop.run(first, last, redo_stale=True)
    ingest(run)
    run.flush()
    return run


def night(shop, first, last=None, lake="lake", tables=(*BY_DAY, *SNAPSHOTS)):
    run = shop.run(first, last, lake=lake, redo_stale=True)
    ingest(run)
    clean(run)
    build_tables(run, *tables)
    run.flush()
    assert not run.failures
    return run


@pytest.mark.slow
def test_a_late_file_gives_the_lake_of_the_same_files_in_time(shop):
    for n in (0, 2):
        shop.deliver("transactions", DAYS[n], lines(n))
    night(shop, DAYS[0])
    night(shop, DAYS[1])
    assert not shop.lake().content("silver.transactions", DAYS[1], DAYS[1])
    night(shop, DAYS[0], lake="skipped", tables=BY_DAY)
    shop.deliver("transactions", DAYS[1], lines(1))
    late = night(shop, DAYS[2])
    assert late.late == {DAYS[1]}
    assert late.redone == {DAYS[1]}
    for day in DAYS[:3]:
        in_time = night(shop, day, lake="in time")
        assert not in_time.late
    expected = contents(shop.lake("in time"), DAYS[0], DAYS[2])
    assert contents(shop.lake(), DAYS[0], DAYS[2]) == expected
    assert {"silver.transactions", *SNAPSHOTS} <= {name for name, days in expected.items() if days}
    # No night was run for the day of which the file is late: what is made by day, is made.
    assert night(shop, DAYS[2], lake="skipped", tables=BY_DAY).late == {DAYS[1]}
    night(shop, DAYS[0], DAYS[2], lake="range", tables=BY_DAY)
    for lake in ("skipped", "range"):
        found = contents(shop.lake(lake), DAYS[0], DAYS[2])
        assert found == {name: expected[name] for name in found}
        assert set(BY_DAY) <= set(found)


def test_what_is_late_is_told_and_only_what_is_new_is_loaded(shop):
    paths = [shop.deliver("transactions", DAYS[n], lines(n)) for n in range(4)]
    loaded(shop, DAYS[1])
    assert not loaded(shop, DAYS[2]).late, "nothing before the first day of the lake"
    version = shop.lake().version("bronze.transactions")
    paths[1].write_text(paths[1].read_text() + paths[1].read_text().replace("t1", "again"))
    assert loaded(shop, DAYS[3]).late == {DAYS[1]}
    assert shop.lake().version("bronze.transactions") == version + 2
    assert shop.lake().read("bronze.transactions", DAYS[1], DAYS[1]).count() == 12
    [told] = warnings(shop)
    assert told == f"delivered late or anew, so the day and what reads it are made again: {DAYS[1]}"
    assert not loaded(shop, DAYS[3]).late


def test_a_landing_folder_that_is_cleared_takes_no_row_away(shop, caplog):
    path = shop.deliver("transactions", DAYS[0], lines(0))
    shop.deliver("transactions", DAYS[1], lines(1))
    loaded(shop, DAYS[0])
    path.unlink()
    assert not loaded(shop, DAYS[1]).late
    shop.deliver("transactions", DAYS[0], lines(0, 1), zipped=True)
    shop.deliver("transactions", DAYS[2], lines(2))
    assert not loaded(shop, DAYS[2]).late
    assert f"since transactions/{DAYS[0]}.jsonl is gone from the landing folder" in caplog.text
    assert shop.lake().read("bronze.transactions", DAYS[0], DAYS[0]).count() == 6


def test_files_that_come_too_late_are_told_of_until_their_day_is_run(shop, caplog):
    shop.deliver("transactions", DAYS[0], lines(0))
    loaded(shop, DAYS[0])
    second = [line(9, f"{DAYS[0]} 20:00:00")]
    shop.deliver("transactions", DAYS[0], second, zipped=True)
    shop.deliver("transactions", DAYS[3], lines(3))
    assert not loaded(shop, DAYS[3]).late
    said = f"files of {DAYS[0]} came too late for a night to load them, such as transactions/"
    assert f"{said}{DAYS[0]}.jsonl.gz; run jobs/nightly.py --date" in str(warnings(shop))
    loaded(shop, DAYS[0])
    assert shop.lake().read("bronze.transactions", DAYS[0], DAYS[0]).count() == 7
    caplog.clear()
    loaded(shop, DAYS[3])
    os.utime(shop.landing / f"transactions/{DAYS[0]}.jsonl", (2e9, 2e9))  # copied anew
    loaded(shop, DAYS[3])
    assert "too late" not in caplog.text


def warnings(shop):
    return [w for row in shop.lake().read("ops.runs").collect() for w in row["warnings"]]


@pytest.mark.parametrize(("days", "expected"), [(0, 0), (1, 0), (2, 1)])
def test_the_shop_says_how_late_a_file_may_be(spark, tmp_path, days, expected):
    shop = tiny_shop(spark, tmp_path, shop=LINES_ALONE | {"late_days": days})
    for n in range(3):
        path = shop.deliver("transactions", DAYS[n], lines(n))
        os.utime(path, (1e9, 1e9))
    loaded(shop, DAYS[0], DAYS[1])
    shop.deliver("transactions", DAYS[0], lines(0, 3))
    assert len(loaded(shop, DAYS[2]).late) == expected


def test_another_mapping_alone_makes_no_file_late(shop):
    for n in range(2):
        shop.deliver("transactions", DAYS[n], lines(n))
    loaded(shop, DAYS[0])
    path = shop.home / "conf/shops/tiny.yaml"
    conf = yaml.safe_load(path.read_text())
    conf["shop"]["entities"]["transactions"]["ignored"] = ["till"]
    path.write_text(yaml.safe_dump(conf))
    assert not loaded(shop, DAYS[1]).late
