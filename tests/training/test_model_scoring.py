"""Scores of rows against the model itself, whatever the rows hold and whoever scores them."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from pyspark.sql import functions as F
from toy_trainings import TOY, labelled, ship_networks

from lakeshop.errors import ModelError
from lakeshop.training.backend import compiled_model
from lakeshop.training.inference import Network
from lakeshop.training.registry import as_bytes, sha256_of
from lakeshop.training.scoring import score
from lakeshop.training.specification import FeatureSpec

FEATURES = FeatureSpec({"x": ("a", "b", "c", "d")}, ())


@pytest.fixture(autouse=True)
def networks(spark):
    ship_networks(spark)


def filed(spec=TOY):
    model = compiled_model(spec)
    payload = as_bytes(model)
    return model, payload, sha256_of(payload)


def test_scores_are_the_models_and_the_other_columns_stay_as_they_are(spark):
    values = labelled(700)
    model, payload, digest = filed()
    rows = spark.createDataFrame(values).select(
        *("a", "b", "c", "d", "id"),
        F.when(F.col("id") > 5, F.lit(2**60 + 1)).alias("large"),
        F.lit(Decimal("1.10")).alias("money"),
        F.lit(date(2026, 3, 1)).alias("day"),
        F.array(F.lit("p"), F.lit(None)).alias("list"),
    )
    scored = score(rows, Network(payload, digest), FEATURES, "chance")
    assert scored.schema.fieldNames() == [*rows.columns, "chance"]
    assert scored.drop("chance").schema == rows.schema
    assert scored.drop("chance").exceptAll(rows).isEmpty()
    found = scored.orderBy("id").toPandas()["chance"]
    expected = model(values[list("abcd")].to_numpy(np.float32))
    np.testing.assert_allclose(found, np.asarray(expected)[:, 0], rtol=1e-6)


def test_a_score_does_not_depend_on_the_rows_beside_it(spark):
    values = labelled(500)
    _, payload, digest = filed()

    def scores(rows):
        return dict(
            score(rows, Network(payload, digest), FEATURES, "s").select("id", "s").collect()
        )

    first = scores(spark.createDataFrame(values).coalesce(1))
    mixed = spark.createDataFrame(values.sample(frac=1, random_state=1)).repartition(7)
    assert scores(mixed) == first
    assert scores(mixed.where("id % 50 = 0")) == {k: v for k, v in first.items() if k % 50 == 0}


def test_no_value_fails_a_night(spark):
    bad = [None, float("nan"), float("inf"), float("-inf"), 1e300, 0.0]
    rows = spark.createDataFrame([(i, v, 0.0, 0.0, 1.0) for i, v in enumerate(bad)], "id INT, a "
                                 "DOUBLE, b DOUBLE, c DOUBLE, d DOUBLE")  # fmt: skip
    _, payload, digest = filed(replace(TOY, arguments={"inputs": 4, "activation": "linear"}))
    found = score(rows, Network(payload, digest), FEATURES, "s").orderBy("id").collect()
    assert [row["s"] is None for row in found] == [True, True, True, True, True, False]
    assert [row["a"] for row in found][2:] == bad[2:], "what was given is not touched"
    assert score(rows.where("id > 9"), Network(payload, digest), FEATURES, "s").collect() == []


def test_several_inputs_and_several_outputs(spark):
    values = labelled(20)
    alike = FeatureSpec({"x": ("a", "b")}, ("a", "b"))
    spec = replace(TOY, builder="toy_networks:autoencoder", arguments={"inputs": 2}, loss="mse")
    model, payload, digest = filed(replace(spec, columns=alike))
    rows = spark.createDataFrame(values).select("id", "a", "b")
    found = score(rows, Network(payload, digest), alike, ["a2", "b2"]).orderBy("id").toPandas()
    expected = model(values[["a", "b"]].to_numpy(np.float32))
    np.testing.assert_allclose(found[["a2", "b2"]], expected, rtol=1e-6)
    two = FeatureSpec({"left": ("a", "b"), "right": ("c",)}, ("y",))
    arguments = {"left": 2, "right": 1}
    spec = replace(TOY, builder="toy_networks:two_inputs", arguments=arguments, columns=two)
    model, payload, digest = filed(spec)
    found = (
        score(spark.createDataFrame(values), Network(payload, digest), two, "s")
        .orderBy("id")
        .toPandas()
    )
    fed = two.inputs_of(values[list(two.stored)].to_numpy(np.float32))
    np.testing.assert_allclose(found["s"], np.asarray(model(fed))[:, 0], rtol=1e-6)


def test_an_altered_file_scores_nothing(spark):
    _, payload, digest = filed()
    rows = spark.createDataFrame(labelled(5))
    with pytest.raises(ModelError, match="it was altered"):
        score(rows, Network(payload + b" ", digest), FEATURES, "s")


def test_booleans_and_whole_numbers_are_fed_as_numbers(spark):
    model, payload, digest = filed()
    rows = spark.sql("SELECT true a, 2 b, CAST(0.5 AS DECIMAL(3,1)) c, CAST(3 AS BIGINT) d")
    (row,) = score(rows, Network(payload, digest), FEATURES, "s").collect()
    expected = float(model(np.array([[1, 2, 0.5, 3]], np.float32))[0, 0])
    assert row["s"] == pytest.approx(expected, rel=1e-6)
