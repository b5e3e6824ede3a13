"""A shop of features and labels alone: what fraud models are trained, scored and judged on.

Frauds have amounts far above the customer's usual and come from risky stores; labels arrive ten
days after the line. Written to a lake as the nights before would have left it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from conftest import HOME
from lakeshop.config.settings import Settings
from lakeshop.engine.metrics import EvaluationContext, PublishedFigures, publish_figures
from lakeshop.engine.publishing import MadeDays
from lakeshop.engine.run import Run
from lakeshop.fraud import APPLICATION
from lakeshop.fraud.evaluation import evaluate
from lakeshop.pipeline import EVERY_APPLICATION, all_contracts, build_tables, read_settings
from lakeshop.storage.lake import Lake
from lakeshop.storage.publications import Ledger

FIRST = date(2026, 1, 5)  # a Monday
DAYS = 77
TRAINING_DAY = date(2026, 3, 16)  # the Monday after ten weeks
LABEL_DAYS = 10
TINY = {
    "maturity_days": 12,
    "train_days": 40,
    "validation_days": 10,
    "report_weeks": 2,
    "alerts_per_day": 5,
}


def fraud_settings(**changes: object) -> Settings:
    """The settings of the simulated shop with networks that train in a second."""
    settings = read_settings(HOME / "conf", env="local", shop="simulated")
    networks = settings.fraud.labelled | settings.fraud.unlabelled
    small = {"members": 2, "width": 8, "blocks": 1, "embedding": 2, "dropout": 0.0}
    tiny = {
        "tabm": networks["tabm"].model_copy(
            update={"arguments": small, "batch_size": 64, "local_steps": 20, "epochs": 6.0}
        ),
        "baseline_mlp": networks["baseline_mlp"].model_copy(
            update={"batch_size": 64, "local_steps": 20, "epochs": 2.0}
        ),
        "autoencoder": networks["autoencoder"].model_copy(
            update={"batch_size": 64, "local_steps": 20, "epochs": 3.0}
        ),
    }
    fraud = {
        **TINY,
        "labelled": {name: tiny[name] for name in settings.fraud.labelled},
        "unlabelled": {name: tiny[name] for name in settings.fraud.unlabelled},
        **changes,
    }
    return settings.model_copy(update={"fraud": settings.fraud.model_copy(update=fraud)})


def lines_of(seed: int = 1, per_day: int = 60) -> pd.DataFrame:
    """Rows of features.transactions, with whether each is fraud; inputs it does not set are 0."""
    chance = np.random.default_rng(seed)
    n = DAYS * per_day
    day = np.repeat(np.arange(DAYS), per_day)
    fraud = chance.random(n) < 0.04
    amount = np.round(np.exp(chance.normal(2, 0.6, n)) * np.where(fraud, 3.0, 1.0), 2)
    usual = np.exp(chance.normal(2, 0.2, n))
    risk = np.where(fraud & (chance.random(n) < 0.6), 0.05, 0.005)
    dates = [FIRST + timedelta(days=int(d)) for d in day]
    return pd.DataFrame(
        {
            "business_date": dates,
            "event_date": dates,
            "transaction_id": [f"t{i:05}" for i in range(n)],
            "order_id": [f"o{i // 2:05}" for i in range(n)],
            "user_id": [None if i % 50 == 0 else f"u{i % 97}" for i in range(n)],
            "product_id": [f"p{i % 13}" for i in range(n)],
            "store_id": [f"s{i % 5}" for i in range(n)],
            "amount": [Decimal(f"{a:.2f}") for a in amount],
            "currency": "EUR",
            "is_refund": chance.random(n) < 0.02,
            "line_amount": amount,
            "user_mean_amount": np.where(np.arange(n) % 50 == 0, np.nan, usual),
            "amount_to_user_mean": np.where(np.arange(n) % 50 == 0, np.nan, amount / usual),
            "amount_z": np.where(np.arange(n) % 50 == 0, np.nan, np.log(amount / usual) / 0.3),
            "user_count": 30.0,
            "order_lines": 2.0,
            "store_risk_7": 0.005,
            "product_risk_30": 0.005,
            "store_risk_30": risk,
            "store_frauds_30": np.round(risk * 100),
            "fraud": fraud,
        }
    )


@dataclass(frozen=True)
class FraudShop:
    """A lake that holds lines, and labels where the shop has any."""

    spark: SparkSession
    root: Path
    settings: Settings
    truth: Mapping[str, bool]

    @property
    def lake(self) -> Lake:
        """The lake, read anew."""
        return Lake(self.spark, str(self.root), all_contracts(HOME / "schemas"))

    def run(self, day: date, **changes: object) -> Run:
        """A run of one night."""
        lake = self.lake
        return Run(
            "test",
            lake,
            Ledger.load(lake),
            self.settings,
            day,
            day,
            applications=EVERY_APPLICATION,
            **changes,
        )

    def train(self, day: date = TRAINING_DAY) -> Run:
        """The models of the newest training day."""
        run = self.run(day)
        build_tables(run, "models.fraud")
        run.flush()
        return run

    def evaluate(self, day: date = TRAINING_DAY) -> None:
        """The figures of a night."""
        run = self.run(day)
        context = EvaluationContext(run, APPLICATION, PublishedFigures(run))
        evaluate(context)
        publish_figures(run, context.found, time.monotonic())
        context.release()
        run.flush()


def fraud_shop(
    spark: SparkSession, root: Path, *, labelled: bool = True, **changes: object
) -> FraudShop:
    """A shop below `root`; `changes` are of the settings of fraud."""
    lines = lines_of()
    truth = dict(zip(lines["transaction_id"], lines["fraud"], strict=True))
    shop = FraudShop(spark, root, fraud_settings(**changes), truth)
    fill(shop, "features.transactions", lines, 0.0)
    fill(shop, "silver.users", people())
    if labelled:
        fill(shop, "silver.fraud_labels", labels_of(lines))
    return shop


def people() -> pd.DataFrame:
    """Rows of silver.users."""
    users = range(97)
    return pd.DataFrame(
        {
            "business_date": FIRST,
            "user_id": [f"u{i}" for i in users],
            "age_band": ["18-34" if i % 2 else "35+" for i in users],
            "region": ["north" if i % 3 else "south" for i in users],
        }
    )


def labels_of(lines: pd.DataFrame) -> pd.DataFrame:
    """Rows of silver.fraud_labels: every fraud, so many days after its line."""
    frauds = lines[lines["fraud"]]
    known = [day + timedelta(days=LABEL_DAYS) for day in frauds["event_date"]]
    return pd.DataFrame(
        {
            "business_date": known,
            "transaction_id": frauds["transaction_id"].to_numpy(),
            "is_fraud": True,
            "pattern": np.where(frauds["store_risk_30"] > 0.01, "terminal", "amount"),
            "event_date": known,
        }
    )


def fill(shop: FraudShop, table: str, rows: pd.DataFrame, number: float | None = None) -> None:
    """Publish rows; columns of numbers that they lack get `number`, others are NULL."""
    run = shop.run(FIRST + timedelta(days=DAYS + 60))
    run.first = FIRST
    contract = run.lake.contract(table)
    lacking = {
        c.name: number if c.type.typeName() == "double" else None
        for c in contract.columns
        if c.name not in rows
    }
    whole = rows.assign(**lacking).astype(object)[contract.column_names]
    values = whole.where(whole.notna(), None).itertuples(index=False, name=None)
    nullable = T.StructType([T.StructField(c.name, c.type) for c in contract.columns])
    made = shop.spark.createDataFrame(list(values), nullable)
    if "occurred_at" in contract.column_names:
        made = made.withColumn("occurred_at", F.to_timestamp("event_date"))
    run.publish(MadeDays(table, made, run.first, run.last, started=0.0))
    run.flush()
