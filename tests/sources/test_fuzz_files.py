"""Files of any bytes are rows, or one row that says why not; never an exception, never a loss."""

import gzip
import io
import json
import random
import re
import zlib
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from conftest import HOME, collected
from lakeshop.config.shop import Entity
from lakeshop.pipeline import all_contracts
from lakeshop.silver.clean import CLEANINGS
from lakeshop.silver.cleaning import validate
from lakeshop.silver.entities import CleaningContext
from lakeshop.sources import lines, records
from lakeshop.sources.files import RAW_ROW, DeliveredFile, _frames, read_drops
from lakeshop.sources.lines import Limits, lines_of, memory_bound

LIMITS = Limits(delivered=2**24, unpacked=2**24)
JSON = Entity(path="{date}", format="json", columns={})
CSV = Entity(path="{date}", format="csv", columns={})
PARQUET = Entity(path="{date}", format="parquet", columns={})
ROWS = 20
TEXT = "".join(json.dumps({"id": f"p{n}", "name": "Käse", "n": n}) + "\n" for n in range(ROWS))
TABLE = io.BytesIO()
pq.write_table(
    pa.table({"id": [f"p{n}" for n in range(ROWS)], "n": list(range(ROWS))}),
    TABLE,
    write_page_checksum=True,
)
PARQUET_FILE = TABLE.getvalue()


def rows_of(content, name="a.jsonl", entity=JSON, limits=LIMITS):
    return list(lines_of(content, name, entity, limits))


def assert_all_there(content, rows):
    """Each line that is not blank is a row with its number, and its text where it is text."""
    has_cr_alone = content.count(b"\r") - content.count(b"\r\n") > content.count(b"\n")
    ends = re.split(b"\r\n?|\n" if has_cr_alone else b"\n", content)
    delivered = {
        number: text.removesuffix(b"\r").removeprefix(b"\xef\xbb\xbf" if number == 1 else b"")
        for number, text in enumerate(ends, 1)
    }
    by_number = {row.number: row for row in rows}
    assert len(by_number) == len(rows)
    for number, text in delivered.items():
        row = by_number.get(number)
        if row is None:
            assert not text.decode("utf-8").strip()
        elif row.fault is None:
            assert row.raw.encode() == text
        else:
            with pytest.raises(UnicodeDecodeError):
                text.decode("utf-8")
            assert row.raw == text.decode("utf-8", errors="backslashreplace")
    assert by_number.keys() <= delivered.keys()


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@example(b"\xef\xbb\xbf\n \r\n\x00\n\xff")
@example(TEXT.encode("latin-1"))
@example(TEXT.encode("utf-8-sig"))
@given(st.one_of(st.binary(max_size=300), st.text("a\n\r \t,\"'{}\x00\x85ä", max_size=80)))
def test_any_bytes_are_rows(content):
    content = content if isinstance(content, bytes) else content.encode()
    assume(not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")))
    rows = rows_of(content)
    assert rows_of(gzip.compress(content), "a.jsonl.gz") == rows
    if any(row.number == 0 for row in rows):
        return  # every other byte is 0
    assert_all_there(content, rows)
    with_header = rows_of(content, "a.csv", CSV)
    if any(row.number == 0 for row in with_header):
        assert len(with_header) == 1
        assert rows[0].fault or '"' in rows[0].raw or "\r" in rows[0].raw
        return
    if with_header:  # records are lines, some of them held together by quotes
        [header] = {row.header for row in with_header}
        texts = [header, *(row.raw for row in with_header)]
        kept = [text for raw in texts for text in raw.split("\n") if text.strip()]
        assert kept == [row.raw for row in rows]


def damaged(content, chance):
    """The content cut, flipped, with pieces moved or zeroed."""
    wounded = bytearray(content)
    start = chance.randrange(len(content))
    match chance.randrange(4):
        case 0:
            return bytes(wounded[:start])
        case 1:
            wounded[start] ^= 1 << chance.randrange(8)
        case 2:
            wounded[start : start + chance.randrange(1, 40)] = bytes(chance.randrange(40))
        case _:
            wounded[start:start] = wounded[: chance.randrange(60)]
    return bytes(wounded)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_gzip_is_whole_or_one_row(seed):
    chance = random.Random(seed)
    whole = rows_of(TEXT.encode())
    content = gzip.compress(TEXT[:400].encode()) + gzip.compress(TEXT[400:].encode())
    faults = 0
    for _ in range(200):
        rows = rows_of(damaged(content, chance), "a.gz")
        if len(rows) == 1 and rows[0].number == 0:
            assert rows[0].fault.startswith("file should be a whole gzip file, received: ")
            faults += 1
        elif rows != whole:  # cut or doubled between its two members: each a whole gzip file
            assert rows == whole[: len(rows)] or len(rows) > len(whole)
    assert faults > 120


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_parquet_is_what_it_was_or_one_row(seed):
    chance = random.Random(seed)
    whole = rows_of(PARQUET_FILE, entity=PARQUET)
    faults = 0
    for _ in range(200):
        rows = rows_of(damaged(PARQUET_FILE, chance), entity=PARQUET)
        if len(rows) == 1 and rows[0].number == 0:
            assert rows[0].fault.startswith("file should be readable Parquet, received: ")
            assert "\n" not in rows[0].fault
            faults += 1
        elif rows != whole:  # names and statistics have no checksum: a column is called otherwise
            assert [json.loads(r.raw).values() for r in rows] != []
            assert len(rows) == ROWS
    assert faults > 120


# -- what is too large -----------------------------------------------------------------------------


def test_a_bomb_stops_early():
    """A gigabyte from a megabyte; only what is allowed is unpacked, a piece at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    content = b"".join(packer.compress(bytes(2**24)) for _ in range(16)) + packer.flush()
    with memory_bound(2**27):
        [row] = rows_of(content, "a.gz")
    assert "more than 16777216 bytes unpacked" in row.fault


def test_a_line_that_is_too_long_keeps_its_start(monkeypatch):
    monkeypatch.setattr(records, "LONGEST_LINE", 30)
    monkeypatch.setattr(records, "START_KEPT", 5)
    content = b"a" * 30 + b"\n" + "äöü".encode() * 9 + b"\nshort\n" + b"b" * 31
    rows = rows_of(content)
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.raw for row in rows] == ["a" * 30, "äö\\xc3", "short", "bbbbb"]
    assert [bool(row.fault) for row in rows] == [False, True, False, True]
    assert rows[1].fault == "line should have at most 30 bytes, received more"


def test_long_lines_are_handed_on_few_at_a_time(monkeypatch):
    monkeypatch.setattr("lakeshop.sources.files.LETTERS_PER_BATCH", 1000)
    content = b"".join(b"x" * 400 + b"\n" for _ in range(10))
    drop = DeliveredFile(None, "a", "file:/a", len(content), 0)
    assert [len(frame) for frame in _frames(drop, content, JSON, LIMITS)] == [3, 3, 3, 1]


def test_a_parquet_bomb_is_refused_by_the_rows_it_claims_or_by_its_memory(monkeypatch):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": pa.nulls(5_000_000, pa.int8())}), buffer)
    [row] = rows_of(buffer.getvalue(), entity=PARQUET)
    assert "more than 16777216 bytes unpacked" in row.fault
    assert len(buffer.getvalue()) < 20_000
    # One text of 4 MB for a thousand rows.
    places = pa.array([0] * 1000, pa.int32())
    wide = pa.table({"id": pa.DictionaryArray.from_arrays(places, pa.array(["x" * 2**22]))})
    buffer = io.BytesIO()
    pq.write_table(wide, buffer)
    monkeypatch.setattr(lines, "MEMORY", 2**28)
    [row] = rows_of(buffer.getvalue(), entity=PARQUET)
    assert row.fault.startswith("file should be readable Parquet, received: ")
    assert len(buffer.getvalue()) < 2**19


def test_a_parquet_value_that_python_has_none_for_spoils_its_row():
    late = pa.array([0, 2**62, 1], pa.timestamp("us"))
    buffer = io.BytesIO()
    table = pa.table({"at": late, "id": [b"p\xc3\xa4", b"p\xff", None]})
    pq.write_table(table, buffer)
    one, two, three = rows_of(buffer.getvalue(), entity=PARQUET)
    # Texts that a writer stored as bytes are texts.
    assert json.loads(one.raw) == {"at": str(datetime(1970, 1, 1)), "id": "pä"}
    assert (two.number, two.raw) == (2, None)
    assert two.fault.startswith("row should have values that can be read")
    assert json.loads(three.raw)["id"] is None


def test_a_parquet_file_with_a_name_twice_is_refused():
    buffer = io.BytesIO()
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), buffer)
    [row] = rows_of(buffer.getvalue(), entity=PARQUET)
    assert row.fault == "file should be readable Parquet, received: a column's name twice"


def test_what_is_not_opened_and_what_grows_meanwhile(spark, tmp_path):
    names = ("folder", "large", "grows", "good")
    for name in names[1:]:
        (tmp_path / name).write_text('{"a":1}\n' * (9 if name == "large" else 1))
    (tmp_path / "folder").mkdir()
    sizes = {name: (tmp_path / name).stat().st_size for name in names} | {"grows": 4}
    drops = [
        DeliveredFile(
            None, name, f"file:{tmp_path}/{name}", sizes[name], 0, is_folder=name == "folder"
        )
        for name in names
    ]
    rows = read_drops(spark, drops, JSON, Limits(delivered=70, unpacked=100))
    found = {name: rest for name, *rest in collected(rows, "source_file", "source_line", "fault")}
    assert found.pop("good") == [1, None]
    assert {number for number, _ in found.values()} == {0}
    assert found["folder"][1].startswith("file should be a file, received a folder; name its files")
    assert found["large"][1].startswith("file should be at most 70 bytes, received 72; deliver it")
    assert found["grows"][1] == ("file should be as it was listed, 4 bytes, received 8: run again")


# -- lines that are parsed -------------------------------------------------------------------------

GOOD = {"sku": "p1", "title": "Käse", "price": 1.5}
ODD = [
    "{",
    "}",
    '"',
    ":",
    ",",
    "[",
    "]",
    "\\",
    "\x00",
    "\x1f",
    "1",
    "e9",
    "-",
    "NaN",
    "ä",
    "\ud83d",
]


def spoiled(chance):
    text = json.dumps(GOOD, ensure_ascii=False)
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(len(text))
        stop = start + chance.randrange(3)
        text = text[:start] + chance.choice(ODD[:-1]) + text[stop:]
    return text


def is_one_object(text):
    """By another reader of JSON, whether a text is one object with each name once."""

    def once(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        return isinstance(json.loads(text, object_pairs_hook=once), dict)
    except ValueError:
        return False


EXTREMES = {
    "deep": '{"sku":' + "[" * 3000 + "]" * 3000 + "}",
    "digits": '{"sku":"p","title":"t","price":' + "9" * 3000 + "}",
    "exponent": '{"sku":"p","title":"t","price":1e999999999}',
    "long name": '{"' + "k" * 70_000 + '":1}',
    "not a number": '{"sku":"p","title":"t","price":NaN}',
    "infinite": '{"sku":"p","title":"t","price":-Infinity}',
    "twice": '{"sku":"p","title":"t","title":"u"}',
    "twice escaped": '{"sku":"p","title":"t","titl\\u0065":"u"}',
}


def test_spoiled_lines_are_read_as_by_another_reader(spark):
    """Thousands of lines in one frame; the clean of a night must not fail for any."""
    contract = all_contracts(HOME / "schemas")["silver.products"]
    chance = random.Random(7)
    texts = [spoiled(chance) for _ in range(3000)] + list(EXTREMES.values())
    rows = [(None, "f", n, text, None, None) for n, text in enumerate(texts)]
    columns = {"product_id": "sku", "name": "title", "list_price": "price"}
    entity = Entity.model_validate({"path": "{date}", "format": "json", "columns": columns})
    raw = spark.createDataFrame(rows, RAW_ROW)
    found = validate(raw, entity, contract, CLEANINGS["products"], CleaningContext({}, "UTC"))
    reasons = dict(found.select("source_line", "reasons").collect())
    assert reasons.keys() == set(range(len(texts)))
    malformed = {n for n, why in reasons.items() if any("malformed" in text for text in why)}
    expected = {n for n, text in enumerate(texts[:3000]) if not is_one_object(text)}
    differ = malformed.symmetric_difference(expected) - set(range(3000, len(texts)))
    assert not differ, [texts[n] for n in differ]
    assert len(expected) > 1000
    assert all(reasons[n] for n in range(3000, len(texts))), "each of the extremes has a reason"


def test_spoiled_csv_lines_all_come_out(spark):
    contract = all_contracts(HOME / "schemas")["silver.products"]
    chance = random.Random(8)
    pieces = ["p1", "Käse", "1.5", ",", ",", '"', '""', " ", "\x00", "'", "\\", ";", "\t", "\r"]
    texts = ["".join(chance.choices(pieces, k=chance.randrange(1, 9))) for _ in range(2000)]
    rows = [(None, "f", n, text, "sku,title,price", None) for n, text in enumerate(texts)]
    columns = {"product_id": "sku", "name": "title", "list_price": "price"}
    entity = Entity.model_validate({"path": "{date}", "format": "csv", "columns": columns})
    raw = spark.createDataFrame(rows, RAW_ROW)
    found = validate(raw, entity, contract, CLEANINGS["products"], CleaningContext({}, "UTC"))
    validated = found.select("source_line", "product_id", "reasons").collect()
    assert {row[0] for row in validated} == set(range(len(texts)))
    fields = {n: text.removesuffix("," * (text.count(",") == 3)) for n, text in enumerate(texts)}
    plain = {n for n, text in fields.items() if text.count(",") != 2 and '"' not in text}
    assert all(row[2] for row in validated if row[0] in plain), "too few or too many fields"
