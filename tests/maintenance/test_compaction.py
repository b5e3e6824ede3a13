"""Ranges of days that are compacted; no Spark."""

from datetime import date, timedelta

import pytest

from lakeshop.maintenance.compaction import worth_compacting
from lakeshop.storage.files import File

D = date(2026, 3, 10)


def day(n):
    return D + timedelta(days=n)


def file(first, last=None, size=1):
    return File(size, day(first), day(first if last is None else last))


def stretches(files, *, least=3, size=10, by_day=False):
    found = worth_compacting(
        sorted(files, key=lambda f: (f.first, f.last)), D, least=least, size=size, by_day=by_day
    )
    return [((first - D).days, (last - D).days) for first, last in found]


NIGHTS = [file(n) for n in range(-4, 1)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], []),
        (NIGHTS, [(-4, -1)]),
        (NIGHTS[2:], []),
        ([*NIGHTS, file(-9, -5, size=8)], [(-4, -1)]),
        ([*NIGHTS, file(-3, size=8)], []),
        ([file(n) for n in (-9, -8, -7)] + [file(-6, size=5)] + NIGHTS, [(-9, -7), (-4, -1)]),
        ([file(-9, 0), *NIGHTS], []),
        ([file(-9, -1), *NIGHTS], [(-9, -1)]),
        ([file(n, size=3) for n in range(-8, 0)], [(-8, -6), (-5, -3)]),
        ([file(-3, -1, size=4)] * 3, []),
    ],
    ids=[
        "none",
        "the newest day stays open",
        "too few",
        "large files are left alone",
        "what shares days with a large one too",
        "a large file parts",
        "what shares days with the open one",
        "overlapping ones go together",
        "no more than one file's size each",
        "more than a file that cannot be parted",
    ],
)
def test_small_files_of_closed_days_next_to_one_another_become_one(files, expected):
    assert stretches(files) == expected


def test_partitions_stay_apart():
    assert stretches([*NIGHTS, *NIGHTS, file(-2)], by_day=True) == [(-2, -2)]
