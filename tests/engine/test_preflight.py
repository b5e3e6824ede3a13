"""Room on the lake's disk."""

import shutil
from collections import namedtuple

import pytest

from lakeshop.engine import cli as job
from lakeshop.engine.preflight import check_disk_space
from lakeshop.errors import DiskSpaceError
from lakeshop.pipeline import main
from shops import tiny_shop

Usage = namedtuple("Usage", "total used free")
MIB = 2**20


@pytest.fixture
def free(monkeypatch):
    """How many bytes are free, and of which folder that was asked."""
    asked = []

    def set_to(amount):
        def usage(folder):
            asked.append(folder)
            return Usage(2 * amount, amount, amount)

        monkeypatch.setattr(shutil, "disk_usage", usage)
        return asked

    return set_to


def test_so_much_must_be_free_where_the_lake_lies_or_will_lie(tmp_path, free):
    asked = free(5 * MIB)
    check_disk_space(str(tmp_path / "not" / "yet"), 5)
    assert asked == [tmp_path]
    free(5 * MIB - 1)
    with pytest.raises(
        DiskSpaceError, match=r"should have 5 MiB free before a run .*Received 4 MiB"
    ):
        check_disk_space(str(tmp_path), 5)
    check_disk_space("s3a://bucket/lake", 5)


def test_a_job_ends_with_1_before_it_begins_and_upkeep_begins(tmp_path, free, monkeypatch, caplog):
    tiny_shop(None, tmp_path)
    free(0)
    asked = ["--date", "2026-03-05", "--conf", str(tmp_path / "conf"), "--shop", "tiny"]
    asked += ["--schemas", str(tmp_path / "schemas")]
    assert main("nightly", None, asked) == 1
    assert "should have 1,024 MiB free" in caplog.text
    assert not (tmp_path / "lake").exists()

    class Begun(Exception):
        pass

    def begin(*_):
        raise Begun

    monkeypatch.setattr(job, "acquire_lock", begin)
    assert main("maintain", None, asked) == 1
    assert "Begun" in caplog.text
