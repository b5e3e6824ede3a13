"""How a job ends: its exit codes, its one message, and one run per lake."""

import json
import logging
import os
import pickle
import re
import shutil
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from pyspark.errors import PythonException

from conftest import HOME
from lakeshop import pipeline as night
from lakeshop.config.settings import LockSettings
from lakeshop.engine import cli as job
from lakeshop.engine.cli import placed
from lakeshop.engine.failures import summarize_error
from lakeshop.engine.session import spark_session
from lakeshop.errors import (
    BusyError,
    ConfigError,
    ContractError,
    InputError,
    QualityError,
    ShopError,
)
from lakeshop.pipeline import main
from lakeshop.privacy.pseudonyms import pseudonym_of
from lakeshop.storage import lock as lease
from lakeshop.storage.jars import has_class
from lakeshop.storage.lake import Lake
from lakeshop.storage.lock import acquire_lock
from lakeshop.storage.run_log import LOG
from lakeshop.training.registry import sha256_of

GOLDEN = HOME / "tests" / "golden"
KEY_VARIABLE = "LAKESHOP_PSEUDONYM_KEY"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A project folder of its own; no session is started, none is asked for twice."""
    shutil.copytree(HOME / "conf", tmp_path / "conf")
    shutil.copytree(HOME / "schemas", tmp_path / "schemas")
    monkeypatch.delenv(KEY_VARIABLE, raising=False)

    def no_session(name):
        raise AssertionError(f"{name} should not have come as far as Spark")  # noqa: EM102

    monkeypatch.setattr(job, "spark_session", no_session)
    return tmp_path


@pytest.fixture
def with_spark(home, monkeypatch, spark):
    monkeypatch.setattr(job, "spark_session", lambda name: spark)
    return home


def ran(home, *arguments, work=lambda run: None, name="ingest"):
    places = ["--conf", str(home / "conf"), "--schemas", str(home / "schemas")]
    return main(name, work, [*arguments, *places])


def told(caplog):
    return "\n".join(r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR)


# -- arguments and configuration: 2, nothing touched ---------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["--date", "2026-02-30"], ["--date", "10.03.2026"], ["--date"], ["--no-such"], ["more"]],
)
def test_wrong_arguments(home, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        ran(home, *arguments)
    assert ended.value.code == 2
    assert "ingest.py: error:" in capsys.readouterr().err
    assert not (home / "lake").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--date", "2026-03-10", "--from", "2026-03-10"],
        ["--date", "2026-03-10", "--from", "2026-03-10", "--to", "2026-03-10"],
        ["--from", "2026-03-10"],
        ["--to", "2026-03-10"],
        ["--from", "2026-03-11", "--to", "2026-03-10"],
    ],
    ids=" ".join,
)
def test_days_that_are_none(home, arguments, caplog):
    assert ran(home, *arguments) == 2
    assert "ingest failed: The days should be given as --date D or as --from A --to B" in told(
        caplog
    )
    assert not (home / "lake").exists()


def test_an_unknown_shop_lists_the_known(home, caplog):
    assert ran(home, "--date", "2026-03-10", "--shop", "no_such") == 2
    assert "no_such.yaml should exist. Found there: complete_journey" in told(caplog)
    assert not (home / "lake").exists()


def test_an_unknown_environment(home, caplog):
    assert ran(home, "--date", "2026-03-10", "--env", "no_such") == 2
    assert "local" in told(caplog)


def test_a_missing_key(home, caplog):
    (home / "conf/shops/demo.key").unlink()
    assert ran(home, "--date", "2026-03-10") == 2
    assert f"Set the variable {KEY_VARIABLE}" in told(caplog)
    assert not (home / "lake").exists()


def test_broken_contracts(home, caplog):
    path = home / "schemas/silver/products.yaml"
    document = yaml.safe_load(path.read_text())
    document["schema"][0]["properties"][1]["physicalType"] = "VARCHAR"
    path.write_text(yaml.safe_dump(document))
    (home / "schemas/silver/users.yaml").write_text("a: [")
    assert ran(home, "--date", "2026-03-10") == 2
    assert "products.yaml" in told(caplog)
    assert "users.yaml: should be YAML" in told(caplog)
    assert not (home / "lake").exists()


@pytest.mark.parametrize("missing", ["conf", "schemas"])
def test_missing_folders(home, missing, caplog):
    shutil.rmtree(home / missing)
    assert ran(home, "--date", "2026-03-10") == 2
    assert missing in told(caplog)


# -- work ------------------------------------------------------------------------------------------


def test_a_run_is_handed_what_was_asked_for(with_spark, monkeypatch):
    seen = []
    monkeypatch.setenv(KEY_VARIABLE, "a secret of the environment, long enough")
    days = ["--from", "2026-03-09", "--to", "2026-03-10"]
    assert ran(with_spark, *days, "--history", work=seen.append) == 0
    assert (
        ran(
            with_spark,
            *days,
            "--landing",
            "drops",
            "--lake",
            "other",
            work=seen.append,
            name="nightly",
        )
        == 0
    )
    one, other = seen
    assert (one.first, one.last, one.job) == (date(2026, 3, 9), date(2026, 3, 10), "ingest")
    assert one.is_history
    assert not one.redo_stale
    assert one.key == b"a secret of the environment, long enough"
    assert one.lake.root == str(with_spark / "lake")
    assert one.settings.shop.landing == str(with_spark / "landing/complete_journey")
    assert one.code("silver.products") == other.code("silver.products")
    # The night also redoes what is stale; places given replace those of the configuration.
    assert other.redo_stale
    assert not other.is_history
    assert other.lake.root == str(with_spark / "other")
    assert other.settings.shop.landing == str(with_spark / "drops")
    assert other.settings.digest() == one.settings.digest()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError, 1),
        (QualityError, 1),
        (BusyError, 1),
        (ShopError, 1),
        (ConfigError, 2),
        (ContractError, 2),
    ],
)
def test_an_error_that_is_explained(with_spark, caplog, error, code):
    def work(run):
        msg = "should be this. Received that."
        raise error(msg)

    assert ran(with_spark, "--date", "2026-03-10", work=work) == code
    assert told(caplog) == "ingest failed: should be this. Received that."


def test_an_error_that_nobody_expected_is_told_without_a_plan(with_spark, caplog):
    def work(run):
        plan = "\n".join(f"+- Project [secret#{n}]" for n in range(10_000))
        msg = f"division by zero\n{plan}"
        raise ArithmeticError(msg)

    assert ran(with_spark, "--date", "2026-03-10", work=work) == 1
    text = told(caplog)
    assert "ingest failed: ArithmeticError: division by zero" in text
    assert "test_cli.py" in text, "where it was raised"
    assert "secret#" not in text
    assert len(text) < 3000


def test_an_error_without_words(with_spark, caplog):
    def work(run):
        raise ValueError

    assert ran(with_spark, "--date", "2026-03-10", work=work) == 1
    assert "ValueError" in told(caplog)


def test_an_error_of_spark_is_told_in_few_lines(with_spark, caplog):
    def work(run):
        run.lake.spark.sql("SELECT 1/0 AS x").collect()

    assert ran(with_spark, "--date", "2026-03-10", work=work) == 1
    assert "DIVIDE_BY_ZERO" in told(caplog)
    assert "at org.apache.spark" not in told(caplog)


def test_a_lake_is_gone_on_with_under_its_own_key(with_spark, monkeypatch, rows, caplog):
    """Under another one each of its persons would be two."""
    key = "a key for tests, of 32 characters or more"
    known = {"user_id": pseudonym_of("u1", key.encode()), "raw_user_id": "u1"}
    made, seen = rows("restricted.user_keys", known), []

    def publish(run):
        run.lake.overwrite("restricted.user_keys", made, run_id="test")

    for work in (publish, seen.append):
        monkeypatch.setenv(KEY_VARIABLE, f"{key}\n")
        assert ran(with_spark, "--date", "2026-03-10", work=work) == 0
    monkeypatch.setenv(KEY_VARIABLE, f"{key}!")
    assert ran(with_spark, "--date", "2026-03-11", work=seen.append) == 2
    assert len(seen) == 1
    assert "should be the one that" in told(caplog)
    assert key not in told(caplog)
    assert "u1" not in told(caplog)


# -- the night -------------------------------------------------------------------------------------

PICKLED = pickle.dumps({"weights": [1.0]})
DAY = date(2026, 3, 10)


@pytest.fixture
def with_champion(with_spark, spark, contracts, rows):
    """Puts a file into `models.fraud`, promoted on the day before under a digest."""
    lake, day = Lake(spark, str(with_spark / "lake"), contracts), date(2026, 3, 9)

    def promote(sha256):
        row = {"business_date": day, "name": "fraud", "is_champion": True}
        made = rows("models.fraud", {**row, "model": PICKLED, "sha256": sha256})
        lake.replace_days("models.fraud", made, day, day, run_id="test")
        return with_spark

    return promote


@pytest.mark.parametrize(
    ("sha256", "text"),
    [
        (sha256_of(b"another"), f"Received {sha256_of(PICKLED)}: it was altered. Restore the"),
        (sha256_of(PICKLED), "A model's file should be one that Keras saved. Received another:"),
    ],
    ids=["altered", "a pickle"],
)
def test_an_altered_model_fails_its_readers_and_ends_the_run_with_1(
    with_champion, caplog, sha256, text
):
    home = with_champion(sha256)
    seen = []

    def work(run):
        night.build_tables(run, "gold.fraud_scores")
        seen.extend(failure.table for failure in run.failures)

    assert ran(home, "--date", f"{DAY}", work=work, name="publish") == 1
    assert seen == ["gold.fraud_scores"]
    assert "The champion of fraud, of 2026-03-09: A model's file" in told(caplog)
    assert text in told(caplog)
    assert "Traceback" not in told(caplog)


def test_metrics_and_a_summary_that_fail_do_not_fail_the_night(with_spark, monkeypatch, caplog):
    def failing(*_given):
        msg = "division by zero"
        raise ArithmeticError(msg)

    for stage in ("load", "clean"):
        monkeypatch.setattr(night, stage, lambda run: None)
    monkeypatch.setattr(night, "build", lambda run, *layers: None)
    monkeypatch.setattr(night, "evaluate", failing)
    monkeypatch.setattr(night, "summary", failing)
    assert ran(with_spark, "--date", f"{DAY}", work=night.nightly, name="nightly") == 0
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [text.partition(" failed, tables are published")[0] for text in warnings] == [
        "metrics of 2026-03-10",
        "the summary of 2026-03-10",
    ]
    assert all(text.endswith(": ArithmeticError: division by zero") for text in warnings)


def test_the_end_of_a_night_tells_of_gold_tables_that_have_rows(caplog, monkeypatch):
    rows = {"gold.recommendations": 1234, "gold.fraud_scores": 0}

    def publication(table, _day):
        return SimpleNamespace(content=SimpleNamespace(rows=rows[table])) if table in rows else None

    run = SimpleNamespace(
        last=DAY,
        late=set(),
        applications=night.EVERY_APPLICATION,
        ledger=SimpleNamespace(publication=publication, failed_days=lambda *_: []),
        lake=SimpleNamespace(
            root="/lake",
            contracts=night.all_contracts(HOME / "schemas"),
            read=lambda *_: None,
        ),
    )
    monkeypatch.setattr(night, "show_examples", lambda *_given, **_options: None)
    monkeypatch.setattr(night, "latest_versions", lambda *_: None)
    with caplog.at_level("INFO", "lakeshop"):
        night.summary(run)
    assert [text.split() for text in caplog.messages] == [
        [],
        ["gold.recommendations", "2026-03-10", "1,234", "rows"],
        ["Tables", "lie", "below", "/lake"],
    ]


# -- what is printed -------------------------------------------------------------------------------


def objects(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_machine_reads_objects_also_of_wrong_arguments_and_errors(home, capsys):
    with pytest.raises(SystemExit) as ended:
        ran(home, "--log-format", "json", "--date", "2026-02-30")
    assert ended.value.code == 2
    assert ran(home, "--log-format=json", "--date", "2026-03-10", "--shop", "no_such") == 2
    wrong, unknown = objects(capsys)
    assert "argument --date: should be a day" in wrong["message"]
    assert "no_such.yaml should exist" in unknown["message"]
    for one in (wrong, unknown):
        assert (one["event"], one["level"], one["exit_code"]) == ("error", "ERROR", 2)


def test_a_format_that_is_none(home, capsys):
    with pytest.raises(SystemExit) as ended:
        ran(home, "--date", "2026-03-10", "--log-format", "xml")
    assert ended.value.code == 2
    assert "--log-format: invalid choice: 'xml'" in capsys.readouterr().err


def failing(run):
    LOG.warning("look\nhere")
    msg = "division by zero"
    raise ArithmeticError(msg)


def test_a_run_that_fails_is_told_in_objects(with_spark, capsys):
    days = ("--from", "2026-03-09", "--to", "2026-03-10")
    assert ran(with_spark, *days, "--log-format", "json", work=failing) == 1
    run, warning, error = objects(capsys)
    assert [one["event"] for one in (run, warning, error)] == ["run", "warning", "error"]
    assert (run["job"], run["first_date"], run["last_date"]) == ("ingest", *days[1::2])
    assert error["message"].startswith("ingest failed: ArithmeticError: division by zero")
    assert "in failing" in error["trace"]
    assert error["exit_code"] == 1


def test_a_run_tells_its_days_first_and_its_seconds_last(with_spark, capsys):
    assert ran(with_spark, "--date", "2026-03-10") == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.endswith(", 2026-03-10: ingest")
    assert re.fullmatch(rf"{re.escape(first)} done in \d+ s\.", last)


def test_a_run_that_fails_tells_its_warnings_first(with_spark, capsys):
    assert ran(with_spark, "--date", "2026-03-10", work=failing) == 1
    text = capsys.readouterr().out
    assert text.index("\nWarnings\n  look\nhere\n") < text.index("ingest failed: ArithmeticError")


def test_without_jars_a_job_says_what_to_do(spark, monkeypatch):
    assert has_class("io.delta.sql.DeltaSparkSessionExtension")
    assert not has_class("io.delta.sql.NoSuchExtension")
    monkeypatch.setattr("lakeshop.engine.session.has_class", lambda _: False)
    with pytest.raises(ConfigError, match=r"one without them, in /.* make setup") as refused:
        spark_session("ingest")
    assert refused.value.exit_code == 2


# -- one run per lake ------------------------------------------------------------------------------


def test_a_lake_that_another_run_holds(with_spark, monkeypatch, caplog):
    home = with_spark
    monkeypatch.setattr(lease, "RENEWED_EVERY", 0.02)
    day = date(2026, 3, 10)
    terms = LockSettings(seconds=60, wait_seconds=0)
    with acquire_lock(str(home / "lake"), "train", day, day, terms):
        assert ran(home, "--from", "2026-03-01", "--to", "2026-03-10") == 1
    assert f"ingest failed: One run at a time should work on {home / 'lake'}" in told(caplog)
    assert f"held by train of 2026-03-10, process {os.getpid()} on" in told(caplog)


@pytest.mark.parametrize("exists", [True, False], ids=["a new version", "a new table"])
def test_a_run_that_lost_the_lake_publishes_nothing(with_spark, caplog, exists):
    table = "gold.similar_products"

    def work(run):
        if exists:
            run.lake.ensure(table)
        (Path(run.lake.root) / ".lease").unlink()
        run.lake.overwrite(table, run.lake.empty_frame(table), run_id="r")

    assert ran(with_spark, "--date", "2026-03-10", work=work) == 1
    assert "ingest of 2026-03-10, process" in told(caplog)
    assert "lost it to a run that has ended. It publishes nothing more" in told(caplog)
    log = with_spark / "lake/gold/similar_products/_delta_log"
    assert len(list(log.glob("*.json"))) == exists


# -- the rest --------------------------------------------------------------------------------------


def test_help_is_the_golden_one(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main("nightly", lambda run: None, ["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    golden = GOLDEN / "nightly_help.txt"
    if os.environ.get("LAKESHOP_REFRESH_GOLDEN") == "1":
        golden.write_text(text)
    assert text == golden.read_text()


def test_places():
    home = Path("/home/shop")
    assert placed("lake", home) == "/home/shop/lake"
    assert placed("/data/lake", home) == "/data/lake"
    assert placed("s3a://bucket/lake", home) == "s3a://bucket/lake"


def test_an_error_of_a_task_is_said_by_the_last_line_of_its_trace() -> None:
    trace = "\n  An exception was thrown.\nTraceback:\n  File x\nValueError: boom\n"
    assert summarize_error(PythonException(trace)) == "PythonException: ValueError: boom"
    assert summarize_error(RuntimeError("\nno table t\n== Plan ==")) == "RuntimeError: no table t"
    assert summarize_error(ArithmeticError()) == "ArithmeticError"
