"""The `_latest` twin of a table: files of the newest day, copied and committed as a whole."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from conftest import collected, plain
from lakeshop.storage import day_copy
from lakeshop.storage.lake import Lake

D1 = date(2026, 3, 10)
D2 = D1 + timedelta(days=1)
TABLE, TWIN = "gold.fraud_scores", "gold.fraud_scores_latest"


@pytest.fixture(params=["partitioned", "not partitioned"])
def lake(request, spark, contracts, tmp_path):
    days = ("business_date",) if request.param == "partitioned" else ()
    contract = replace(contracts[TABLE], partition_by=days)
    return Lake(spark, str(tmp_path), {TABLE: contract})


def rows_of(lake, *days_and_ids):
    contract = lake.contract(TABLE)
    filled = {c.name: plain(c.type.typeName()) for c in contract.columns} | {"decision": "pass"}
    rows = [
        tuple((filled | {"business_date": day, "transaction_id": name}).values())
        for day, name in days_and_ids
    ]
    return lake.spark.createDataFrame(rows, contract.struct).coalesce(1)


def publish(lake, day, *names):
    rows = rows_of(lake, *((day, name) for name in names))
    lake.replace_days(TABLE, rows, day, day, run_id="of the table")
    lake.publish_latest(TABLE, rows, day, run_id=f"of {day}")


def held(lake, table=TWIN):
    found = Lake(lake.spark, lake.root, lake.contracts).read(table)
    return collected(found, "business_date", "transaction_id")


def last_commit(lake):
    history = lake.spark.sql(f"DESCRIBE HISTORY delta.`{lake.path(TWIN)}`")
    return history.orderBy("version", ascending=False).first()


def files(lake, table=TWIN):
    return {path.name: path.read_bytes() for path in Path(lake.path(table)).rglob("*.parquet")}


@pytest.fixture
def jobs(lake) -> Iterator[Callable[[], list[int]]]:
    """The jobs of Spark that ran since, as they are asked for."""
    context, group = lake.spark.sparkContext, f"{uuid4()}"
    context.setJobGroup(group, "")
    yield lambda: list(context.statusTracker().getJobIdsForGroup(group))
    context.setLocalProperty("spark.jobGroup.id", None)


def test_the_twin_holds_the_newest_day_in_the_same_files(lake):
    for day, names in ((D1, ("a", "b")), (D2, ("c",))):
        publish(lake, day, *names)
        assert held(lake) == sorted((day, name) for name in names)
    assert last_commit(lake)["userMetadata"] == f"of {D2}"
    assert files(lake).items() <= files(lake, TABLE).items()


def test_to_copy_takes_no_job(lake, jobs):
    publish(lake, D1, "a")
    rows = rows_of(lake, (D2, "b"))
    lake.replace_days(TABLE, rows, D2, D2, run_id="r", are_new=True)
    before = jobs()
    lake.publish_latest(TABLE, rows, D2, run_id="r")
    assert jobs() == before
    assert held(lake) == [(D2, "b")]


def test_a_day_that_is_made_again_and_an_empty_one(lake):
    publish(lake, D1, "a", "b")
    publish(lake, D1, "c")
    assert held(lake) == [(D1, "c")]
    publish(lake, D2)
    assert held(lake) == []


def test_a_twin_of_an_older_lake_is_laid_out_as_its_table(lake):
    """It was never partitioned, and may lack a column that the table has gained."""
    contract = lake.contract(TABLE)
    gained = "user_id"
    columns = tuple(c for c in contract.columns if c.name != gained)
    older = replace(contract, partition_by=(), columns=columns)
    before = Lake(lake.spark, lake.root, {TABLE: older})
    before.overwrite(TWIN, rows_of(lake, (D1, "a")).drop(gained), run_id="r")
    publish(lake, D2, "b")
    assert held(lake) == [(D2, "b")]
    assert collected(lake.read_raw(TWIN), "transaction_id", gained) == [("b", "x")]
    named = collected(
        lake.spark.sql(f"DESCRIBE DETAIL delta.`{lake.path(TWIN)}`"), "partitionColumns"
    )
    assert named == [(list(contract.partition_by),)]


def test_files_of_several_days_are_not_copied(lake):
    lake.append(TABLE, rows_of(lake, (D1, "a"), (D2, "b")), run_id="r")
    lake.publish_latest(TABLE, rows_of(lake, (D1, "a"), (D2, "b")), D2, run_id="r")
    assert held(lake) == [(D2, "b")]


def test_many_bytes_are_written_anew(lake, monkeypatch):
    monkeypatch.setattr(day_copy, "MOST_BYTES", 10)
    publish(lake, D2, "c")
    assert held(lake) == [(D2, "c")]
    assert not files(lake).keys() & files(lake, TABLE).keys()


def test_what_a_kill_has_left_of_a_copy_is_replaced(lake, monkeypatch):
    publish(lake, D1, "a")
    rows = rows_of(lake, (D2, "b"))
    lake.replace_days(TABLE, rows, D2, D2, run_id="r")
    [new] = set(files(lake, TABLE)) - set(files(lake))
    copy = day_copy._copy

    def broken(spark, source, target):
        copy(spark, source, target)
        Path(target).write_bytes(b"half")
        raise RuntimeError

    monkeypatch.setattr(day_copy, "_copy", broken)
    with pytest.raises(RuntimeError):
        lake.publish_latest(TABLE, rows, D2, run_id="r")
    assert held(lake) == [(D1, "a")]
    monkeypatch.setattr(day_copy, "_copy", copy)
    lake.publish_latest(TABLE, rows, D2, run_id="r")
    assert held(lake) == [(D2, "b")]
    assert files(lake)[new] == files(lake, TABLE)[new]
