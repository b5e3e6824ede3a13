"""Columns that come, go, change their names and their types, in each format and each mode."""

import csv
import io
import json
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from conftest import collected
from lakeshop.bronze.ingest import ingest
from lakeshop.config.shop import Entity
from lakeshop.errors import InputError
from lakeshop.silver.clean import CLEANINGS, clean
from lakeshop.silver.cleaning import validate
from lakeshop.silver.counting import KEPT_ON, OUTCOME, QUARANTINED, counted
from lakeshop.silver.drift import Drift, assert_columns, expected_columns, required_columns
from lakeshop.silver.entities import CleaningContext
from lakeshop.sources.files import RAW_ROW
from lakeshop.sources.lines import Limits, lines_of
from shops import action, line, product, reason_of, tiny_shop

DAY = date(2026, 3, 10)
FORMATS = ("json", "csv", "parquet")
COLUMNS = {"product_id": "sku", "name": "title", "brand": "brand", "list_price": "price"}
ROWS = 4
LIMITS = Limits(delivered=2**20, unpacked=2**20)
PLAIN = {"sku": "p", "title": "t", "brand": "b", "price": 1.5, "known": "k"}
# By kind of drift: what the rows of a file are made of.
FILES = {
    "plain": PLAIN,
    "new": PLAIN | {"colour": "red", "size\n": "XL"},
    "missing": {name: value for name, value in PLAIN.items() if name != "brand"},
    "renamed": {"marke" if name == "brand" else name: value for name, value in PLAIN.items()},
    "required": {name: value for name, value in PLAIN.items() if name != "title"},
    "renamed required": {"art" if n == "sku" else n: value for n, value in PLAIN.items()},
    "type": PLAIN | {"price": "dear"},
}


def entity_of(kind, drift="evolve", **options):
    return Entity.model_validate(
        {
            "path": "{date}",
            "format": kind,
            "columns": COLUMNS,
            "ignored": ["known", "never there"],
            "drift": drift,
            **options,
        }
    )


def content_of(kind, row):
    rows = [row | ({"sku": f"p{n}"} if "sku" in row else {}) for n in range(ROWS)]
    if kind == "parquet":
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), buffer)
        return buffer.getvalue()
    if kind == "json":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    text = io.StringIO()
    # A header cannot hold a line break.
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name.strip() for name in rows[0]])
    writer.writerows(row.values() for row in rows)
    return text.getvalue().encode()


def checked_files(spark, contracts, entity, **contents):
    """The rows of the files as they are judged, and what was counted of them."""
    contract = contracts["silver.products"]
    rows = [
        (DAY, name, found.number, found.raw, found.header, found.fault)
        for name, content in contents.items()
        for found in lines_of(content, name, entity, LIMITS)
    ]
    raw = spark.createDataFrame(rows, RAW_ROW)
    cleaned = validate(raw, entity, contract, CLEANINGS["products"], CleaningContext({}, "UTC"))
    outcome = "CASE WHEN size(reasons) > 0 THEN 'quarantined' ELSE 'accepted' END"
    alone = "CAST(NULL AS DATE)"  # no row counts instead of another
    cleaned = cleaned.selectExpr("*", f"{outcome} AS {OUTCOME}", f"{alone} AS {KEPT_ON}").persist()
    return cleaned, counted(contract, entity, cleaned)


@pytest.fixture(scope="module", params=FORMATS)
def files(request, spark, contracts):
    """All kinds of drift in one format, each as a file of four rows."""
    kind = request.param
    contents = {name: content_of(kind, row) for name, row in FILES.items()}
    rows, counts = checked_files(spark, contracts, entity_of(kind), **contents)
    return kind, rows, {drift.file: drift for drift in counts.drifts}


def outcome(entity, contracts, drifts, rows=None):
    return assert_columns(entity, contracts["silver.products"], drifts, rows)


# -- what is seen of each file ---------------------------------------------------------------------


def test_each_drift_is_seen_in_its_file_and_no_other(files):
    kind, _, drifts = files
    size = "size" if kind == "csv" else "size\n"
    # JSON leaves out what is empty: a column that may be empty is no drift where it is absent.
    brand = () if kind == "json" else ("brand",)
    expected = {
        "new": Drift("new", ("colour", size), ROWS, ()),
        "missing": Drift("missing", (), 0, brand),
        "renamed": Drift("renamed", ("marke",), ROWS, brand),
        "required": Drift("required", (), 0, ("title",)),
        "renamed required": Drift("renamed required", ("art",), ROWS, ("sku",)),
    }
    if kind == "json":
        del expected["missing"]
    assert drifts == expected


def test_a_changed_type_is_quarantined_with_its_reason_and_never_null(files):
    _, rows, _ = files
    found = rows.where("source_file = 'type'").select("reasons", OUTCOME, "list_price").collect()
    reason = "wrong type: list_price should be decimal(12,2)"
    assert [tuple(row) for row in found] == [([reason], QUARANTINED, None)] * ROWS


# -- evolve ----------------------------------------------------------------------------------------


def test_evolve_accepts_the_rows_and_warns_once_for_all_files(files, contracts):
    kind, rows, drifts = files
    accepted = rows.where("outcome = 'accepted'").groupBy("source_file").count().collect()
    names = ("plain", "new", "missing", "renamed")
    assert {row[0]: row[1] for row in accepted} == dict.fromkeys(names, ROWS)
    harmless = [d for d in drifts.values() if not {"sku", "title"} & set(d.missing)]
    texts = outcome(entity_of(kind), contracts, [*harmless, Drift("other", ("marke",), 3, ())])
    size = "size" if kind == "csv" else "'size\\n'"
    rest = "map them, or list them under `ignored`"
    expected = [
        f"new columns: colour, {size}, in 4 rows of new; {rest}",
        f"new columns: marke, in 7 rows of renamed and 1 more files; {rest}",
    ]
    if kind != "json":
        expected.append("missing columns: brand, in missing and 1 more files")
    assert sorted(texts) == sorted(expected)


@pytest.mark.parametrize("drift", ["evolve", "discard_row", "freeze"])
def test_a_missing_required_column_stops_in_every_mode(files, contracts, drift):
    kind, rows, drifts = files
    entity = entity_of(kind, drift)
    bad = [drifts["required"], drifts["renamed required"]]
    with pytest.raises(InputError) as caught:
        outcome(entity, contracts, bad, rows)
    assert caught.value.exit_code == 1
    text = str(caught.value)
    assert "required: missing: title; found: sku, brand, price, known\n" in text
    assert "renamed required: missing: sku; new: art; found: art, title, brand, price" in text
    assert "nothing else of products was written" in text


# -- freeze ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["new", "renamed", "missing"])
def test_freeze_stops(files, contracts, file):
    kind, rows, drifts = files
    if file not in drifts:
        return  # a column that JSON leaves out
    with pytest.raises(InputError) as caught:
        outcome(entity_of(kind, "freeze"), contracts, [drifts[file]], rows)
    text = str(caught.value)
    assert "and no others, as `drift: freeze` says" in text
    assert f"  {file}: " in text
    assert all(name in text for name in drifts[file].missing)
    assert "\n'" not in text, "names from a file must not break a line of the log"


def test_freeze_shows_five_files_and_counts_the_rest(files, contracts):
    kind, rows, _ = files
    many = [Drift(f"file {n}", ("x",), 1, ()) for n in range(9)]
    with pytest.raises(InputError) as caught:
        outcome(entity_of(kind, "freeze"), contracts, many, rows)
    assert str(caught.value).count("new: x") == 5
    assert "and 4 more files" in str(caught.value)


# -- discard_row -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_discard_row_quarantines_the_rows_that_drift(spark, contracts, kind):
    contents = {name: content_of(kind, FILES[name]) for name in ("plain", "new", "renamed")}
    if kind == "json":  # of a file's rows those alone that have the new column
        contents["plain"] += json.dumps(PLAIN | {"sku": "q", "colour": "red"}).encode()
    entity = entity_of(kind, "discard_row")
    rows, counts = checked_files(spark, contracts, entity, **contents)
    found = {(row[0], *row[1]) for row in rows.select("source_file", "reasons").collect()}
    size = "size" if kind == "csv" else "size\n"
    new = "new column: should be mapped or ignored, received "
    absent = () if kind == "json" else ("missing column: should be brand",)
    assert found == {
        ("plain",),
        ("new", f"{new}colour, {size}"),
        ("renamed", f"{new}marke", *absent),
        *([("plain", f"{new}colour")] if kind == "json" else []),
    }
    assert counts.outcomes["quarantined"] == 2 * ROWS + (kind == "json")
    assert counts.rows == 3 * ROWS + (kind == "json")


# -- what files may hold ---------------------------------------------------------------------------


def test_hostile_names_of_columns_are_bounded(spark, contracts):
    """A file with any number of long names: told briefly, and the run does not grow with them."""
    many = "".join(
        json.dumps(PLAIN | {"sku": f"p{n}", f"k{n}" * 400: 1, **{f"x{m}": 1 for m in range(50)}})
        + "\n"
        for n in range(30)
    )
    rows, counts = checked_files(spark, contracts, entity_of("json"), many=many.encode())
    [drift] = counts.drifts
    assert drift.new_rows == 30
    assert len(drift.new) == 20
    assert max(map(len, drift.new)) == 60
    [texts] = outcome(entity_of("json"), contracts, [drift], rows)
    assert len(texts) < 1500


PERSON = "Xk3v9TqLw7ZrB2mNp8sYd4Hc"


@pytest.mark.parametrize("drift", ["evolve", "discard_row", "freeze"])
@pytest.mark.parametrize(
    ("kind", "content"),
    [("csv", f"{PERSON},p1,1\nq,p2,2\n"), ("json", f'{{"{PERSON}": 1}}\n')],
)
def test_unknown_headers_are_not_repeated(spark, contracts, kind, content, drift):
    """A file without its header has a person's row there, an object may be keyed by persons."""
    entity = entity_of(kind, drift)
    rows, counts = checked_files(spark, contracts, entity, strange=content.encode())
    assert PERSON not in repr((counts.drifts, collected(rows, "reasons")))
    with pytest.raises(InputError, match="names unlike all of these") as caught:
        outcome(entity, contracts, counts.drifts, rows)
    assert PERSON not in str(caught.value)


@pytest.mark.parametrize("header", ["a\rb", '"a\nb', "x" * 200_000], ids=["cr", "quote", "long"])
def test_a_header_that_is_none_makes_its_rows_malformed(spark, contracts, header):
    content = f"{header}\np1,t\n".encode()
    rows, counts = checked_files(spark, contracts, entity_of("csv"), strange=content)
    assert counts.outcomes["quarantined"] == counts.rows > 0
    for [reasons] in collected(rows, "reasons"):
        assert any(reason.startswith(("malformed", "missing", "unreadable")) for reason in reasons)


def test_a_name_that_stands_twice_in_an_object_spoils_its_row(spark, contracts):
    twice = b'{"sku":"p1","title":"a","title":"b"}\n{"sku":"p2","title":"c","x":{"title":"d"}}\n'
    rows, counts = checked_files(spark, contracts, entity_of("json"), twice=twice)
    assert collected(rows, "source_line", "name", "reasons")[0][2] == [
        "malformed: line should name each column once"
    ]
    assert counts.outcomes["quarantined"] == 1


def test_files_without_rows_or_without_a_readable_one_are_no_drift(spark, contracts):
    contents = {"none": b"", "broken": b'{"sku"', "cut.gz": b"\x1f\x8b\x08"}
    _, counts = checked_files(spark, contracts, entity_of("json"), **contents)
    assert counts.drifts == []
    assert (counts.rows, counts.outcomes["quarantined"], counts.unreadable_files) == (2, 2, 1)
    fault = "file should be a whole gzip file, received: "
    assert counts.warnings[0].startswith(f"files that cannot be read: 1 of 2: cut.gz: {fault}")


def test_a_file_that_is_an_array_is_unreadable_and_one_with_an_array_among_rows_is_not(
    spark, contracts
):
    rows = [PLAIN | {"sku": f"p{n}"} for n in range(ROWS)]
    array = json.dumps(rows).encode()
    contents = {
        "array": array,
        "indented": json.dumps(rows, indent=1).encode(),
        "among": content_of("json", PLAIN) + array,
    }
    _, counts = checked_files(spark, contracts, entity_of("json"), **contents)
    assert counts.unreadable_files == 2
    said = "file should hold one object a line, received an array on a line"
    assert f"files that cannot be read: 2 of 3: array: {said}; indented: {said}" in str(
        counts.warnings
    )


def test_json_may_lack_a_required_column_in_files_of_a_few_rows(spark, contracts):
    """One file per order: the row has its reason, unless no file has the column."""

    def lacking(*names, **options):
        contents = {name: content_of("json", FILES[name]) for name in names}
        contents["few"] = b'{"sku":"x","brand":"b"}\n' * options.pop("rows", 3)
        rows, counts = checked_files(spark, contracts, entity_of("json", **options), **contents)
        told = rows.where("source_file = 'few'").select("reasons").collect()
        assert {tuple(row[0]) for row in told} <= {("missing: name should be present",)}
        return {drift.file: drift.missing for drift in counts.drifts}

    assert lacking("plain") == {}
    assert lacking("plain", rows=4) == {"few": ("title",)}
    assert lacking("plain", drift="freeze") == {"few": ("title",)}
    assert lacking() == {"few": ("title",)}
    assert lacking("required") == {"few": ("title",), "required": ("title",)}


def test_json_that_is_left_out_lacks_nothing(spark, contracts):
    where = {"expression": "state <> 'off'", "reads": ["state"]}
    contents = {"off": b'{"sku":"x","state":"off"}\n' * 5}
    contents["on"] = json.dumps(PLAIN | {"state": "on"}).encode()
    _, counts = checked_files(spark, contracts, entity_of("json", where=where), **contents)
    assert [drift.file for drift in counts.drifts if drift.missing] == []


def test_a_row_of_csv_may_end_with_a_separator_and_else_says_how_many_fields_it_has(
    spark, contracts
):
    entity = entity_of("csv", columns={"product_id": "sku", "name": "title"})
    content = b'sku,title\np1,t,\np2,"t,",\np3,t,x\np4\np5,t\np6,"t"",x"\n'
    rows, counts = checked_files(spark, contracts, entity, ends=content)
    reason = "malformed: line should have the 2 fields of its header, received"
    assert collected(rows, "source_line", "product_id", "name", "reasons") == [
        (2, "p1", "t", []),
        (3, "p2", "t,", []),
        (4, "p3", "t", [f"{reason} 3"]),
        (5, "p4", None, [f"{reason} 1"]),
        (6, "p5", "t", []),
        (7, "p6", 't",x', []),
    ]
    assert counts.drifts == []


def test_a_mapped_name_that_stands_twice_in_a_header_is_told_of(spark, contracts):
    entity = entity_of("csv", columns={"product_id": "sku", "name": "title"}, ignored=["x"])
    contents = {"twice": b"sku,title,title,x,x\np1,a,b,1,2\np2,a,b,1,2\n", "once": b"sku,title\n"}
    contents["once"] += b"p3,a\n"
    rows, counts = checked_files(spark, contracts, entity, **contents)
    assert counts.warnings == (
        "title: stands twice in the header of 2 rows, and the first is read; name the columns "
        "apart",
    )
    assert {row["name"] for row in rows.collect()} == {"a"}


def test_what_a_required_column_is_computed_from_is_required_of_csv(contracts):
    contract = contracts["silver.products"]
    columns = COLUMNS | {"name": {"expression": "coalesce(a, b)", "reads": ["a", "b"]}}
    of_csv, of_json = (entity_of(kind, columns=columns) for kind in ("csv", "json"))
    assert required_columns(of_csv, contract) == ["a", "b", "sku"]
    assert required_columns(of_json, contract) == expected_columns(of_json, contract) == ["sku"]
    assert expected_columns(of_csv, contract) == ["a", "b", "brand", "price", "sku"]


# -- a run -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory):
    """Two days, on the second of which an action and the catalogue have a column more."""
    shop = tiny_shop(spark, tmp_path_factory.mktemp("drifting"))
    next_day = DAY + timedelta(days=1)
    for day in (DAY, next_day):
        shop.deliver("transactions", day, [line(day.day, f"{day} 10:00:00")])
    shop.deliver("user_actions", next_day, [action(n, f"{next_day} 09:00:00") for n in range(3)])
    shop.deliver("products", next_day, [product(n) | {"colour": "red"} for n in range(2)])
    return shop


def with_drift(shop, drift):
    path = shop.home / "conf/shops/tiny.yaml"
    conf = yaml.safe_load(path.read_text())
    for entity in conf["shop"]["entities"].values():
        entity["drift"] = drift
    path.write_text(yaml.safe_dump(conf))


def cleaned(shop, day):
    run = shop.run(day)
    ingest(run)
    clean(run)
    run.flush()
    return run


def test_a_run_warns_then_freezes_then_stops_for_what_is_required(shop, caplog):
    next_day, tables = DAY + timedelta(days=1), ("silver.products", "quarantine.products")
    with caplog.at_level("INFO", logger="lakeshop"):
        cleaned(shop, next_day)
    warning = (
        f"new columns: colour, in 2 rows of products/{next_day}.csv; map them, or list them under "
        "`ignored`"
    )
    [(_, texts)] = collected(
        shop.lake().read("ops.runs").where("table_name = 'silver.products'"),
        *("table_name", "warnings"),
    )
    assert texts == [warning]
    assert warning in caplog.text
    assert all("colour" not in name for name in shop.lake().read_raw(tables[0]).columns)
    raw = collected(shop.lake().read("bronze.products"), "raw")
    assert all(text.endswith(",red") for (text,) in raw), "bronze keeps what was delivered"
    versions = {table: shop.lake().version(table) for table in tables}
    with_drift(shop, "freeze")
    reason = reason_of(cleaned(shop, next_day), "silver.products")
    assert f"products/{next_day}.csv: new: colour; found: sku" in reason
    assert {table: shop.lake().version(table) for table in tables} == versions
    # One of two files of a day names a required column otherwise.
    with_drift(shop, "evolve")
    renamed = {("betrag" if k == "amount" else k): v for k, v in line(1, f"{DAY} 9:00:00").items()}
    second = shop.deliver("transactions", DAY, [renamed] * 4, zipped=True)
    before = shop.lake().version("silver.transactions")
    assert second.exists()
    reason = reason_of(cleaned(shop, DAY), "silver.transactions")
    assert "missing: amount; new: betrag; found: id, order, user" in reason
    assert shop.lake().version("silver.transactions") == before
    assert shop.lake().read("silver.transactions", DAY, DAY).isEmpty()
    shop.deliver("transactions", DAY, [], zipped=True)  # mended: later days are made again
    assert not cleaned(shop, DAY).failures


def test_a_type_that_changes_in_too_many_rows_stops_the_run(shop):
    last = DAY + timedelta(days=2)
    rows = [line(n, f"{last} 10:00:00", quantity=f"{n} pcs" if n < 6 else n) for n in range(1, 9)]
    shop.deliver("transactions", last, rows)
    reason = reason_of(cleaned(shop, last), "silver.transactions")
    assert "at most 5.0% bad rows. Received 5 of 8" in reason
    reasons = collected(shop.lake().read("quarantine.transactions", last, last), "reasons")
    assert reasons == [(["wrong type: quantity should be decimal(12,3)"],)] * 5
    assert shop.lake().read("silver.transactions", last, last).isEmpty()
