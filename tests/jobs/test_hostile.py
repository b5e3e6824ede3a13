"""Hostile arguments, configurations and contracts: 2, before Spark starts, and nothing touched."""

import runpy
import shutil
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from conftest import HOME, collected
from lakeshop.config.validation import predicate_faults
from lakeshop.engine import cli as job
from lakeshop.engine import session
from lakeshop.pipeline import all_contracts, main
from lakeshop.storage.lake import Lake


@pytest.fixture
def home(tmp_path, monkeypatch):
    shutil.copytree(HOME / "conf", tmp_path / "conf")
    shutil.copytree(HOME / "schemas", tmp_path / "schemas")

    def no_session(name):
        msg = f"{name} should not have come as far as Spark"
        raise AssertionError(msg)

    monkeypatch.setattr(job, "spark_session", no_session)
    monkeypatch.setattr(session, "spark_session", no_session)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def code_of(home, *arguments, day="2026-03-10"):
    places = ["--conf", str(home / "conf"), "--schemas", str(home / "schemas")]
    try:
        return main("ingest", lambda run: None, ["--date", day, *arguments, *places])
    except SystemExit as ended:
        return ended.code


def below(home):
    return {str(path) for path in home.rglob("*")}


def assert_refused(home, caplog, *arguments, text="", **options):
    before = below(home)
    assert code_of(home, *arguments, **options) == 2
    assert below(home) == before
    assert "Traceback" not in caplog.text
    assert 'File "' not in caplog.text, "a trace is no explanation"
    assert text in caplog.text
    assert len(caplog.text) < 3000


NAMES = ["../../etc/passwd", "..", "/etc/passwd", "*", "a\nb", "a`b", "", "x" * 5000, "ünï"]
NAMES += ["s3a://x/y", "complete_journey/../complete_journey", "complete_journey\n", "a\0b", "-"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:30]))
@pytest.mark.parametrize("option", ["--shop", "--env"])
def test_names_that_are_paths_or_worse(home, caplog, option, name):
    assert_refused(home, caplog, f"{option}={name}", text="should be a plain name of letters")


LAKES = ["a`b", "a\nb", "", "  ", "a\0b", "s3a://b/`x`", "*", "a?", "{a,b}", "%41", "a;b", "a$b"]
LAKES += ["file:x", "file://host/x", "FILE:////x", "file:///a`b"]
LAKES += ["a\\b", "x" * 300, "y/" * 3000, "conf/base.yaml", "conf/base.yaml/lake"]


@pytest.mark.parametrize("lake", LAKES, ids=lambda lake: repr(lake[:20]))
def test_lakes_that_sql_or_a_file_system_takes_for_something_else(home, caplog, lake):
    assert_refused(home, caplog, f"--lake={lake}")


@pytest.mark.parametrize("place", ["file:///a/b", "file:/a/b", "FILE:///a/b", "/a/b"])
def test_a_place_of_this_machine_is_a_path_however_it_is_written(tmp_path, place):
    """Else a run would hold a path, and another one its address."""
    assert Path(job.placed(place, tmp_path / "home")).resolve() == Path("/a/b")


@pytest.mark.parametrize("landing", ["", "a\0b", "a\nb", "z" * 2000])
def test_landings_that_are_no_folder(home, caplog, landing):
    assert_refused(home, caplog, f"--landing={landing}", text="should be a folder")


DAYS = [
    "2026-03-10'",
    "\u0662026-03-10",
    "20260310",
    "2026-W10-2",
    "0001-01-01",
    "9999-12-31",
    "-1",
]
DAYS += ["2026-03-10\n", "", "x" * 9999]


@pytest.mark.parametrize("day", DAYS, ids=lambda day: repr(day[:20]))
def test_days_that_are_none_or_out_of_any_shops_time(home, caplog, day):
    assert_refused(home, caplog, day=day)


PLACED = ["--from", "2017-01-01", "--to", "2017-01-01"]
DELIVERIES = [
    ["--from", "20170101", "--to", "2017-01-01"],
    ["--from", "2017-01-01", "--to", "2017-W01-1"],
    ["--from", "2017-01-02", "--to", "2017-01-01'"],
    [*PLACED, "--landing", ""],
    [*PLACED, "--landing", "s3a://a/b"],
    [*PLACED, "--landing", "conf/base.yaml"],
    [*PLACED, "--shop", "../base"],
]
SIZES = ["--users", "10", "--products", "100", "--days", "2"]
SIMULATIONS = [
    [*SIZES, "--seed", "x"],
    [*SIZES, "--seed", "1", "--dirt", "nan"],
    [*SIZES, "--seed", "1", "--start", "20260101"],
    [*SIZES, "--seed", "1", "--landing", ""],
    [*SIZES, "--seed", "1", "--landing", "s3a://a/b"],
    [*SIZES, "--seed", "1", "--landing", "conf/base.yaml"],
    [*SIZES, "--seed", "1", "--truth", "a\nb"],
    [*SIZES, "--seed", "1", "--shop", "*"],
]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("deliver", one) for one in DELIVERIES] + [("simulate", one) for one in SIMULATIONS],
    ids=lambda given: " ".join(given)[-40:] if isinstance(given, list) else given,
)
def test_drops_that_cannot_be_asked_for(home, capsys, monkeypatch, name, arguments):
    before = below(home)
    script = str(HOME / "jobs" / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [script, "--conf", str(home / "conf"), *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(script, run_name="__main__")
    assert ended.value.code == 2
    assert below(home) == before
    said = capsys.readouterr().err
    assert "should" in said or "invalid" in said
    assert "Traceback" not in said


# -- configuration ---------------------------------------------------------------------------------

ANCHORS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)
TAG = '!!python/object/apply:os.system ["touch pwned"]'
DOCUMENTS = {
    "a tag": (f"lake: {TAG}\n", "could not determine a constructor"),
    "anchors that explode": (ANCHORS, "with all that anchors repeat"),
    "anchors that explode in a value": (f"{ANCHORS}lake: *h\n", "with all that anchors repeat"),
    "an anchor in itself": ("quality: &a\n  max_rejected_rows: *a\n", "an anchor within itself"),
    "a key twice": ("lake: a\nlake: b\n", "key 'lake' twice"),
    "a key twice below": ("quality: {max_rejected_rows: 0, max_rejected_rows: 1}", "twice"),
    "keys of other kinds": ("1: 2\n? [a, b]\n: c\n", "a key that is no text"),
    "deep": ("a: " + "[" * 5000 + "]" * 5000, "nested too deep"),
    "a NUL": ("a: \0", "characters are not allowed"),
    "no number": ("quality: {max_rejected_rows: .nan}", "quality.max_rejected_rows"),
    "many digits": ("tables_at_once: 1" + "0" * 6000, "should be YAML"),
    "a long value": (f"tables_at_once: {'x' * 100_000}", "tables_at_once"),
    "a large file": ("# " + "x" * 2**21, "more than 1048576 bytes"),
    "a lake with a NUL": ('lake: "a\\0b"', "should be a folder"),
    "a lake that is a list": ("lake: [a]", "lake: Input should be a valid string"),
    "several documents": ("lake: a\n---\nlake: b\n", "expected a single document"),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_documents_that_are_no_configuration(home, caplog, case):
    content, text = DOCUMENTS[case]
    (home / "conf/local.yaml").write_bytes(content.encode())
    assert_refused(home, caplog, text=text)


@pytest.mark.parametrize("target", ["/etc/passwd", "/no/where", "local.yaml", "."])
def test_links_that_lead_nowhere_good(home, caplog, target):
    path = home / "conf/local.yaml"
    path.unlink()
    path.symlink_to(target)
    assert_refused(home, caplog, text="local.yaml should")


ENTITIES = {
    "path above": {"path": "../../etc/{date}"},
    "path of its own": {"path": "/etc/passwd"},
    "path elsewhere": {"path": "s3a://other/{date}"},
    "history above": {"history": "a/../../b"},
    "path with a line break": {"path": "a\n{date}"},
    "no separator": {"separator": ""},
    "separator of three": {"separator": "abc"},
    "separator that quotes": {"separator": '"'},
    "no such mode": {"drift": "ignore"},
}


@pytest.mark.parametrize("case", ENTITIES)
def test_entities_that_reach_out_of_the_landing_folder(home, caplog, case):
    path = home / "conf/shops/complete_journey.yaml"
    content = yaml.safe_load(path.read_text())
    content["shop"]["entities"]["transactions"].update(ENTITIES[case])
    path.write_text(yaml.safe_dump(content))
    [key] = ENTITIES[case]
    assert_refused(home, caplog, text=f"shop.entities.transactions.{key}")


@pytest.mark.parametrize("name", ["orders", "../x", "users`", "", "a\nb"])
def test_entities_that_nobody_knows(home, caplog, name):
    path = home / "conf/shops/complete_journey.yaml"
    content = yaml.safe_load(path.read_text())
    entities = content["shop"]["entities"]
    entities[name] = entities["users"]
    path.write_text(yaml.safe_dump(content))
    assert_refused(home, caplog, text="shop.entities should be some of fraud_labels, products")


# -- contracts -------------------------------------------------------------------------------------


def of_column(**changes):
    return lambda document: document["schema"][0]["properties"][1].update(changes)


def of_check(**changes):
    return lambda document: document["schema"][0]["quality"][0].update(changes)


def twice(document):
    columns = document["schema"][0]["properties"]
    columns.append(dict(columns[1]))


CONTRACTS = {
    "a column that ends its quotes": of_column(name="a` INT, `b"),
    "a column with a line break": of_column(name="a\nb"),
    "a column without a name": lambda document: document["schema"][0]["properties"][1].pop("name"),
    "a column twice": twice,
    "an endless type": of_column(physicalType="ARRAY<" * 3000 + "INT" + ">" * 3000),
    "a wide type": of_column(physicalType=f"DECIMAL({'9' * 5000},2)"),
    "a second statement": of_check(implementation="1 = 1; DROP TABLE x"),
    "code of the machine": of_check(implementation="java_method('java.lang.System', 'exit') = 1"),
    "another table": of_check(implementation="(SELECT 1) = 1"),
    "a clock": of_check(implementation="updated_at < current_timestamp()"),
    "a check that ends its quotes": of_check(name="x' = 1, 'y"),
    "no schema": lambda document: document.pop("schema"),
    "an empty schema": lambda document: document.update(schema=[]),
    "columns that are a text": lambda document: document["schema"][0].update(properties="x"),
    "properties that are texts": lambda document: document.update(customProperties=["x"]),
    "a retention in words": lambda document: document["slaProperties"][0].update(value="x"),
}


@pytest.mark.parametrize("case", CONTRACTS)
def test_contracts_that_are_none(home, caplog, case):
    path = home / "schemas/silver/products.yaml"
    document = yaml.safe_load(path.read_text())
    CONTRACTS[case](document)
    path.write_text(yaml.safe_dump(document))
    assert_refused(home, caplog, text="products.yaml: ")


def test_a_contract_that_would_run_something(home, caplog):
    (home / "schemas/silver/products.yaml").write_text(TAG)
    assert_refused(home, caplog, text="products.yaml: should be YAML")
    assert not (home / "pwned").exists()


def test_what_stands_in_a_text_is_no_statement():
    assert not list(predicate_faults("a", "action IN ('select', 'now();', 'it''s -- fine')"))
    assert list(predicate_faults("a", "action = 'a' OR rand ( ) < 1"))


# -- what is allowed works -------------------------------------------------------------------------


def test_a_lake_with_blanks_quotes_and_letters_of_any_language(spark, tmp_path, rows):
    root = str(tmp_path / "la ke 'q' \"d\" ä=1 &+(x)")
    lake = Lake(spark, root, all_contracts(HOME / "schemas"))
    made, day = rows("silver.products", {"product_id": "p`'\"1"}), date(2026, 3, 10)
    lake.replace_days("silver.products", made, day, day, run_id="r`'\"")
    assert [row[0] for row in collected(lake.read("silver.products"), "product_id")] == ["p`'\"1"]
    assert (tmp_path / "la ke 'q' \"d\" ä=1 &+(x)" / "silver" / "products" / "_delta_log").is_dir()
