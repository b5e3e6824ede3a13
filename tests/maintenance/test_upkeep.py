"""Old rows go, files are compacted and cleared; readers and the next night do not mind."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import HOME, collected
from lakeshop.config.settings import Maintenance
from lakeshop.engine.publishing import MadeDays
from lakeshop.engine.run import Run
from lakeshop.errors import ConfigError
from lakeshop.maintenance.maintain import maintain
from lakeshop.pipeline import all_contracts
from lakeshop.storage import files as tables
from lakeshop.storage.content import EMPTY
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger, Publication
from lakeshop.storage.run_log import RUNS
from shops import LAST, tiny_shop

CONTRACTS = all_contracts(HOME / "schemas")
REJECTED, PRODUCTS = "quarantine.products", "silver.products"
REASON = {"reasons": ["r"], "source_file": "f"}


def day(n):
    return LAST - timedelta(days=n)


@pytest.fixture
def shop(spark, tmp_path, rows):
    """Rejected rows of five nights, one of them past its 90 days, and versions of products."""
    shop = tiny_shop(spark, tmp_path, maintenance={"small_files": 3})
    run = shop.run(LAST)
    for nights in ((91, 90), (2,), (1,), (0,)):
        rejected = [{"business_date": day(n), "source_line": n, **REASON} for n in nights]
        run.publish(MadeDays(REJECTED, rows(REJECTED, *rejected), *ends(nights), started=0.0))
    versions = [(900, "a"), (900, "b"), (850, "a"), (3, "b")]
    named = [{"business_date": day(n), "product_id": p} for n, p in versions]
    run.publish(MadeDays(PRODUCTS, rows(PRODUCTS, *named), *ends([900, 3]), started=0.0))
    run.flush()
    return shop


def ends(nights):
    return day(nights[0]), day(nights[-1])


def orphan(shop, name, days):
    path = shop.home / "lake" / "quarantine" / "products" / f"{name}.parquet"
    path.write_bytes(b"of a killed run")
    then = time.time() - days * 86400
    os.utime(path, (then, then))
    return path


def test_upkeep(shop, caplog):
    lake = shop.lake()
    reader = shop.spark.read.format("delta").option("versionAsOf", lake.version(REJECTED))
    pinned = reader.load(lake.path(REJECTED))
    before, contents = collected(pinned), lake.content(REJECTED, day(90), day(0))
    old, young = orphan(shop, "old", 8), orphan(shop, "young", 6)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    drafts = [shop.landing / f".drop.{pid}.part" for pid in (gone.pid, os.getpid())]
    for draft in drafts:
        draft.touch()
    run = shop.run(LAST)
    with caplog.at_level("INFO", "lakeshop"):
        maintain(run)
    run.flush()

    # Retention: relative to the day, of entities what is still known stays.
    assert shop.lake().content(REJECTED, day(91), day(0)) == contents
    known = collected(shop.lake().read(PRODUCTS), "business_date", "product_id")
    assert sorted(known) == [(day(900), "b"), (day(850), "a"), (day(3), "b")]
    # Closed days are one file; the last day keeps its own.
    files = tables.files_of(lake, REJECTED)
    assert [(file.first, file.last) for file in files] == [(day(90), day(1)), (day(0), day(0))]
    # A reader of an old version reads on; what no version needs is gone once it is old enough.
    assert collected(pinned) == before
    assert not old.exists()
    assert young.exists()
    assert [draft.exists() for draft in drafts] == [False, True]
    # Said once per table, and kept in ops.runs.
    line = "maintenance: 1 rows past their retention deleted, 5 files became 2"
    assert caplog.text.count(line) == 1
    rows = shop.lake().read(RUNS).where("job = 'test' AND rows_in = 0").collect()
    assert sum(line in row["warnings"][0] for row in rows if row["warnings"]) == 1
    # The ledger knows what was there: nothing is stale, no night makes it again.
    ledger = shop.run(LAST).ledger
    removed = ledger.publication(REJECTED, day(91))
    assert removed is not None
    assert (removed.is_removed, removed.content.rows) == (True, 1)
    kept = [ledger.publication(PRODUCTS, d) for d in ledger.days(PRODUCTS)]
    assert not any(p.is_removed for p in kept if p)


def log_cleaned(lake, table):
    """Delta's own clean-up of old log entries: all before a checkpoint go."""
    logs = lake.spark._jvm.org.apache.spark.sql.delta.DeltaLog
    log = logs.forTable(lake.spark._jsparkSession, lake.path(table))
    log.checkpoint()
    entries = sorted(Path(lake.path(table), "_delta_log").glob("*.json"))
    for entry in entries[:-1]:
        entry.unlink()
        entry.with_suffix(".crc").unlink(missing_ok=True)
    logs.clearCache()
    return len(entries) - 1


def test_what_has_lost_its_old_log_is_read_kept_and_gone_on_with(shop, rows):
    """Nothing here reads an old version."""
    lake = shop.lake()
    before = lake.content(REJECTED, day(90), day(0))
    assert log_cleaned(lake, REJECTED) > 2
    assert log_cleaned(lake, "ops.publications") > 0
    run = shop.run(LAST)
    assert run.lake.content(REJECTED, day(90), day(0)) == before
    noted = {n: run.ledger.publication(REJECTED, day(n)) for n in (0, 1, 2)}
    assert {n: found.content for n, found in noted.items()} == {n: before[day(n)] for n in noted}
    maintain(run)
    made = rows(REJECTED, {"business_date": day(0), "source_line": 9, **REASON})
    run.publish(MadeDays(REJECTED, made, day(0), day(0), started=0.0))
    run.flush()
    assert shop.lake().content(REJECTED, day(0), day(0)) != {day(0): before[day(0)]}
    assert shop.lake().content(REJECTED, day(2), day(1)) == {day(n): before[day(n)] for n in (1, 2)}


def test_logs_are_kept_as_long_as_files_at_least(settings):
    kept = settings.maintenance.model_dump()
    with pytest.raises(ValueError, match="log_days should be keep_days or more"):
        Maintenance(**{**kept, "keep_days": 8, "log_days": 7})


def test_a_day_far_after_the_newest_night_is_refused(settings):
    """Before anything is looked at: a wrong year would empty the lake."""
    lake = Lake(None, "nowhere", CONTRACTS)
    run = Run("maintain", lake, Ledger(lake), settings, day(-32), day(-32))
    run.ledger.record([Publication(REJECTED, LAST, "run", "in", EMPTY, 1)])
    with pytest.raises(ConfigError, match="should be that of a night"):
        maintain(run)
