"""Records of text files: quotes over lines, ends of lines, encodings; nothing cut, nothing lost."""

import gzip

import pytest

from lakeshop.config.shop import Entity
from lakeshop.sources import records
from lakeshop.sources.lines import Limits, lines_of

LIMITS = Limits(delivered=2**24, unpacked=2**24)


def entity_of(**keys):
    return Entity.model_validate({"path": "{date}", "format": "csv", "columns": {}, **keys})


def found(text, written="utf-8", name="a.csv", **keys):
    """Number, text and whether there is a fault, of each record."""
    content = text.encode(written) if isinstance(text, str) else text
    rows = list(lines_of(content, name, entity_of(**keys), LIMITS))
    return [(row.number, row.raw, bool(row.fault)) for row in rows]


def test_a_record_goes_on_while_its_quotes_are_open():
    text = 'id,text\r\n1,"a\r\n\r\nb, ""c"""\r\n2,d\r\n'
    assert found(text) == [(2, '1,"a\n\nb, ""c"""', False), (5, "2,d", False)]
    assert found(gzip.compress(text.encode()), name="a.csv.gz") == found(text)


def test_a_header_may_go_over_lines():
    assert found('"id\nof it",text\n1,a\n') == [(3, "1,a", False)]


def test_quotes_within_a_field_open_nothing():
    text = 'id,text\n1,5" pipe\n2,"5"" pipe"\n3,x"y"z\n'
    assert [fault for *_, fault in found(text)] == [False] * 3


@pytest.mark.parametrize("rest", ["2,b\n3,c\n", '2,"b"\n3,c\n', '2,"b, c"\n3,"d\ne"\n'])
def test_a_quote_that_never_closes_takes_no_other_row(rest):
    broken, *others = found(f'id,text\n1,"a\n{rest}')
    assert broken == (2, '1,"a', True)
    alone = [(number + 1, raw, fault) for number, raw, fault in found(f"id,text\n{rest}")]
    assert others == alone


def test_a_record_of_too_many_lines_is_broken(monkeypatch):
    monkeypatch.setattr(records, "MOST_LINES", 3)
    kept = found('id,text\n1,"a\nb\nc\nd"\n')
    assert kept == [(2, '1,"a\nb\nc\nd"', False)]
    broken = found('id,text\n1,"a\nb\nc\nd\ne"\n2,f\n')
    assert broken[0] == (2, '1,"a', True)
    assert broken[-1] == (7, "2,f", False)


def test_a_record_is_only_one_with_the_headers_fields():
    """A wrong quote meets another, lines later: what stands between them are rows."""
    assert found('id,text,n\n1,"a,1\n2,b,2\n3,c,"\n4,d,4\n') == [
        *((2, '1,"a,1', True), (3, "2,b,2", False), (4, '3,c,"', True), (5, "4,d,4", False))
    ]


def test_a_text_is_not_cut_at_a_quote_that_should_be_doubled():
    assert found('id,text\n1,"He said "hi\nto me"\n')[0] == (2, '1,"He said "hi', True)


def test_other_quotes_and_an_escape():
    text = "id;text\n1;'it\\'s\n;'\n2;'\\\\'\n3;\"\n"
    assert found(text, quote="'", escape="\\", separator=";") == [
        (2, "1;'it\\'s\n;'", False),
        (4, "2;'\\\\'", False),
        (5, '3;"', False),
    ]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_ends_of_lines_in_marked_encodings(end, encoding):
    text = end.join(["id,größe", "1,ä", '2,"x', 'y"', "", "3,z"])
    assert found(text + end, encoding) == [
        (2, "1,ä", False),
        (3, '2,"x\ny"', False),
        (6, "3,z", False),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_cr_ends_lines_where_it_outnumbers_lf(end):
    assert found(f"id;q\r1;2\r3;4{end}", separator=";") == [(2, "1;2", False), (3, "3;4", False)]
    rows = lines_of(b'{"a":1}\r{"a":2}\r{"a":3}\n', "a.jsonl", entity_of(format="json"), LIMITS)
    assert len(list(rows)) == 3


def test_a_header_with_mixed_ends_of_lines_is_unreadable():
    [row] = lines_of(b'"id";q\r1;2\n3;4\n5;6\r\n', "a.csv", entity_of(separator=";"), LIMITS)
    assert (row.number, row.raw) == (0, None)
    assert "a header in which CR and LF are mixed" in row.fault
    assert found('id,"te\rxt"\r\n1,a\r\n') == [(2, "1,a", False)]
    assert found("id,text\r\r\n1,a\r\r\n") == [(2, "1,a\r", False)], "a doubled CR is harmless"


def test_a_header_that_comes_again_is_no_row():
    text = "id,text\r\n1,a\r\nid,text\r\n2,b\r\n\ufeffid,text\r\n3,c\r\n"
    assert [fault for *_, fault in found(text)] == [False, True, False, True, False]
    again = list(lines_of(text.encode(), "a.csv", entity_of(header=["id", "text"]), LIMITS))
    assert [row.fault for row in again if row.fault] == [records.HEADER_AGAIN] * 3


@pytest.mark.parametrize("hint", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
def test_the_line_by_which_a_spreadsheet_names_the_separator_is_skipped(hint):
    assert found(f"{hint}\r\nid;q\r\n1;2\r\n", separator=";") == [(3, "1;2", False)]
    header = {"separator": ";", "header": ["id", "q"]}
    assert found(f"{hint}\n1;2\nsep=;\n", **header) == [(2, "1;2", False), (3, "sep=;", False)]


def test_a_gzip_file_of_another_name_is_named():
    for entity in (entity_of(), entity_of(format="parquet")):
        [row] = lines_of(gzip.compress(b"id\n1\n"), "a.csv", entity, LIMITS)
        assert "file should be named .gz where it is gzipped" in row.fault


def test_cr_alone_in_json():
    rows = lines_of(b'{"a":1}\r{"a":2}\r', "a.jsonl", entity_of(format="json"), LIMITS)
    assert [row.raw for row in rows] == ['{"a":1}', '{"a":2}']


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp850", "utf-16-le", "shift_jis"])
def test_a_named_encoding(encoding):
    name = "カメラ" if encoding == "shift_jis" else "Größe"
    assert found(f"id,text\n1,{name}\n", encoding, encoding=encoding) == [(2, f"1,{name}", False)]


def test_bytes_that_a_named_encoding_lacks():
    [row] = lines_of(b"id\n\x81\xe4\n", "a.csv", entity_of(encoding="cp1252"), LIMITS)
    assert (row.raw, row.fault) == ("\\x81ä", "line should be cp1252, received other bytes")


def test_other_encodings_are_refused_by_name():
    [row] = lines_of("id,text\n1,ä\n".encode("cp1252"), "a.csv", entity_of(), LIMITS)
    assert "cp1252, say so under the entity's `encoding`" in row.fault
    [row] = lines_of("id,text\n1,ä\n".encode("utf-16-le"), "a.csv", entity_of(), LIMITS)
    assert (row.number, row.raw) == (0, None)
    assert "utf-16-le" in row.fault
    [row] = lines_of("id,größe\n1,a\n".encode("cp1252"), "a.csv", entity_of(), LIMITS)
    assert row.number == 0, "columns would have other names"


def test_a_header_of_the_configuration_has_its_quotes():
    entity = entity_of(header=["id", "a,b"], quote="'")
    [row] = lines_of(b"1,'x\ny'\n", "a.csv", entity, LIMITS)
    assert (row.raw, row.header) == ("1,'x\ny'", "id,'a,b'")
