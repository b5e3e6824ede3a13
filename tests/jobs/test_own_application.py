"""The tutorial of docs/extend.md, run as it stands there: an application of another package."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from conftest import HOME, collected
from lakeshop.dates import days_between
from lakeshop.engine import cli
from lakeshop.pipeline import configuration, main
from lakeshop.storage.lake import Lake
from shops import FIRST, LINES_ALONE, TinyShop, line, tiny_shop

SECTION = "## An application of your own: churn"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MONDAY = date(2026, 3, 9)
LAST = MONDAY + timedelta(days=2)  # on which the outcome of Monday's night is known
OWN = ("features.churn_users", "models.churn", "gold.churn_scores")
TINY = {
    "quiet_days": 2,
    "validation_days": 1,
    "network": {"batch_size": 8, "epochs": 2, "local_steps": 2},
}


def blocks() -> list[tuple[str, str]]:
    """Language and text of each block of the tutorial."""
    text = (HOME / "docs" / "extend.md").read_text()
    section = text.partition(f"{SECTION}\n")[2]
    return BLOCK.findall(re.split(r"^## ", section, flags=re.MULTILINE)[0])


def files() -> Mapping[str, str]:
    """The files of the tutorial, by the path in their first line."""
    named = {text.partition("\n")[0]: text.partition("\n")[2] for _, text in blocks()}
    return {name[2:]: text for name, text in named.items() if name.startswith("# ")}


def commands() -> list[str]:
    """The commands of the tutorial."""
    text = next(text for language, text in blocks() if language == "sh")
    return text.replace("\\\n", "").strip().splitlines()


@pytest.fixture(scope="module")
def package(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package as the tutorial has it, zipped and shipped as by --py-files."""
    home = tmp_path_factory.mktemp("own")
    for name, text in files().items():
        if name.startswith("my_shop/"):
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    python, *arguments = shlex.split(commands()[0])
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=home, check=True)
    before = list(sys.path)
    spark.sparkContext.addPyFile(str(home / "my_shop.zip"))
    yield home
    sys.path[:] = before


@pytest.fixture(scope="module")
def shop(spark: SparkSession, package: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyShop:
    """Customers of even number buy every day; each of the others stops on a day of its own."""
    del package
    shop = tiny_shop(spark, tmp_path_factory.mktemp("shop"))
    for n, day in enumerate(days_between(FIRST, LAST)):
        users = [u for u in range(12) if u % 2 == 0 or u // 2 >= n]
        lines = [line(100 * n + u, f"{day} 10:00:00", user=f"u{u}") for u in users]
        shop.deliver("transactions", day, lines)
    configure(shop)
    return shop


def shop_yaml() -> dict[str, object]:
    """What the tutorial adds to the shop's configuration."""
    return yaml.safe_load(files()["conf/shops/<shop>.yaml"])


def configure(shop: TinyShop, **changes: object) -> None:
    """Configure the shop with churn alone, and a network that is soon trained."""
    path = shop.home / "conf" / "shops" / "tiny.yaml"
    keys: dict[str, object] = {"shop": LINES_ALONE, "pseudonyms": {"key_file": "key"}}
    keys |= {"applications": ["my_shop.churn:APPLICATION"], "churn": TINY} | changes
    path.write_text(yaml.safe_dump({name: value for name, value in keys.items() if value}))


def run(shop: TinyShop, job: str, first: date, last: date | None = None) -> int:
    """Run a job on the shop and return its exit code."""
    days = ["--from", str(first), "--to", str(last or first)]
    places = ["--conf", str(shop.home / "conf"), "--schemas", str(shop.home / "schemas")]
    return main(job, argv=[*days, "--shop", "tiny", *places])


def lake_of(shop: TinyShop) -> Lake:
    """The lake with the contracts of all applications that are on."""
    conf, schemas = shop.home / "conf", shop.home / "schemas"
    _, _, contracts = configuration(conf, schemas, env="local", shop="tiny")
    return Lake(shop.spark, str(shop.home / "lake"), contracts)


def versions(shop: TinyShop) -> Mapping[str, int]:
    """The newest version of each table, those of the machine room aside."""
    lake = lake_of(shop)
    tables = [t for t in lake.contracts if not t.startswith("ops.") and lake.exists(t)]
    return {table: lake.version(table) for table in tables}


def test_the_settings_are_the_class_under_the_lines_of_the_shop(shop: TinyShop) -> None:
    configure(shop, **shop_yaml())
    conf, schemas = shop.home / "conf", shop.home / "schemas"
    settings, applications, contracts = configuration(conf, schemas, env="local", shop="tiny")
    configure(shop)
    stated, network = settings.churn, settings.churn.network
    assert (stated.quiet_days, stated.window_days, network.epochs) == (14, 84, 5)
    assert network.builder == "my_shop.churn.network:dense"
    wanted = applications.wanted(contracts)
    assert {*OWN, "gold.recommendations"} < set(wanted)
    assert not {"features.demand", "features.transactions", "models.fraud"} & set(wanted)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"churn": TINY | {"quiet_day": 3}}, "churn.quiet_day: there is no such key"),
        ({"churn": {"network": {"epoch": 3}}}, "churn.network.epoch: there is no such key"),
        ({"applications": ["my_shop.churn:CHURN"]}, "no CHURN in my_shop.churn"),
        ({"applications": ["my_shop.chrun:APPLICATION"]}, "no module my_shop.chrun"),
        ({"applications": ["my_shop.churn.settings:Churn"]}, "is no Application"),
        ({"applications": ["recommendations"]}, "churn: there is no such key"),
    ],
)
def test_what_is_wrong_ends_with_2_before_spark(
    shop: TinyShop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    changes: Mapping[str, object],
    said: str,
) -> None:
    def no_session(name: str) -> None:
        raise AssertionError(name)

    configure(shop, **changes)
    monkeypatch.setattr(cli, "spark_session", no_session)
    code = run(shop, "nightly", FIRST)
    configure(shop)
    assert code == 2
    assert said in caplog.text
    assert not (shop.home / "lake").exists()


@pytest.fixture(scope="module")
def monday(shop: TinyShop) -> TinyShop:
    """The shop after a training Monday, with the days before it as history."""
    assert run(shop, "nightly", FIRST, MONDAY) == 0
    return shop


@pytest.fixture(scope="module")
def failed(monday: TinyShop) -> TinyShop:
    """The shop after nights in which the builder of the gold table raised."""

    def raises(tables: object, night: object) -> None:
        msg = "no scores tonight"
        raise RuntimeError(msg)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("my_shop.churn.churn_scores.churn_scores", raises)
        assert run(monday, "nightly", MONDAY + timedelta(days=1), LAST) == 1
    return monday


def test_a_training_monday_makes_the_tables_that_are_wanted(monday: TinyShop) -> None:
    lake = lake_of(monday)
    nights = lake.read("features.churn_users").groupBy("business_date").count()
    assert len(nights.collect()) == 5
    (model,) = lake.read("models.churn").collect()
    assert (model["business_date"], model["trained_rows"]) == (MONDAY, 2 * 12)
    assert collected(lake.read("gold.churn_scores"), "method") == [("dense",)] * 12
    made = {t for t in versions(monday) if t.startswith(("features", "models", "gold", "similar"))}
    assert made == {"features.user_product_days", *OWN}


def test_a_builder_that_raises_fails_alone_and_is_mended_by_the_next_run(failed: TinyShop) -> None:
    before, lake = versions(failed), lake_of(failed)
    assert lake.read("gold.churn_scores", LAST, LAST).isEmpty()
    assert not lake.read("features.churn_users", LAST, LAST).isEmpty()
    assert run(failed, "nightly", LAST) == 0
    mended = versions(failed)
    assert {t for t in mended if mended[t] != before[t]} == {"gold.churn_scores"}
    assert not lake_of(failed).read("gold.churn_scores", LAST, LAST).isEmpty()


def test_a_night_is_judged_once_its_outcome_is_known(failed: TinyShop) -> None:
    rows = lake_of(failed).read("ops.metrics").where("subject = 'churn'").collect()
    assert {row["business_date"] for row in rows} == {MONDAY}
    found = {row["metric"]: row["value"] for row in rows}
    assert found["customers"] == 12
    assert found["lost_share"] == pytest.approx(5 / 12)
    assert 0 <= found["roc_auc"] <= 1


def test_again_is_skipped_and_a_changed_key_makes_its_own_tables_anew(failed: TinyShop) -> None:
    assert run(failed, "nightly", LAST) == 0
    before = versions(failed)
    assert run(failed, "nightly", LAST) == 0
    assert versions(failed) == before
    configure(failed, churn=TINY | {"window_days": 2})
    assert run(failed, "nightly", LAST) == 0
    after = versions(failed)
    configure(failed)
    assert {t for t in after if after[t] != before[t]} == set(OWN)
    # Six who buy every day, and one who stopped the day before.
    assert lake_of(failed).read("features.churn_users", LAST, LAST).count() == 6 + 1


def test_turned_off_its_tables_stay_and_upkeep_names_them(
    failed: TinyShop, caplog: pytest.LogCaptureFixture
) -> None:
    before = versions(failed)
    configure(failed, applications=["recommendations"], churn=None)
    assert run(failed, "maintain", LAST) == 0
    configure(failed)
    for table in OWN:
        assert f"{table}: no contract knows the table" in caplog.text
    assert {t: v for t, v in versions(failed).items() if t in OWN} == {t: before[t] for t in OWN}
