"""Persons are found, and erased, wherever a column marked personal holds a text."""

from datetime import date
from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bytescan import files_with
from conftest import HOME, collected
from erasures import erased_of
from lakeshop.contracts.model import Column, Contract
from lakeshop.contracts.odcs import read_contracts
from lakeshop.contracts.types import spark_type
from lakeshop.engine.run import Run
from lakeshop.maintenance.erasure import erase
from lakeshop.maintenance.personal_data import marked, person_columns
from lakeshop.privacy.pseudonyms import pseudonym_of
from lakeshop.sources.mentions import IS_ERASED, texts_in
from lakeshop.storage import files as tables
from lakeshop.storage.audit import audit
from lakeshop.storage.content import content_columns
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger

D = date(2026, 3, 10)
KEY = b"a key that is long enough to be one"
GONE, STAYS = "UserWhoIsToBeErased", "UserWhoIsHereToStay"
KINDS = {
    "texts": "ARRAY<STRING>",
    "labels": "MAP<STRING,STRING>",
    "about": "STRUCT<name: STRING, age: INT>",
    "talks": "ARRAY<STRUCT<by: STRING, said: ARRAY<STRING>>>",
}


def column(name, kind, **of):
    return Column(
        name, spark_type(kind), **{"required": False, "personal": True, "about": "x"} | of
    )


NOTES = Contract(
    name="gold.notes",
    grain="one row per note",
    about="Notes.",
    owner="tests",
    rows="aggregate",
    key=("note",),
    columns=(
        column("business_date", "DATE", required=True, personal=False),
        column("note", "STRING", required=True, personal=False),
        *(column(name, kind) for name, kind in KINDS.items()),
        column("counts", "MAP<INT,DOUBLE>"),
        column("open", "MAP<STRING,STRING>", personal=False),
    ),
    partition_by=(),
    checks=(),
    inputs=(),
    look_back_days=None,
    retention_days=800,
    has_latest_twin=False,
)
NOBODY = {"texts": None, "labels": None, "about": None, "talks": None, "counts": None, "open": None}


def notes_of(user):
    """Notes in which a user stands once each, in another place."""
    name = pseudonym_of(user, KEY)
    return {
        "element": {"texts": ["a", f"call {user}, please"]},
        "pseudonym": {"texts": [None, name]},
        "key": {"labels": {user: "vip", "other": None}},
        "value": {"labels": {"who": user}},
        "field": {"about": (user, 7)},
        "deep": {"talks": [None, ("x", None), ("y", ["so", f"said {user}."])]},
    }


EMPTY = {
    "nothing": {},
    "hollow": {"texts": [], "labels": {}, "about": (None, None), "talks": [(None, [])]},
    "open": {"open": {"x": "y"}, "counts": {1: 2.0}},
}


def rows_of(spark, notes):
    values = [{"business_date": D, "note": note, **NOBODY, **held} for note, held in notes.items()]
    return spark.createDataFrame(
        [tuple(row[name] for name in NOTES.column_names) for row in values], NOTES.struct
    )


@pytest.fixture
def lake(spark, tmp_path):
    contracts = read_contracts(HOME / "schemas", is_whole=False)
    lake = Lake(spark, str(tmp_path / "lake"), {**contracts, NOTES.name: NOTES})
    named = {
        f"{word}:{note}": held
        for word, user in (("gone", GONE), ("stays", STAYS))
        for note, held in notes_of(user).items()
    }
    lake.replace_days(NOTES.name, rows_of(spark, named | EMPTY), D, D, run_id="r")
    return lake


def notes(rows):
    return {row["note"] for row in rows.select("note").collect()}


REMAIN = {f"stays:{note}" for note in notes_of(STAYS)} | set(EMPTY)


def test_what_holds_texts_and_is_personal_is_searched():
    assert person_columns(NOTES) == list(KINDS)


def test_rows_are_found_by_what_is_nested(lake, settings):
    run = SimpleNamespace(lake=lake, settings=settings)
    found = marked(run, NOTES.name, erased_of([GONE], KEY))
    assert notes(found.where(F.col(IS_ERASED))) == {f"gone:{note}" for note in notes_of(GONE)}
    assert notes(found.where(~F.col(IS_ERASED))) == REMAIN


def test_a_person_is_erased_and_no_byte_is_left(lake, settings, tmp_path):
    upkeep = settings.maintenance.model_copy(update={"erased": tmp_path / "erased.txt"})
    settings = settings.model_copy(update={"maintenance": upkeep})
    run = Run("maintain", lake, Ledger(lake), settings, D, D, key=KEY)
    texts = (GONE, pseudonym_of(GONE, KEY))
    assert files_with(tmp_path / "lake", texts)
    assert erase(run, [GONE]) == {NOTES.name: len(notes_of(GONE))}
    assert notes(lake.read(NOTES.name)) == REMAIN
    lake.spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    tables.set_durations(lake, NOTES.name, keep_days=0, log_days=0)
    tables.vacuum(lake, NOTES.name)
    assert not files_with(tmp_path / "lake", texts)
    assert files_with(tmp_path / "lake", [STAYS])


@pytest.mark.parametrize(
    ("kind", "value", "texts"),
    [
        ("STRING", "a", ["a"]),
        ("STRING", None, [None]),
        ("INT", 1, []),
        ("ARRAY<STRING>", None, []),
        ("MAP<STRING,ARRAY<STRING>>", {"a": ["b", None], "c": None}, ["a", "c", "b", None]),
        ("STRUCT<a: STRUCT<b: STRING>, c: MAP<INT,STRING>>", (None, {1: "x"}), [None, "x"]),
        ("STRUCT<a: STRING, b: ARRAY<STRING>>", None, [None]),
    ],
)
def test_texts_of_any_type(spark, kind, value, texts):
    struct = T.StructType([T.StructField("a", spark_type(kind))])
    rows = spark.createDataFrame([(value,)], struct)
    assert rows.select(texts_in(F.col("a"), struct["a"].dataType).alias("x")).first()["x"] == texts


def test_a_map_has_one_digest_whatever_its_order(spark):
    def digest(**entries):
        rows = rows_of(spark, {"n": {"labels": entries}})
        return rows.agg(*content_columns(NOTES)).first()["digest"]

    assert digest(a="1", b="2") == digest(b="2", a="1")
    assert digest(a="1", b="2") != digest(a="2", b="1")


def test_nested_columns_are_written_and_read_as_any_other(lake):
    rows = lake.read(NOTES.name)
    assert rows.schema["talks"].dataType == spark_type(KINDS["talks"])
    assert audit(lake, NOTES, rows).contents[D].rows == 2 * len(notes_of(GONE)) + len(EMPTY)
    held = collected(rows.where("note = 'gone:field'").select("about.name", "about.age"))
    assert [tuple(row) for row in held] == [(GONE, 7)]
    assert lake.snapshot(NOTES.name).protocol().minReaderVersion() == 1
