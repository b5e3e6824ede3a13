"""The demand network as the nights have it: trained by Spark, in the backtest and in forecasts."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.demand.backtests import backtests
from lakeshop.demand.examples import columns_of, groups_of, inputs_on
from lakeshop.demand.inventory_forecasts import inventory_forecasts
from lakeshop.demand.panels import panel_of
from lakeshop.demand.training import train
from lakeshop.engine.context import BuildContext, Provenance
from lakeshop.storage.lake import Lake
from lakeshop.training.registry import LAYER_MODULES, model_of

DAY = date(2026, 3, 9)  # a Monday, on which models are trained
DAYS, HORIZON = 168, 28
NETWORK = {"width": 8, "context": 14, "embedding": 2, "decoder": [8, 4], "dropout": 0.0}


@pytest.fixture(scope="module")
def small(settings):
    """Settings of a small network that learns from a few origins."""
    options = settings.demand
    network = options.global_model.network.model_copy(
        update={"arguments": NETWORK, "batch_size": 32, "epochs": 2, "local_steps": 5}
    )
    teaching = options.global_model.model_copy(
        update={"origins": 3, "stride_days": 9, "network": network}
    )
    backtest = options.backtest.model_copy(update={"origins": 4})
    changed = {"history_days": DAYS, "global_model": teaching, "backtest": backtest}
    return settings.model_copy(update={"demand": options.model_copy(update=changed)})


@pytest.fixture(scope="module")
def night(small, spark, contracts, tmp_path_factory):
    lake = Lake(spark, str(tmp_path_factory.mktemp("demand")), contracts)
    return BuildContext(
        DAY,
        small,
        provenance=Provenance(content="of these series"),
        contract=contracts["models.demand"],
        lake=lake,
    )


@pytest.fixture(scope="module")
def series(spark, contracts):
    """Twenty-four series that sell every day, twice as much on Saturdays."""
    chance, contract = np.random.default_rng(4), contracts["features.demand"]
    begun = DAY - timedelta(days=DAYS - 1)
    saturday = np.array([(begun + timedelta(days=n)).weekday() == 5 for n in range(DAYS)])
    rows = []
    for n in range(24):
        units = chance.poisson((2 + n % 5) * np.where(saturday, 2.0, 1.0)).astype(float)
        row = {
            "business_date": DAY,
            "product_id": f"p{n:02}",
            "store_id": "*",
            "department": "dairy",
            "category": "milk",
            "is_active": True,
            "first_day": begun,
            "last_day": DAY,
            "units": units.tolist(),
            "price": [2.0] * DAYS,
            "refunded": 0.0,
            "excluded_units": 0.0,
            "value": float(2 * units[-84:].sum()),
            "abc": "A",
            "demand_class": "smooth",
            "is_fractional": False,
            "weekdays": [1.0] * 7,
            "run_id": "test",
        }
        rows.append(tuple(row.get(name) for name in contract.column_names))
    return spark.createDataFrame(rows, contract.struct).repartition(2).persist()


@pytest.fixture(scope="module")
def models(spark, series, night):
    """Rows of models.demand, trained by tasks of Spark."""
    made = train({"features.demand": series}, night)
    return made.withColumn(BUSINESS_DATE, F.lit(DAY)).persist()


def by_name(models):
    return {row["name"]: row for row in models.collect()}


def test_two_networks_are_trained_and_the_older_knows_nothing_of_the_backtests_days(models):
    found = by_name(models)
    assert set(found) == {"demand", "demand_backtest"}
    assert found["demand"]["trained_to"] == DAY
    assert found["demand_backtest"]["trained_to"] == DAY - timedelta(days=HORIZON + 3 * 7)
    for row in found.values():
        assert row["trained_rows"] == 3 * 24
        assert json.loads(row["metrics"])["loss"] < 5
    assert found["demand"]["sha256"] != found["demand_backtest"]["sha256"]


def test_training_again_trains_nothing(models, series, night):
    before = {name: row["sha256"] for name, row in by_name(models).items()}
    rounds = night.lake.read("ops.rounds").count()
    again = train({"features.demand": series.repartition(3)}, night).collect()
    assert {model["name"]: model["sha256"] for model in again} == before
    assert night.lake.read("ops.rounds").count() == rounds


def test_the_backtest_evaluates_it_and_forecasts_equal_its_file(models, series, night, rows, small):
    tables = {
        "features.demand": series,
        "models.demand": models,
        "ops.backtests": rows("ops.backtests"),
        "silver.stock": rows("silver.stock"),
    }
    of_backtests = replace(night, contract=night.lake.contract("ops.backtests"))
    backtest = {row["segment"]: row for row in backtests(tables, of_backtests).collect()}
    figures = json.loads(backtest["all"]["figures"])
    assert {"network", "mean_56_and_network"} <= set(figures)
    assert 0 < figures["network"]["wrmsse"] < 3
    rule = backtest["smooth A"].asDict() | {"method": "network", "business_date": DAY}
    of_gold = replace(night, contract=night.lake.contract("gold.inventory_forecasts"))
    forecasts = inventory_forecasts(
        {**tables, "ops.backtests": rows("ops.backtests", rule)}, of_gold
    )
    found = forecasts.orderBy("product_id", "horizon").toPandas()
    assert set(found["method"]) == {"network"}
    assert not found["is_fallback"].any()
    batch = series.orderBy("product_id").toPandas()
    row = by_name(models)["demand"]
    model = model_of(bytes(row["model"]), row["sha256"], LAYER_MODULES)
    options = small.demand
    records = inputs_on(panel_of(batch, DAY, DAYS, HORIZON), groups_of(batch), options)
    widths = [len(names) for names in columns_of(options).inputs.values()]
    parts = np.split(records, np.cumsum(widths)[:-1], axis=1)
    predicted = model.predict(dict(zip(columns_of(options).inputs, parts, strict=True)), verbose=0)
    means = np.asarray(predicted).reshape(24, -1)[:, :HORIZON]
    np.testing.assert_allclose(found["mean"].to_numpy().reshape(24, HORIZON), means, rtol=1e-3)
    assert found["model_date"].unique().tolist() == [DAY]
