"""Days that a table lacks are appended, others replaced; no day is ever there twice."""

from datetime import date, timedelta

import pytest
from delta.tables import DeltaTable

from conftest import collected
from lakeshop.config.settings import LockSettings
from lakeshop.engine.failures import summarize_error
from lakeshop.engine.publishing import MadeDays
from lakeshop.engine.run import Run
from lakeshop.storage.lake import Lake
from lakeshop.storage.lock import acquire_lock
from lakeshop.storage.publications import Ledger

TABLE = "features.product_days"
D1 = date(2026, 3, 10)
D2, D3 = D1 + timedelta(days=1), D1 + timedelta(days=2)


@pytest.fixture
def home(tmp_path):
    return str(tmp_path / "lake")


@pytest.fixture
def night(spark, contracts, settings, home, rows):
    """Publishes a row of each day as a run of its own that holds the lake."""

    def publish(*days, store="s", flush=True, guard=None):
        terms = LockSettings(seconds=60, wait_seconds=60)
        with acquire_lock(home, "nightly", days[0], days[-1], terms) as held:
            lake = Lake(spark, home, contracts, *([guard or held]))
            run = Run("nightly", lake, Ledger.load(lake), settings, days[0], days[-1])
            made = rows(
                TABLE, *[{"business_date": d, "event_date": d, "store_id": store} for d in days]
            )
            run.publish(MadeDays(TABLE, made, days[0], days[-1], started=0.0))
            if flush:
                run.flush()

    return publish


def held(spark, contracts, home):
    lake = Lake(spark, home, contracts)
    return collected(lake.read(TABLE), "business_date", "store_id")


def commits(spark, home):
    """How each commit was made, the oldest first, without the creation of the table."""
    table = DeltaTable.forPath(spark, f"{home}/{TABLE.replace('.', '/')}")
    history = table.history().where("operation = 'WRITE'").orderBy("version").collect()
    return [row["operationParameters"]["mode"] for row in history]


def test_a_new_day_is_appended_and_a_day_again_replaced(spark, contracts, home, night):
    night(D1, D2)
    night(D3)
    night(D2, store="t")
    assert commits(spark, home) == ["Append", "Append", "Overwrite"]
    assert held(spark, contracts, home) == [(D1, "s"), (D2, "t"), (D3, "s")]


def test_what_a_killed_run_appended_is_replaced(spark, contracts, home, night):
    night(D1)
    night(D2, store="killed", flush=False)
    night(D2)
    night(D3)
    assert commits(spark, home) == ["Append", "Append", "Overwrite", "Append"]
    assert held(spark, contracts, home) == [(D1, "s"), (D2, "s"), (D3, "s")]


def test_after_a_commit_that_no_run_published_days_are_replaced(spark, contracts, home, night):
    night(D1)
    DeltaTable.forPath(spark, f"{home}/{TABLE.replace('.', '/')}").delete("store_id = 'none'")
    night(D2)
    lake = Lake(spark, home, contracts)
    lake.replace_days(TABLE, lake.read(TABLE, D1, D1), D1, D1, run_id="upkeep")
    night(D3)
    assert commits(spark, home)[-1] == "Overwrite"
    assert held(spark, contracts, home) == [(D1, "s"), (D2, "s"), (D3, "s")]


def test_only_a_run_that_holds_the_lake_appends(spark, contracts, settings, home, rows):
    lake = Lake(spark, home, contracts)
    run = Run("nightly", lake, Ledger.load(lake), settings, D1, D1)
    run.publish(MadeDays(TABLE, rows(TABLE, {"business_date": D1}), D1, D1, started=0.0))
    assert commits(spark, home) == ["Overwrite"]


@pytest.mark.parametrize("day", [D1 - timedelta(days=1), D2])
def test_rows_of_other_days_are_refused(spark, contracts, home, rows, day):
    lake = Lake(spark, home, contracts)
    with pytest.raises(Exception, match="USER_RAISED_EXCEPTION") as caught:
        lake.replace_days(
            TABLE, rows(TABLE, {"business_date": day}), D1, D1, run_id="r", are_new=True
        )
    assert f"filed from {D1} to {D1}. Received a row of {day}" in summarize_error(caught.value)
    assert held(spark, contracts, home) == []
