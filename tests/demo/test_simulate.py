"""The simulation in Spark: the same bytes however it is divided; its dirt, counted by a run."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from conftest import HOME
from lakeshop.privacy.pseudonyms import HEX_DIGITS
from lakeshop.storage.lake import Lake
from lakeshop_demo.simulator.arguments import Arguments, claim
from lakeshop_demo.simulator.dirt import SHAPES
from lakeshop_demo.simulator.files import Folders
from lakeshop_demo.simulator.simulate import simulate
from lakeshop_demo.simulator.world import REGIONS
from simulations import Simulated, cleaned, files_below, outcomes, simulated_by_hand

# Two chunks of users, two spans of days, two shards of products.
LARGE = Arguments(users=4200, products=2100, days=16, seed=3, dirt=0.02)
DIRTY = Arguments(users=200, products=60, days=18, seed=11, dirt=0.06)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    made = simulated_by_hand(LARGE, tmp_path_factory.mktemp("by_hand"))
    return files_below(made.landing, made.truth)


@pytest.mark.parametrize("tasks", [1, 2, 7])
def test_the_bytes_do_not_depend_on_how_the_work_is_divided(
    spark: SparkSession, tmp_path: Path, by_hand: Mapping[str, bytes], tasks: int
) -> None:
    shuffles = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", str(tasks))
    landing, truth = tmp_path / "landing", tmp_path / "truth"
    folders = Folders(*claim(LARGE, str(landing), str(truth)))
    try:
        rows = simulate(spark, LARGE, folders, tasks=tasks)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", shuffles)
    found = files_below(landing, truth)
    assert found.keys() == by_hand.keys()
    assert [name for name in found if found[name] != by_hand[name]] == []
    recorded = Simulated(LARGE, landing, truth).read_truth("rows").groupby("entity")["rows"].sum()
    assert rows == recorded.to_dict()


# -- dirt, as a run sees it -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated_by_hand(DIRTY, tmp_path_factory.mktemp("dirty"))


@pytest.fixture(scope="module")
def lake(spark: SparkSession, dirty: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return cleaned(spark, dirty, tmp_path_factory.mktemp("lake"))


def readable(dirty: Simulated, entity: str) -> list[dict[str, object]]:
    """The rows that are JSON."""
    return [json.loads(text) for _, text in dirty.lines(entity) if text.endswith("}")]


def test_every_dirty_row_ends_as_the_truth_has_it(lake: Lake, dirty: Simulated) -> None:
    recorded = dirty.read_truth("rows")
    assert set(recorded["entity"]) == set(SHAPES)
    for kind in ("malformed", "wrong type", "twice", "again", "late", "unknown product"):
        assert recorded[recorded["kind"] == kind]["rows"].sum() > 0, kind
    found, expected = outcomes(lake, dirty)
    assert found == expected


def test_unknown_products_are_warned_of(lake: Lake, dirty: Simulated) -> None:
    recorded = dirty.read_truth("rows")
    unknown = recorded[recorded["kind"] == "unknown product"]["rows"].sum()
    assert lake.read("silver.transactions").where("NOT is_known_product").count() == unknown
    [warned] = [
        row["warnings"]
        for row in lake.read("ops.runs").collect()
        if row["table_name"] == "silver.transactions"
    ]
    assert f"product_is_known: {unknown} rows" in str(warned)


def test_only_pseudonyms_of_users_cards_and_devices_reach_silver(
    lake: Lake, dirty: Simulated
) -> None:
    raw = pd.DataFrame(readable(dirty, "transactions"))
    silver = lake.read("silver.transactions").toPandas().set_index("transaction_id")
    for column, own in (("user_id", "customer"), ("payment_id", "card"), ("device_id", "device")):
        assert silver[column].str.fullmatch(f"[0-9a-f]{{{HEX_DIGITS}}}").all(), column
        pairs = raw.drop_duplicates("line").set_index("line")[own].reindex(silver.index)
        both = pd.DataFrame({"own": pairs, "pseudonym": silver[column]}).dropna().drop_duplicates()
        assert both["own"].is_unique
        assert both["pseudonym"].is_unique
        assert len(both) > 50
    ids = {text for own in ("customer", "card", "device") for text in raw[own].dropna()}
    for table in ("silver.transactions", "silver.user_actions", "silver.users"):
        for row in lake.read(table).limit(3000).collect():
            assert not ids & {str(value) for value in row}, table


def test_stock_labels_and_users_arrive_typed(lake: Lake, dirty: Simulated) -> None:
    stock = lake.read("silver.stock")
    assert {row[0] for row in stock.select("store_id").distinct().collect()} == {"*"}
    recorded = dirty.read_truth("demand")
    # Late counts of the last days are missing.
    on_hand = int(stock.selectExpr("sum(on_hand)").first()[0])
    assert on_hand == pytest.approx(recorded["on_hand"].sum(), rel=0.02)
    frauds = dirty.read_truth("frauds").set_index("transaction_id")["pattern"]
    for row in lake.read("silver.fraud_labels").collect():
        assert row["is_fraud"] == (row["transaction_id"] in frauds.index)
        assert row["pattern"] == frauds.get(row["transaction_id"])
        assert row["event_date"] <= row["business_date"]
    users = lake.read("silver.users").toPandas()
    assert users["birth_date"].notna().all()
    assert users["registered_on"].notna().all()
    assert set(users["region"]) == set(REGIONS)


# -- the job --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--days": "-3", "--dirt": "0.6"}, "--dirt should lie in 0 to 0.5, received 0.6"),
        ({"--start": "2026-02-30"}, "--start"),
        ({"--shop": "nowhere"}, "nowhere.yaml should exist"),
    ],
)
def test_wrong_arguments_end_with_2_and_write_nothing(
    tmp_path: Path, changed: Mapping[str, str], message: str
) -> None:
    given = {"--users": "10", "--products": "30", "--days": "3", "--seed": "1"} | changed
    command = [sys.executable, str(HOME / "jobs" / "simulate.py")]
    options = [part for pair in given.items() for part in pair]
    done = subprocess.run(
        [*command, *options, "--landing", str(tmp_path / "landing")],
        capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not (tmp_path / "landing").exists()
