"""Rows in shards and chunks, against a list of the same rows."""

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import functions as F
from toy_trainings import COLUMNS, TOY, labelled

from lakeshop.errors import InputError
from lakeshop.training.shards import SHARD_SPAN, VALIDATION, as_records, merged, packed
from lakeshop.training.specification import FeatureSpec, TrainingPlan

PLAN = TrainingPlan(shards=3, batches_per_chunk=1)


def chunks_of(rows, plan=PLAN, spec=TOY, held_out="held_out"):
    """Place and records of each chunk."""
    shards = packed(rows, spec, plan, ["id"], held_out=held_out)
    width = len(spec.columns.stored)
    found = {r["place"]: as_records(r["records"], width) for r in shards.chunks.collect()}
    shards.release()
    return shards, found


def as_set(records):
    return {tuple(row) for row in np.asarray(records, np.float32).tolist()}


def test_every_row_is_in_one_chunk_of_its_part(spark):
    values = labelled()
    shards, chunks = chunks_of(spark.createDataFrame(values))
    for is_held_out in (False, True):
        held = [c for place, c in chunks.items() if bool(place & VALIDATION) == is_held_out]
        stored = np.concatenate(held)
        expected = values[values.held_out == is_held_out][list(COLUMNS.stored)]
        assert len(stored) == len(expected)
        assert as_set(stored) == as_set(expected)
    assert sum(s.rows for s in shards.schedules) == 480
    assert sum(shards.validation_rows) == 120
    sizes = [len(c) for place, c in chunks.items() if not place & VALIDATION]
    assert max(sizes) == 32
    assert sum(size < 32 for size in sizes) <= 3, "only a shard's last chunk is short"


def test_neither_files_nor_cores_nor_the_order_of_rows_change_a_chunk(spark):
    values = labelled()
    _, first = chunks_of(spark.createDataFrame(values))
    shuffled = values.sample(frac=1, random_state=3)
    _, second = chunks_of(spark.createDataFrame(shuffled).repartition(5))
    assert list(map(int, first)) == list(map(int, second))
    for place, records in first.items():
        np.testing.assert_array_equal(records, second[place])


def test_rows_of_an_equal_key_keep_an_order_and_share_a_shard(spark):
    values = labelled(40).assign(id=7)
    _, first = chunks_of(spark.createDataFrame(values), held_out=None)
    again = spark.createDataFrame(values[::-1]).repartition(3)
    _, second = chunks_of(again, held_out=None)
    full = [place // SHARD_SPAN for place, records in first.items() if len(records)]
    assert len(set(full)) == 1
    assert all(np.array_equal(records, second[place]) for place, records in first.items())


def test_a_shard_without_rows_has_an_empty_chunk(spark):
    shards, chunks = chunks_of(
        spark.createDataFrame(labelled(2)), TrainingPlan(shards=8), held_out=None
    )
    assert {place // SHARD_SPAN for place in chunks} == set(range(8))
    assert sorted(s.rows for s in shards.schedules)[-3:] in ([0, 1, 1], [0, 0, 2])


def test_a_round_reads_no_more_than_it_needs(spark):
    rows = spark.createDataFrame(labelled())
    shards = packed(rows, TOY, replace(PLAN, shuffle=False), ["id"], held_out="held_out")

    def places(**arguments):
        return {row["place"] for row in shards.of_round(**arguments).select("place").collect()}

    starts = [shard * SHARD_SPAN for shard in range(3)]
    training = places(first=1, steps=2, evaluate=False)
    assert training == {start + chunk for start in starts for chunk in (1, 2)}
    both = places(first=1, steps=2, evaluate=True)
    assert {place for place in both if not place & VALIDATION} == training
    assert len(both) == len(training) + 3
    assert places(first=1, steps=0, evaluate=False) == set(starts), "one of each shard"
    shards.release()


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 1e300])
def test_targets_and_weights_that_are_no_numbers_are_refused_with_their_columns(spark, value):
    rows = spark.createDataFrame(labelled(50)).withColumn(
        "y", F.when(F.col("id") % 10 == 0, F.lit(value).cast("double")).otherwise(F.col("y"))
    )
    with pytest.raises(InputError, match=r"infinity: y in 5 rows\. Leave these rows out"):
        packed(rows, TOY, PLAN, ["id"])


def test_inputs_may_be_unknown_and_those_of_an_autoencoder_may_not(spark):
    rows = spark.createDataFrame(labelled(50)).withColumn("a", F.lit(None).cast("double"))
    _, chunks = chunks_of(rows)
    assert np.isnan(np.concatenate(list(chunks.values()))[:, 0]).all()
    alike = replace(TOY, columns=FeatureSpec({"x": ("a", "b")}, ("a", "b")))
    with pytest.raises(InputError, match="a in 50 rows"):
        packed(rows, alike, PLAN, ["id"])


def test_whole_numbers_decimals_and_booleans_are_numbers(spark):
    rows = spark.createDataFrame(labelled(50)).select(
        F.col("id"),
        F.lit(16_777_216).alias("a"),
        F.lit("0.5").cast("decimal(9,2)").alias("b"),
        F.lit(True).alias("y"),
    )
    spec = replace(TOY, columns=FeatureSpec({"x": ("a", "b")}, ("y",)))
    _, chunks = chunks_of(rows, spec=spec, held_out=None)
    assert as_set(np.concatenate(list(chunks.values()))) == {(16_777_216.0, 0.5, 1.0)}


def test_rows_of_one_array_are_packed_as_flat_columns_are(spark):
    flat = spark.createDataFrame(labelled(100))
    _, expected = chunks_of(flat)
    record = F.array(*COLUMNS.stored).alias("record")
    _, found = chunks_of(flat.select("id", "held_out", record))
    # Chunks are in the same places; rows of one key are told apart by all their values.
    assert found.keys() == expected.keys()
    for place, records in expected.items():
        np.testing.assert_array_equal(found[place], records)


def test_an_array_of_another_width_is_refused(spark):
    width = len(COLUMNS.stored)
    # Told by a worker: Spark wraps the error.
    rows = spark.createDataFrame(labelled(20)).select("id", F.array("a", "b").alias("record"))
    with pytest.raises(
        Exception,
        match=rf"InputError: A record should have the model's {width} numbers. Received 2",
    ):
        packed(rows, TOY, PLAN, ["id"])


def test_spans_that_touch_are_made_one():
    assert merged([(5, 6), (1, 2), (3, 3), (9, 9), (2, 2)]) == [(1, 3), (5, 6), (9, 9)]
