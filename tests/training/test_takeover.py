"""A lake whose models all lay in one table goes on: nothing becomes stale or is trained again."""

import re
import shutil
import tarfile
from datetime import date, timedelta

import pytest

from conftest import HOME
from lakeshop import pipeline
from lakeshop.training.registry import LAYER_MODULES, champion, model_of, verify
from lakeshop.training.takeover import OLD, drop_taken_over, take_over_models
from shops import TinyShop, stale_days

FIXTURES = HOME / "tests" / "fixtures"
MONDAY = date(2026, 3, 9)
NIGHT = MONDAY + timedelta(days=1)
NAMES = {"forecasts": "demand", "teaching": "global_model", "reorder": "inventory"}


def unpacked(spark, home) -> TinyShop:
    """The shop and lake of an earlier version, with the configuration of today."""
    with tarfile.open(FIXTURES / "lake_before_applications.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and later
        archive.extractall(home)
    shutil.copy(HOME / "conf" / "base.yaml", home / "conf")
    shutil.copytree(HOME / "schemas", home / "schemas")
    path = home / "conf" / "shops" / "tiny.yaml"
    text = path.read_text()
    for old, new in NAMES.items():
        text = re.sub(rf"^(\s*){old}:", rf"\1{new}:", text, flags=re.MULTILINE)
    path.write_text(re.sub(r"lakeshop\.models\.(\w+):", r"lakeshop.\1.network:", text))
    return TinyShop(spark, home)


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory) -> TinyShop:
    return unpacked(spark, tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def taken(shop):
    """A run of the next night that has taken the models over."""
    run = shop.run(NIGHT, redo_stale=True)
    take_over_models(run)
    return run


def known_digests():
    """Names, methods and digests, as the page of the fixture states them."""
    page = (FIXTURES / "README.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (yes|no) \| (\w{64}) \|$", page, re.MULTILINE)
    return {(name, method, used == "yes", sha256) for name, method, used, sha256 in rows}


def test_all_models_are_there_with_their_days_and_digests(taken):
    rows = [r for t in ("models.fraud", "models.demand") for r in taken.lake.read(t).collect()]
    found = {(r["name"], r["method"], r["is_champion"], r["sha256"]) for r in rows}
    assert found == known_digests()
    assert {r["business_date"] for r in rows} == {MONDAY}
    for row in rows:
        verify(bytes(row["model"]), row["sha256"])


def test_nothing_is_stale_or_to_be_trained(taken, shop):
    for table in ("models.fraud", "models.demand"):
        assert list(taken.todo(table)) == []
    assert stale_days(shop, NIGHT) == set()


def test_a_model_that_was_saved_before_the_move_loads(taken):
    for table, name in (("models.fraud", "fraud"), ("models.demand", "demand")):
        row = champion(taken.lake.read(table, None, NIGHT), name)
        model = model_of(bytes(row["model"]), row["sha256"], LAYER_MODULES)
        assert model.count_params() > 0


def test_taking_over_again_changes_nothing(taken, shop):
    before = {t: taken.lake.version(t) for t in ("models.fraud", "models.demand")}
    again = shop.run(NIGHT)
    take_over_models(again)
    assert {t: again.lake.version(t) for t in before} == before


def test_a_killed_takeover_is_done_again(shop, spark, tmp_path):
    """The ledger is written last: without it the tables are written once more, the same."""
    other = unpacked(spark, tmp_path)
    run = other.run(NIGHT)
    run.flush = lambda **_: None  # killed before
    take_over_models(run)
    run = other.run(NIGHT)
    take_over_models(run)
    for table in ("models.fraud", "models.demand"):
        assert run.ledger.days(table) == [MONDAY]
        mine = run.lake.content(table, MONDAY, MONDAY)
        assert mine == shop.run(NIGHT).lake.content(table, MONDAY, MONDAY)
    drop_taken_over(run)
    assert not other.lake().exists(OLD)


@pytest.mark.slow
def test_the_next_night_trains_nothing(spark, tmp_path):
    shop = unpacked(spark, tmp_path)
    run = shop.run(NIGHT, redo_stale=True)
    take_over_models(run)
    versions = {t: run.lake.version(t) for t in ("models.fraud", "models.demand")}
    pipeline.nightly(run)
    run.flush()
    assert not run.failures
    assert {t: run.lake.version(t) for t in versions} == versions
    scores = run.lake.read("gold.fraud_scores", NIGHT, NIGHT)
    assert {r["model_date"] for r in scores.select("model_date").distinct().collect()} <= {
        MONDAY,
        None,
    }
