"""Labelled payments at terminals come in by configuration alone, and their labels wait a week."""

from datetime import date, timedelta

import pytest

from conftest import HOME
from lakeshop.dates import days_between
from lakeshop.engine.run import Run
from lakeshop.fraud.training import with_label
from lakeshop.pipeline import EVERY_APPLICATION, STAGES, all_contracts, build_tables, read_settings
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger

FIRST, LAST = date(2018, 4, 1), date(2018, 4, 10)
HEADER = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO"


@pytest.fixture(scope="module")
def run(spark, tmp_path_factory):
    """Ten days of one payment of customer 7 at terminal 3 each, that of the first day fraud."""
    home = tmp_path_factory.mktemp("payments")
    for n, day in enumerate(days_between(FIRST, LAST)):
        line = f"{n},{day} 10:00:0{n},7,3,{10 + n}.50,{int(n == 0)},{2 if n == 0 else 0}"
        (home / f"{day}.csv").write_text(f"{HEADER}\n{line}\n")
    settings = read_settings(HOME / "conf", env="local", shop="payments")
    shop = settings.shop.model_copy(update={"landing": str(home)})
    lake = Lake(spark, str(home / "lake"), all_contracts(HOME / "schemas"))
    made = Run(
        job="test",
        lake=lake,
        ledger=Ledger.load(lake),
        settings=settings.model_copy(update={"shop": shop}),
        applications=EVERY_APPLICATION,
        first=FIRST,
        last=LAST,
        key=b"a key for tests, of 32 characters or more",
    )
    for stage in ("ingest", "clean"):
        STAGES[stage](made)
    build_tables(made, "features.transactions")
    return made


def test_payments_become_transactions_and_labels(run):
    lines = run.lake.read("silver.transactions").orderBy("occurred_at").collect()
    assert [(row["transaction_id"], row["store_id"], f"{row['amount']}") for row in lines] == [
        (f"{n}", "3", f"{10 + n}.50") for n in range(10)
    ]
    labels = {r["transaction_id"]: r for r in run.lake.read("silver.fraud_labels").collect()}
    assert {i for i, row in labels.items() if row["is_fraud"]} == {"0"}
    assert labels["0"]["pattern"] == "2"
    assert len(labels) == 10


def test_features_know_a_fraud_a_week_later(run):
    rows = run.lake.read("features.transactions").orderBy("event_date").collect()
    assert [row["store_frauds_30"] for row in rows] == [0.0] * 7 + [1.0] * 3
    assert [row["user_count"] for row in rows] == [float(n) for n in range(10)]
    assert rows[3]["user_mean_amount"] == pytest.approx((10.5 + 11.5 + 12.5) / 3)


def test_only_labelled_payments_are_examples(run):
    lines, labels = run.lake.read("features.transactions"), run.lake.read("silver.fraud_labels")
    examples = with_label(lines, labels, LAST, run.settings.fraud).collect()
    newest = LAST - timedelta(days=7)
    assert {row["event_date"] for row in examples} == set(days_between(FIRST, newest))
    assert {row["transaction_id"]: row["is_fraud"] for row in examples} == {
        "0": 1.0, "1": 0.0, "2": 0.0
    }  # fmt: skip
