"""A model per group against plain fits one by one."""

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import functions as F
from toy_trainings import COLUMNS, TOY, labelled, ship_networks

from lakeshop.training.backend import compiled_model
from lakeshop.training.groups import fit_per_group
from lakeshop.training.specification import seed_of


@pytest.fixture(autouse=True)
def networks(spark):
    ship_networks(spark)


def test_each_group_is_a_plain_fit_with_a_seed_of_its_own(spark):
    values = labelled(240).assign(is_train=lambda v: v.id % 4 > 0, fold=lambda v: v.id % 3)
    rows = spark.createDataFrame(values)
    found = fit_per_group(rows, TOY, group="fold", key=["id"], epochs=2)
    assert found.columns == ["fold", "id", "prediction", "reason"]
    mixed = spark.createDataFrame(values[::-1]).repartition(5)
    again = fit_per_group(mixed, TOY, group="fold", key=["id"], epochs=2)
    by_id = {row["id"]: row for row in found.collect()}
    assert {row["id"]: row for row in again.collect()} == by_id
    order = F.xxhash64("id", F.lit(f"order {TOY.seed}"))
    ordered = rows.withColumn("order", order).orderBy("order").toPandas()
    for fold in range(2):
        part = ordered[ordered.fold == fold]
        seed = seed_of(TOY.seed, "group", str(fold))
        model = compiled_model(replace(TOY, seed=seed))
        train = part[part.is_train][list(COLUMNS.stored)].to_numpy(np.float32)
        x, y, w = COLUMNS.arrays(train)
        model.fit(x, y, sample_weight=w, batch_size=32, epochs=2, verbose=0)
        test = part[~part.is_train]
        expected = model.predict(test[list("abcd")].to_numpy(np.float32), verbose=0)[:, 0]
        predicted = [by_id[key]["prediction"] for key in test.id]
        np.testing.assert_allclose(predicted, expected, rtol=1e-6)
    assert {row["reason"] for row in by_id.values()} == {None}


def test_a_group_that_cannot_be_trained_has_a_reason(spark):
    values = labelled(40).assign(is_train=lambda v: v.id % 4 > 0, fold=lambda v: v.id % 4 * 0)
    rows = spark.createDataFrame(values)
    empty = rows.withColumn("fold", F.lit(1)).withColumn("is_train", F.lit(False))
    unlabelled = rows.withColumn("fold", F.lit(2)).withColumn("y", F.lit(None).cast("double"))
    broken = rows.withColumn("fold", F.lit(3)).withColumn("a", F.lit(float("nan")))
    all_rows = rows.union(empty).union(unlabelled).union(broken)
    found = fit_per_group(all_rows, TOY, group="fold", key=["id"]).collect()
    reasons = {row["fold"]: row["reason"] for row in found}
    assert reasons[0] is None
    assert reasons[1] == "no rows to train on"
    assert reasons[2] == "a target or a weight is NULL, NaN or infinite"
    assert reasons[3].startswith("the loss became NaN")
    assert len(found) == 10 + 40 + 10 + 10
    assert all((row["prediction"] is None) == (row["fold"] > 0) for row in found)
