"""Names of files by day, in any pattern of a date, and the columns that they give."""

import re
from datetime import date

import pytest

from lakeshop.config.file_names import FileNames
from lakeshop.config.shop import Entity

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("pattern", "glob"),
    [
        ("x/{date}*.csv", "x/2026-03-01*.csv"),
        ("{date:yyyyMMdd}.csv", "20260301.csv"),
        ("{date:dd.MM.yy}.csv", "01.03.26.csv"),
        ("{date:d-M-yyyy}.csv", "1-3-2026.csv"),
        ("{date:yyyy}/{date:MM}/{date:dd}/*", "2026/03/01/*"),
        ("{date:yyyy/MM/dd}/*", "2026/03/01/*"),
        ("{date+1:yyyyMMdd}.csv", "20260302.csv"),
        ("{date-1}.csv", "2026-02-28.csv"),
        ("{date:yyyy'T'MMdd}", "2026T0301"),
        ("{date:yyyy[MM]dd}", "2026\\[03\\]01"),
        ("{store}/{date}_{till}.{csv,txt}", "*/2026-03-01_*.{csv,txt}"),
    ],
)
def test_the_pattern_of_a_day(pattern, glob):
    names = FileNames(pattern)
    assert names.fault is None
    assert names.glob(DAY) == glob


def test_one_pattern_of_several_days():
    days = [date(2026, 2, 28), DAY]
    assert FileNames("{date}/{till}.csv").glob(*days) == "{2026-02-28,2026-03-01}/*.csv"
    assert FileNames("{date:yyyy}/{date:M,d}").glob(*days) == "2026/{2\\,28,3\\,1}"


@pytest.mark.parametrize(
    "pattern",
    [
        *("{date:yyyyMM}", "{date:MMdd}", "{date:yyyymmdd}", "{date:YYYY-MM-dd}", "{date:yyyMMdd}"),
        *("{date +1}", "{Date}/{date:yyyy}", "{s}/{s}/{date}"),
        *("{date:yyyy}/{date+1:MMdd}", "{date:dd.MMM.yyyy}", "{date:yyyy-MM-ddTHH}"),
    ],
)
def test_a_pattern_that_names_no_day_is_refused(pattern):
    with pytest.raises(ValueError, match="should name files by their day"):
        Entity.model_validate({"path": pattern, "format": "csv", "columns": {}})


def test_columns_of_a_name():
    names = FileNames("{store}/{date:yyyyMMdd}-{till}*.csv")
    assert names.columns == ("store", "till")
    found = re.fullmatch(names.expression(), "s 1/20260301-t7.csv")
    assert found.groups() == ("s 1", "t7")
    assert re.fullmatch(names.expression(DAY), "s/20260301-t.csv")
    for other in ("s/20260302-t.csv", "a/s/20260301-t.csv", "/20260301-t.csv"):
        assert not re.fullmatch(names.expression(DAY), other)


def test_a_path_has_a_day_and_a_history_has_none():
    with pytest.raises(ValueError, match="should have a path with"):
        Entity.model_validate({"path": "{store}.csv", "format": "csv", "columns": {}})
    with pytest.raises(ValueError, match="history without"):
        Entity.model_validate(
            {"path": "{date}", "history": "{date}", "format": "csv", "columns": {}}
        )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"where": "status"}, "should be {expression"),
        ({"where": {"expression": "a > 1"}}, "should be {expression"),
        ({"encoding": "klingon"}, "should be an encoding"),
        ({"encoding": "base64"}, "should be an encoding"),
        ({"lines": "items"}, "should have lines only where"),
        ({"quote": ","}, "differ from each other"),
        ({"escape": '"'}, "differ from each other"),
    ],
)
def test_keys_of_forms_are_checked(keys, said):
    with pytest.raises(ValueError, match=said):
        Entity.model_validate({"path": "{date}", "format": "csv", "columns": {}, **keys})


def test_keys_that_came_later_change_no_digest_where_they_have_their_defaults():
    plain = Entity.model_validate({"path": "{date}", "format": "csv", "columns": {}})
    assert set(plain.model_dump()) == {
        *("jdbc", "path", "format", "required", "history", "separator", "header", "columns"),
        *("ignored", "drift"),
    }
    stated = plain.model_copy(update={"null_values": ()})
    assert "null_values" in stated.model_dump_json()
