from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from pydantic import ValidationError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy import stats

from conftest import Rows
from lakeshop.config.settings import Settings
from lakeshop.contracts.model import Contract
from lakeshop.engine.context import BuildContext
from lakeshop.inventory.reorder_plan import planned, reorder_plan
from lakeshop.inventory.settings import InventorySettings

DAY = date(2026, 3, 7)
OPTIONS = InventorySettings(
    review_days=3,
    service_level=0.95,
    lead_time_days=2,
    lead_time_deviation_days=0,
    pack_size=1,
)
FORECASTS = (
    "product_id STRING, store_id STRING, horizon INT, mean DOUBLE, variance DOUBLE, "
    "level_variance DOUBLE"
)
# 4 a day: 20 over 2 + 3 days, 12 over 2 + 1; Poisson quantiles at 0.95 are 28 and 18.
UP_TO, POINT = 28, 18


def _forecasts(spark: SparkSession, series: Mapping[tuple[str, str], float]) -> DataFrame:
    rows = [
        (product, store, horizon, mean, mean, 0.0)
        for (product, store), mean in series.items()
        for horizon in range(1, 15)
    ]
    return spark.createDataFrame(rows[::-1], FORECASTS)


def _counted(product: str, store: str, on_hand: object, age: int, **more: object) -> dict:
    day = DAY - timedelta(days=age)
    units = Decimal(str(on_hand))
    base = {"business_date": day, "event_date": day, "product_id": product, "store_id": store}
    return {**base, "on_hand": units, **more}


def test_the_plan_by_hand(
    spark: SparkSession, rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    series = {
        ("one store", "*"): 4.0,
        ("two stores", "*"): 4.0,
        ("own terms", "*"): 4.0,
        ("old", "*"): 4.0,
        ("none", "*"): 4.0,
        ("dead", "*"): 0.0,
    }
    terms = {"lead_time_days": 0.0, "lead_time_deviation_days": 0.0, "pack_size": 6}
    stock = rows(
        "silver.stock",
        _counted("one store", "*", 50, 3),
        _counted("one store", "*", "5.5", 1, on_order=Decimal(4)),
        _counted("one store", "*", 99, -1),
        _counted("two stores", "s1", 5, 0),
        _counted("two stores", "s2", 6, 2),
        _counted("two stores", "s3", 1000, 40),
        _counted("own terms", "s1", 1, 0, shelf_life_days=2, **terms),
        _counted("old", "*", 7, 29, pack_size=4),
        _counted("dead", "*", 3, 0),
    )
    forecasts = _forecasts(spark, series)
    contract = contracts["gold.reorder_plan"]
    with_options = settings.model_copy(update={"inventory": OPTIONS})
    night = BuildContext(DAY, with_options, contract=contract)
    made = reorder_plan({"gold.inventory_forecasts": forecasts, "silver.stock": stock}, night)
    assert made.columns == [
        c for c in contract.column_names if c not in {"business_date", "run_id"}
    ]
    types = {c.name: c.type for c in contract.columns}
    assert all(field.dataType == types[field.name] for field in made.schema)
    checks = [F.expr(check.holds).alias(f"_{check.name}") for check in contract.checks]
    found = {(r["product_id"], r["store_id"]): r for r in made.select("*", *checks).collect()}

    assert found.keys() == series.keys()
    assert all(row[f"_{check.name}"] for row in found.values() for check in contract.checks)
    orders = {key: row["order_quantity"] for key, row in found.items()}
    # Own terms: no lead time, so 12 over the review, 18 at 0.95; two days of life sell 13.
    assert orders == {
        ("one store", "*"): 19,  # 28 less 9.5 is 18.5, in whole units
        ("two stores", "*"): UP_TO - 11,
        ("own terms", "*"): 12,
        ("old", "*"): None,
        ("none", "*"): None,
        ("dead", "*"): 0,
    }
    one = found["one store", "*"]
    assert (one["order_up_to"], one["reorder_point"], one["on_hand"]) == (UP_TO, POINT, 5.5)
    assert one["stockout_probability_without_order"] == round(stats.poisson(20).sf(9.5), 6)
    assert one["stockout_probability"] == round(stats.poisson(20).sf(28.5), 6)
    assert one["mean_demand"] == 20
    assert one["shelf_life_days"] is None
    assert one["reason"].endswith("counted 1 day before: 19 are ordered")
    assert found["two stores", "*"]["on_hand"] == 11
    assert found["own terms", "*"]["shelf_life_days"] == 2
    assert (found["old", "*"]["pack_size"], found["old", "*"]["on_hand"]) == (4, None)
    assert "last counted 29 days ago" in found["old", "*"]["reason"]
    assert "delivers no stock" in found["none", "*"]["reason"]
    assert "nothing is ordered" in found["dead", "*"]["reason"]


def test_a_series_of_a_store_is_ordered_by_its_own_counts_alone(
    spark: SparkSession, rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    """Lines without a store make a series of their own, which has no stock of the stores."""
    series = {("p", "s1"): 4.0, ("p", "s2"): 4.0, ("p", "*"): 4.0, ("shared", "*"): 4.0}
    stock = rows(
        "silver.stock",
        _counted("p", "s1", 28, 0),
        _counted("p", "s2", 0, 0),
        _counted("shared", "*", 8, 0),
    )
    by_store = settings.demand.model_copy(update={"level": "product_store"})
    changed = settings.model_copy(update={"inventory": OPTIONS, "demand": by_store})
    night = BuildContext(DAY, changed, contract=contracts["gold.reorder_plan"])
    tables = {"gold.inventory_forecasts": _forecasts(spark, series), "silver.stock": stock}
    made = reorder_plan(tables, night).collect()
    assert {(row["product_id"], row["store_id"]): row["order_quantity"] for row in made} == {
        ("p", "s1"): 0,
        ("p", "s2"): UP_TO,
        ("p", "*"): None,
        ("shared", "*"): UP_TO - 8,
    }


def _batch(n: int) -> pd.DataFrame:
    names = ("on_hand", "on_order", "lead_time_days", "lead_time_deviation_days", "pack_size")
    known = {name: [None if i % 3 == 0 else float(1 + i % 5) for i in range(n)] for name in names}
    return pd.DataFrame(
        {
            "product_id": [f"p{i}" for i in range(n)],
            "store_id": "*",
            "means": [[0.3 * (i % 7 + j % 7) for j in range(14)] for i in range(n)],
            "variances": [[0.5 * (i % 7 + j % 7) for j in range(14)] for i in range(n)],
            "level_variance": [0.1 * (i % 4) for i in range(n)],
            **known,
            "shelf_life_days": [None if i % 2 else 3.0 for i in range(n)],
            "age": 0.0,
        }
    )


def test_a_series_does_not_depend_on_the_others_of_its_batch() -> None:
    batch = _batch(40)
    costs = {"shortage_cost": 0.4, "holding_cost_per_day": 0.01}
    for options in (OPTIONS, OPTIONS.model_copy(update=costs)):
        whole = planned(batch, options)
        parts = [planned(batch.iloc[[i]].reset_index(drop=True), options) for i in range(40)]
        pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, check_exact=True)


def test_costs_come_in_pairs() -> None:
    with pytest.raises(ValidationError, match="both or neither"):
        InventorySettings(**{**OPTIONS.model_dump(), "shortage_cost": 0.5})
