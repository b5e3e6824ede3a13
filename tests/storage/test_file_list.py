"""The files that may hold rows of some days: of Delta's checksum, and the same by a job."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pyspark.sql import types as T

from lakeshop.contracts.model import Column, Contract
from lakeshop.storage import file_list
from lakeshop.storage.file_list import files_of_days
from lakeshop.storage.lake import Lake

D1 = date(2026, 3, 10)
DAYS = [D1 + timedelta(days=n) for n in range(6)]
TABLE = Contract(
    name="gold.t",
    grain="one row per id",
    about="A table of tests.",
    owner="us",
    rows="event",
    key=("id",),
    columns=(
        Column("business_date", T.DateType(), True, False, "the day"),
        Column("id", T.IntegerType(), True, False, "the id"),
    ),
    partition_by=(),
    checks=(),
    inputs=(),
    look_back_days=None,
    retention_days=10,
    has_latest_twin=False,
)
RANGES = [(None, None), (DAYS[1], None), (None, DAYS[2]), (DAYS[2], DAYS[3]), (DAYS[5], DAYS[0])]


@pytest.fixture(scope="module", params=["partitioned", "by statistics"])
def lake(request, spark, tmp_path_factory):
    """A table of six days, the last of which hold two files each."""
    days = ("business_date",) if request.param == "partitioned" else ()
    contract = replace(TABLE, partition_by=days)
    lake = Lake(spark, str(tmp_path_factory.mktemp("files")), {TABLE.name: contract})
    for n, day in enumerate(DAYS):
        for part in range(1 + (n > 3)):
            rows = spark.createDataFrame([(day, 10 * n + part)], contract.struct)
            lake.replace_days(TABLE.name, rows, day, day, run_id="r", are_new=True)
    return lake


def names(lake, first, last):
    """Paths of files, and the jobs of Spark that finding them took."""
    context, group = lake.spark.sparkContext, f"{uuid4()}"
    context.setJobGroup(group, "")
    found = files_of_days(
        lake.spark, lake.snapshot(TABLE.name), lake.contract(TABLE.name), first, last
    )
    context.setLocalProperty("spark.jobGroup.id", None)
    paths = sorted(found.apply(n).path() for n in range(found.size()))
    return paths, context.statusTracker().getJobIdsForGroup(group)


@pytest.mark.parametrize(("first", "last"), RANGES)
def test_a_checksum_names_the_files_that_a_job_finds(lake, monkeypatch, first, last):
    named, jobs = names(lake, first, last)
    wanted = sum(
        1 + (n > 3)
        for n, day in enumerate(DAYS)
        if (first is None or day >= first) and (last is None or day <= last)
    )
    assert len(named) == wanted
    assert not jobs
    monkeypatch.setattr(file_list, "_named_by_checksum", lambda snapshot: None)
    found, jobs = names(lake, first, last)
    assert found == named
    assert jobs or first is None


def test_many_files_are_found_by_a_job(lake, monkeypatch):
    few = names(lake, DAYS[1], DAYS[4])
    monkeypatch.setattr(file_list, "MOST_LOOKED_AT", 3)
    assert names(lake, DAYS[1], DAYS[4])[0] == few[0]


def test_another_process_finds_what_the_checksum_names(lake):
    """A version whose checksum was lost, as by a kill after its commit, is read all the same."""
    other = Lake(lake.spark, lake.root, lake.contracts)
    before = names(other, DAYS[0], DAYS[5])[0]
    folder = f"{lake.path(TABLE.name)}/_delta_log"
    for checksum in Path(folder).glob("*.crc"):
        checksum.unlink()
    lake.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert names(other, DAYS[0], DAYS[5])[0] == before


def test_files_without_days_are_read(lake):
    assert file_list._may_hold((None, None), D1, D1)
    assert file_list._conditions(TABLE, D1, D1) == [
        "coalesce(get_json_object(stats, '$.maxValues.business_date') >= '2026-03-10', true)",
        "coalesce(get_json_object(stats, '$.minValues.business_date') <= '2026-03-10', true)",
    ]
