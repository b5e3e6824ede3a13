"""The files that may hold rows of some days: of Delta's checksum, and the same by a job."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from conftest import plain
from lakeshop.storage import file_list
from lakeshop.storage.file_list import files_of_days
from lakeshop.storage.lake import Lake

D1 = date(2026, 3, 10)
DAYS = [D1 + timedelta(days=n) for n in range(6)]
TABLE = "features.product_days"
RANGES = [(None, None), (DAYS[1], None), (None, DAYS[2]), (DAYS[2], DAYS[3]), (DAYS[5], DAYS[0])]


@pytest.fixture(scope="module", params=["partitioned", "by statistics"])
def lake(request, spark, contracts, tmp_path_factory):
    """A table of six days, the last of which hold two files each."""
    days = ("business_date",) if request.param == "partitioned" else ()
    contract = replace(contracts[TABLE], partition_by=days)
    lake = Lake(spark, str(tmp_path_factory.mktemp("files")), {TABLE: contract})
    row = {c.name: plain(c.type.typeName()) for c in contract.columns}
    for n, day in enumerate(DAYS):
        for _ in range(1 + (n > 3)):
            values = tuple((row | {"business_date": day}).values())
            rows = spark.createDataFrame([values], contract.struct)
            lake.replace_days(TABLE, rows, day, day, run_id="r", are_new=True)
    return lake


def names(lake, first, last):
    """Paths of files, and the jobs of Spark that finding them took."""
    context, group = lake.spark.sparkContext, f"{uuid4()}"
    context.setJobGroup(group, "")
    found = files_of_days(lake.spark, lake.snapshot(TABLE), lake.contract(TABLE), first, last)
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
    found, jobs = names(lake, DAYS[1], DAYS[4])
    assert found == few[0]
    assert jobs


def test_a_version_whose_checksum_was_lost_is_read_all_the_same(lake):
    """As by a kill after its commit."""
    other = Lake(lake.spark, lake.root, lake.contracts)
    before = names(other, DAYS[0], DAYS[5])[0]
    folder = f"{lake.path(TABLE)}/_delta_log"
    for checksum in Path(folder).glob("*.crc"):
        checksum.unlink()
    lake.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert names(other, DAYS[0], DAYS[5])[0] == before


def test_files_without_days_are_read(contracts):
    assert file_list._may_hold((None, None), D1, D1)
    assert file_list._conditions(contracts[TABLE], D1, D1) == [
        "coalesce(get_json_object(stats, '$.maxValues.business_date') >= '2026-03-10', true)",
        "coalesce(get_json_object(stats, '$.minValues.business_date') <= '2026-03-10', true)",
    ]
