"""Delivered files as rows: every line with its number, whatever the file holds."""

import gzip
import io
import json
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import collected
from lakeshop.config.shop import Entity
from lakeshop.sources import lines
from lakeshop.sources.files import RAW_ROW, find_days, find_drops, pattern_of, read_drops
from lakeshop.sources.lines import Limits

DAY = date(2026, 3, 10)
JSON = Entity(path="x/{date}.jsonl", format="json", columns={})
CSV = Entity(path="x/{date}.csv", format="csv", columns={})
PARQUET = Entity(path="x/{date}.parquet", format="parquet", columns={})


LIMITS = Limits(delivered=2**28, unpacked=2**30)


def lines_of(content, name, entity, limits=LIMITS):
    return list(lines.lines_of(content, name, entity, limits))


def numbered(content, name="a.jsonl", entity=JSON):
    return [(line.number, line.raw, line.fault) for line in lines_of(content, name, entity)]


def parquet(**columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def only_fault(content, name, entity=JSON, limits=LIMITS):
    [line] = lines_of(content, name, entity, limits)
    assert (line.number, line.raw) == (0, None)
    return line.fault


# -- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_json_lines_with_or_without_a_last_newline(end):
    assert numbered(b'{"a":1}\n{"a":2}' + end) == [(1, '{"a":1}', None), (2, '{"a":2}', None)]


def test_blank_lines_are_no_rows_and_count():
    content = b'\n{"a":1}\n\n   \n\t\n{"a":2}\n'
    assert [number for number, _, _ in numbered(content)] == [2, 6]


def test_crlf_is_an_end_of_line_and_a_lone_cr_is_content():
    assert numbered(b"a\r\nb\rc\r\n\r\nd") == [(1, "a", None), (2, "b\rc", None), (4, "d", None)]


def test_other_unicode_line_ends_are_content():
    text = "a\u2028b\x0bc\x85d"
    assert numbered(text.encode() + b"\nnext") == [(1, text, None), (2, "next", None)]


def test_byte_order_mark_is_dropped_at_the_start_only():
    assert numbered(b"\xef\xbb\xbfa\n\xef\xbb\xbfb") == [(1, "a", None), (2, "\ufeffb", None)]


def test_bytes_that_are_no_utf8_are_kept_with_a_fault():
    (good, bad, after) = numbered(b"fine\nM\xfcller \xff\nafter")
    assert good == (1, "fine", None)
    assert bad[:2] == (2, "M\\xfcller \\xff")
    assert bad[2].startswith("line should be UTF-8, received other bytes; where they are cp1252, ")
    assert after == (3, "after", None)


def test_nul_bytes_stay():
    assert numbered(b"a\x00b\n\x00") == [(1, "a\x00b", None), (2, "\x00", None)]


def test_a_very_long_line():
    assert numbered(b"x" * 10**7 + b"\ny") == [(1, "x" * 10**7, None), (2, "y", None)]


@pytest.mark.parametrize("entity", [JSON, CSV])
@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n"])
def test_a_file_without_rows(content, entity):
    assert lines_of(content, "a.txt", entity) == []


# -- CSV -----------------------------------------------------------------------------------------


def test_each_csv_row_carries_its_header():
    found = lines_of(b"\xef\xbb\xbfid,name\r\n1,a\r\n\r\n2,b\r\n", "a.csv", CSV)
    assert [(line.number, line.raw, line.header) for line in found] == [
        (2, "1,a", "id,name"),
        (4, "2,b", "id,name"),
    ]


def test_a_header_alone_is_a_csv_without_rows():
    assert lines_of(b"id,name\n", "a.csv", CSV) == []


def test_the_first_line_that_is_not_blank_is_the_header():
    [line] = lines_of(b"\n\nid\n7\n", "a.csv", CSV)
    assert (line.number, line.raw, line.header) == (4, "7", "id")


def test_a_header_in_the_configuration_makes_the_first_line_a_row():
    entity = CSV.model_copy(update={"header": ("id", "the; name", 'a "b"'), "separator": ";"})
    found = lines_of(b"1;x;y\n2;z;w\n", "a.csv", entity)
    assert [line.number for line in found] == [1, 2]
    assert {line.header for line in found} == {'id;"the; name";"a ""b"""'}


# -- gzip ----------------------------------------------------------------------------------------


def test_gzip_also_of_several_members():
    content = gzip.compress(b"a\nb") + gzip.compress(b"c\nd")
    assert [raw for _, raw, _ in numbered(content, "a.jsonl.gz")] == ["a", "bc", "d"]


@pytest.mark.parametrize("keep", [3, 10, 30, -1])
def test_a_truncated_gzip_is_one_row_with_a_fault(keep):
    content = gzip.compress(json.dumps(list(range(1000))).encode())
    fault = only_fault(content[:keep], "a.jsonl.gz")
    assert fault.startswith("file should be a whole gzip file, received: ")


def test_a_gzip_of_no_bytes_was_cut_off():
    assert "whole gzip file" in only_fault(b"", "a.jsonl.gz")
    assert lines_of(gzip.compress(b""), "a.jsonl.gz", JSON) == []


def test_what_is_no_gzip_at_all():
    assert "whole gzip file" in only_fault(b'{"a":1}\n', "a.jsonl.gz")


def test_a_damaged_gzip():
    content = bytearray(gzip.compress(b'{"a":1}\n' * 1000))
    content[len(content) // 2] ^= 0xFF
    assert "whole gzip file" in only_fault(bytes(content), "a.jsonl.gz")


def test_a_file_that_unpacks_to_more_than_is_allowed():
    limits = Limits(delivered=1000, unpacked=100)
    assert len(lines_of(gzip.compress(b"x" * 100), "a.gz", JSON, limits)) == 1
    fault = only_fault(gzip.compress(b"x\n" * 51), "a.gz", limits=limits)
    assert "more than 100 bytes unpacked; deliver it in several files, or raise quality." in fault


# -- Parquet -------------------------------------------------------------------------------------


def test_parquet_rows_are_json_texts_with_values_as_stored():
    content = parquet(
        id=[1, None],
        price=[Decimal("12.30"), Decimal("0.00")],
        at=[datetime(2026, 3, 10, 8, 5), None],
        name=["Ü", "b"],
    )
    rows = [json.loads(raw) for _, raw, _ in numbered(content, "a.parquet", PARQUET)]
    assert rows == [
        {"id": 1, "price": "12.30", "at": "2026-03-10 08:05:00", "name": "Ü"},
        {"id": None, "price": "0.00", "at": None, "name": "b"},
    ]
    numbers = [number for number, _, _ in numbered(content, "a.parquet", PARQUET)]
    assert numbers == [1, 2]


def test_parquet_without_rows():
    assert lines_of(parquet(id=pa.array([], pa.int64())), "a.parquet", PARQUET) == []


def test_a_flipped_parquet_footer():
    content = bytearray(parquet(id=[1, 2]))
    content[-6] ^= 0xFF  # within the footer's length
    fault = only_fault(bytes(content), "a.parquet", PARQUET)
    assert fault.startswith("file should be readable Parquet, received: ")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_what_is_no_parquet(content):
    assert "readable Parquet" in only_fault(content, "a.parquet", PARQUET)


def test_a_number_that_is_none_spoils_its_row_only():
    content = parquet(id=[1, 2, 3], price=[1.5, float("nan"), float("inf")])
    found = lines_of(content, "a.parquet", PARQUET)
    assert [line.number for line in found] == [1, 2, 3]
    assert json.loads(found[0].raw) == {"id": 1, "price": 1.5}
    assert [json.loads(line.raw)["id"] for line in found] == [1, 2, 3]


def test_numbers_that_are_none_within_a_value_are_texts():
    content = parquet(items=[[{"price": float("nan")}, {"price": 2.0}]])
    [(_, raw, fault)] = numbered(content, "a.parquet", PARQUET)
    assert (json.loads(raw), fault) == ({"items": [{"price": "nan"}, {"price": 2.0}]}, None)


# -- finding and reading -------------------------------------------------------------------------


def test_pattern_of_a_day_and_of_a_history():
    assert pattern_of(JSON, DAY) == "x/2026-03-10.jsonl"
    entity = JSON.model_copy(update={"history": "all/*.jsonl", "path": "{date}/{date}-*.json"})
    assert pattern_of(entity, DAY) == "2026-03-10/2026-03-10-*.json"
    assert pattern_of(entity, None) == "all/*.jsonl"


@pytest.fixture
def landing(tmp_path):
    """A folder with odd names; those that Spark takes for its own are no deliveries."""
    folder = tmp_path / "land ing[1]"
    (folder / "x").mkdir(parents=True)
    for name in ("a b", "c[1]", "d{2}", "é", "_hidden", ".hidden"):
        (folder / "x" / f"2026-03-10 {name}.jsonl").write_text(f'{{"of":"{name}"}}\n')
        (folder / "x" / f"{name} 2026-03-10.jsonl").write_text(f'{{"of":"{name}"}}\n')
    (folder / "x" / "2026-03-11.jsonl").write_text('{"of":"other"}\n')
    (folder / "x" / "2026-03-10 a folder.jsonl").mkdir()
    return folder


def test_find_drops_by_a_pattern_with_odd_names(spark, landing):
    entity = JSON.model_copy(update={"path": "x/{date}*.jsonl"})
    drops = find_drops(spark, str(landing), entity, DAY)
    # By name; of those that begin with a day, none is hidden.
    expected = [".hidden", "_hidden", "a b", "a folder", "c[1]", "d{2}", "é"]
    assert [drop.name for drop in drops] == [f"x/2026-03-10 {name}.jsonl" for name in expected]
    assert {drop.day for drop in drops} == {DAY}
    rows = collected(
        read_drops(spark, drops, entity, LIMITS), "business_date", "source_file", "raw"
    )
    expected.remove("a folder")
    assert rows == sorted(
        [
            *[(DAY, f"x/2026-03-10 {n}.jsonl", f'{{"of":"{n}"}}') for n in expected],
            (DAY, "x/2026-03-10 a folder.jsonl", None),
        ],
        key=repr,
    )


def test_what_find_drops_finds_is_what_is_read(spark, landing):
    """Spark passes over names that begin with _ or a dot: so they are no drops either."""
    entity = JSON.model_copy(update={"path": "x/*{date}.jsonl"})
    drops = find_drops(spark, str(landing), entity, DAY)
    names = {drop.name for drop in drops}
    assert names == {f"x/{name} 2026-03-10.jsonl" for name in ("a b", "c[1]", "d{2}", "é")}
    assert {
        row[0] for row in collected(read_drops(spark, drops, entity, LIMITS), "source_file")
    } == names


def test_names_with_colons_and_columns(spark, tmp_path):
    names = ("s1/20260310_02:00:00.jsonl", "s[2]/20260310_a:b[c].jsonl", "s3/20260311_1.jsonl")
    for name in (*names, "20260310_1.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'{{"of":"{name}"}}\n')
    entity = JSON.model_copy(update={"path": "{store}/{date:yyyyMMdd}_*.jsonl"})
    drops = find_drops(spark, str(tmp_path), entity, DAY)
    assert [drop.name for drop in drops] == list(names[:2])
    rows = collected(read_drops(spark, drops, entity, LIMITS), "source_file", "raw")
    assert rows == [(name, f'{{"of":"{name}"}}') for name in names[:2]]
    next_day = find_drops(spark, str(tmp_path), entity, date(2026, 3, 11))
    assert [drop.name for drop in next_day] == [names[2]]
    both = read_drops(spark, [*drops, *next_day], entity, LIMITS)
    assert both.count() == 3


@pytest.mark.parametrize(
    "path", ["{store}/{date:yyyyMMdd}*.csv", "{date:yyyy/MM/dd}/a.csv", "{date}.{csv,txt}"]
)
def test_files_of_many_days_are_those_of_each(spark, tmp_path, path):
    entity = CSV.model_copy(update={"path": path})
    days = [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    for day in days[:2]:
        for name in (f"s1/{day:%Y%m%d}.csv", f"s 2/{day:%Y%m%d}_2.csv", f"{day:%Y/%m/%d}/a.csv"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("id\n1\n")
        (tmp_path / f"{day}.txt").write_text("id\n1\n")
    by_day = {day: find_drops(spark, str(tmp_path), entity, day) for day in days}
    found = find_days(spark, str(tmp_path), entity, days)
    assert found == {day: drops for day, drops in by_day.items() if drops}
    assert len(found) == 2


def test_no_drops(spark, landing):
    assert find_drops(spark, str(landing), JSON, date(2026, 3, 12)) == []
    assert find_drops(spark, str(landing / "none"), JSON, DAY) == []
    assert find_days(spark, str(landing / "none"), JSON, [DAY]) == {}
    nothing = read_drops(spark, [], JSON, LIMITS)
    assert nothing.schema == RAW_ROW
    assert nothing.isEmpty()


def test_an_entity_without_history_has_no_drops_of_it(spark, landing):
    assert find_drops(spark, str(landing), JSON, None) == []


def test_a_fingerprint_changes_when_the_file_is_delivered_again(spark, landing):
    def prints():
        drops = find_drops(spark, str(landing), JSON, date(2026, 3, 11))
        return [drop.fingerprint for drop in drops]

    before = prints()
    assert before == prints()
    (landing / "x" / "2026-03-11.jsonl").write_text('{"of":"another"}\n')
    assert len(before) == 1
    assert prints() != before


def test_read_drops_gives_one_row_per_delivered_row(spark, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/2026-03-10.csv").write_bytes(b"id,name\n1,a\n\n2,\xff\n")
    (tmp_path / "x/2026-03-11.csv.gz").write_bytes(gzip.compress(b"id\n" + b"3\n" * 99)[:-9])
    entity = CSV.model_copy(update={"path": "x/{date}.csv*"})
    days = [DAY, date(2026, 3, 11)]
    drops = [drop for day in days for drop in find_drops(spark, str(tmp_path), entity, day)]
    (one, two, three) = collected(read_drops(spark, drops, entity, LIMITS))
    assert one == (DAY, "x/2026-03-10.csv", 2, "1,a", "id,name", None)
    assert two[:5] == (DAY, "x/2026-03-10.csv", 4, "2,\\xff", "id,name")
    assert "UTF-8" in two[5]
    assert three[:5] == (days[1], "x/2026-03-11.csv.gz", 0, None, None)
    assert "whole gzip file" in three[5]


def test_many_rows_of_one_file_keep_their_numbers(spark, tmp_path, monkeypatch):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/2026-03-10.jsonl").write_text(
        "".join(f'{{"n":{n}}}\n' for n in range(1, 50_003))
    )
    drops = find_drops(spark, str(tmp_path), JSON, DAY)
    rows = read_drops(spark, drops, JSON, LIMITS)
    wrong = rows.where("get_json_object(raw, '$.n') != cast(source_line as string)")
    assert rows.count() == 50_002  # more than one batch
    assert wrong.isEmpty()
