"""Trainings on Spark: exact, stopped early, clear about bad input, whole after a killed worker."""

from dataclasses import replace
from datetime import timedelta
from threading import Event

import numpy as np
import pytest
from pyspark.sql import functions as F
from toy_trainings import COLUMNS, DAY, TOY, committed, hash_of, labelled, ship_networks, trained

from lakeshop.errors import InputError, ModelError, TrainingError
from lakeshop.storage.files import delete_before
from lakeshop.storage.lake import Lake
from lakeshop.training import tasks
from lakeshop.training.backend import compiled_model
from lakeshop.training.checkpoints import Checkpoints
from lakeshop.training.specification import DILOCO, TrainingPlan
from lakeshop.training.weights import flat

SHORT = TrainingPlan(shards=2, local_steps=4, rounds=3)


@pytest.fixture(autouse=True)
def networks(spark):
    ship_networks(spark)


@pytest.fixture
def lake(spark, tmp_path, contracts):
    return Lake(spark, str(tmp_path / "lake"), contracts)


def in_hash_order(spark, values):
    """Rows as a single shard has them, by Spark's own hash."""
    hashed = spark.createDataFrame(values).withColumn(
        "order", F.xxhash64("id", F.lit(f"order {TOY.seed}"))
    )
    ordered = hashed.orderBy("order").toPandas()
    return ordered[list(COLUMNS.stored)].to_numpy(np.float32)


def test_one_shard_on_spark_is_plain_fit_to_the_bit(spark, lake):
    values = labelled(300)
    plan = TrainingPlan(shards=1, local_steps=7, epochs=2.1, shuffle=False)
    sgd = replace(TOY, optimizer={"class_name": "SGD", "config": {"learning_rate": 0.5}})
    spec = replace(sgd, arguments={"inputs": 4})
    done = trained(lake, spark.createDataFrame(values), plan, spec, held_out=None)
    assert [p.local_steps for p in done.history] == [7, 14, 21], "2.1 epochs of 10 batches"
    model = compiled_model(spec)
    x, y, w = COLUMNS.arrays(in_hash_order(spark, values))
    fit = {"sample_weight": w, "batch_size": 32, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=2, **fit)
    model.fit(x[:32], y[:32], **{**fit, "sample_weight": w[:32]})
    np.testing.assert_array_equal(done.weights.astype(np.float32), flat(model))
    np.testing.assert_array_equal(flat(done.model()), flat(model))


def test_shuffled_files_give_the_same_and_a_finished_training_is_not_repeated(
    spark, lake, monkeypatch
):
    values = labelled()
    plan = replace(SHORT, outer=DILOCO)
    first = trained(lake, spark.createDataFrame(values), plan)
    mixed = spark.createDataFrame(values.sample(frac=1, random_state=1)).repartition(7)
    second = trained(lake, mixed, plan, version="another")
    assert first.training_id != second.training_id
    assert hash_of(first.weights) == hash_of(second.weights)
    assert len(committed(lake, first.training_id)) == 4, "three rounds and the end"
    monkeypatch.setattr("lakeshop.training.rounds.packed", None)
    again = trained(lake, mixed, plan)
    assert hash_of(again.weights) == hash_of(first.weights)
    assert again.history == first.history


def test_a_killed_worker_is_replaced_and_nothing_changes(spark, lake, monkeypatch):
    rows = spark.createDataFrame(labelled())
    plan = replace(SHORT, shards=3)
    whole = trained(lake, rows, plan, version="undisturbed")
    usual = tasks._task

    def lethal(work, weights, schedules):
        task = usual(work, weights, schedules)

        def killed(batches):
            import os
            import signal

            from pyspark import TaskContext

            context = TaskContext.get()
            at = (work.training_round, context.partitionId(), context.attemptNumber())
            for outcome in task(batches):
                if at == (1, 1, 0):
                    os.kill(os.getpid(), signal.SIGKILL)
                yield outcome

        return killed

    monkeypatch.setattr(tasks, "_task", lethal)
    disturbed = trained(lake, rows, plan, version="disturbed")
    hashes = committed(lake, whole.training_id)
    assert committed(lake, disturbed.training_id) == hashes
    assert len(set(hashes.values())) == 3, "each round changed the weights; the end is the best"


def test_a_commit_that_fails_once_changes_nothing(spark, lake, contracts, tmp_path, monkeypatch):
    """While the third round waits to be committed, the second one cannot be."""
    rows, plan = spark.createDataFrame(labelled()), replace(SHORT, rounds=4)
    whole = trained(Lake(spark, str(tmp_path / "whole"), contracts), rows, plan)
    third_waits, write, append = Event(), Checkpoints.write, Lake.append
    monkeypatch.setattr("lakeshop.training.checkpoints.COMMIT_EVERY", 0.0)

    def written(checkpoints, checkpoint):
        write(checkpoints, checkpoint)
        if checkpoint.progress.round == 3:
            third_waits.set()

    def failing(lake, *arguments, transaction, **others):
        if transaction[1] == 2 and third_waits.wait(60):
            msg = "the store is away"
            raise OSError(msg)
        return append(lake, *arguments, transaction=transaction, **others)

    with monkeypatch.context() as disturbed:
        disturbed.setattr(Checkpoints, "write", written)
        disturbed.setattr(Lake, "append", failing)
        with pytest.raises(OSError, match="store is away"):
            trained(lake, rows, plan)
    assert list(committed(lake, whole.training_id)) == [1]
    done = trained(lake, rows, plan)
    assert hash_of(done.weights) == hash_of(whole.weights)
    assert [p.round for p in done.history] == [1, 2, 3, 4]
    expected = committed(Lake(spark, str(tmp_path / "whole"), contracts), whole.training_id)
    assert committed(lake, done.training_id) == expected


def test_rounds_that_were_removed_are_trained_and_kept_again(spark, lake):
    """Delta's log still knows their numbers, and would skip them."""
    rows, plan = spark.createDataFrame(labelled(100)), replace(SHORT, rounds=2)
    first = trained(lake, rows, plan)
    delete_before(lake, "ops.rounds", DAY + timedelta(days=1))
    again = trained(lake, rows, plan)
    assert hash_of(again.weights) == hash_of(first.weights)
    assert list(committed(lake, again.training_id)) == [1, 2, 3]
    assert trained(lake, rows, plan).history == again.history, "answered from the table"


def test_early_stopping_keeps_the_best_weights(spark, lake):
    """A learning rate that is far too high: losses of validation go up and down."""
    wild = replace(TOY, optimizer={"class_name": "Adam", "config": {"learning_rate": 1.0}})
    rows = spark.createDataFrame(labelled())
    done = trained(lake, rows, TrainingPlan(shards=1, local_steps=8, rounds=30, patience=2), wild)
    losses = [p.validation_loss for p in done.history]
    assert len(losses) < 30
    assert done.validation_loss <= min(losses)
    held_out = labelled().query("held_out")
    x, y, w = COLUMNS.arrays(held_out[list(COLUMNS.stored)].to_numpy(np.float32))
    evaluated = done.model().evaluate(x, y, sample_weight=w, verbose=0)
    assert done.validation_loss == pytest.approx(evaluated, rel=1e-5)
    last = committed(lake, done.training_id)
    if done.best_round:
        assert last[len(losses) + 1] == last[done.best_round]


def test_without_validation_all_rounds_are_trained_and_the_last_weights_kept(spark, lake):
    done = trained(lake, spark.createDataFrame(labelled(100)), SHORT, held_out=None)
    assert (done.best_round, done.validation_loss, len(done.history)) == (3, None, 3)
    hashes = committed(lake, done.training_id)
    assert hashes[4] == hashes[3]


def test_more_shards_than_rows_and_validation_now_and_then(spark, lake):
    rows = spark.createDataFrame(labelled(3))
    plan = TrainingPlan(shards=6, local_steps=2, rounds=3, evaluate_every=2)
    done = trained(lake, rows, plan)
    assert [p.rows for p in done.history] == [4, 4, 4], "two rows, twice each"
    measured = [p.validation_loss is not None for p in done.history]
    assert measured == [True, False, True]
    trained_shards = [loss is not None for loss in done.history[0].shard_losses]
    assert len(trained_shards) == 6
    assert sum(trained_shards) in (1, 2)


def test_no_training_rows_are_refused(spark, lake):
    rows = spark.createDataFrame(labelled(10)).withColumn("held_out", F.lit(True))
    with pytest.raises(InputError, match="Received none; widen its window"):
        trained(lake, rows, SHORT)


def test_a_loss_that_is_no_number_names_round_and_shard_and_commits_nothing(spark, lake):
    rows = spark.createDataFrame(labelled(100)).withColumn("b", F.lit(None).cast("double"))
    with pytest.raises(TrainingError, match=r"loss of nan .* in round 1, shard 0, which was not"):
        trained(lake, rows, SHORT, held_out=None)
    assert not lake.exists("ops.rounds")


def test_a_bad_builder_is_refused_before_any_task_runs(spark, lake):
    wrong = replace(TOY, builder="toy_networks:not_a_model", arguments={})
    with pytest.raises(ModelError, match="Received int"):
        trained(lake, spark.createDataFrame(labelled(20)), SHORT, wrong)


def test_tensorboard_reads_what_the_driver_wrote(spark, lake, tmp_path):
    import tensorflow as tf

    done = trained(lake, spark.createDataFrame(labelled(100)), SHORT, board=tmp_path / "board")
    (file,) = (tmp_path / "board").iterdir()
    assert ".tfevents." in file.name
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            number = float(tf.make_ndarray(value.tensor))
            found.setdefault(value.tag, {})[event.step] = pytest.approx(number, rel=1e-6)
    assert found["loss/training"] == {p.local_steps: p.loss for p in done.history}
    assert {f"loss/shard_{i}" for i in range(2)} <= set(found)
    measured = found["loss/validation"]
    assert sorted(measured) == [0, 4, 8, 12], "also of the last weights"
    assert [measured[p.local_steps - 4] for p in done.history] == [
        p.validation_loss for p in done.history
    ]
    assert done.validation_loss in measured.values()


def test_each_round_logs_a_line(spark, lake, caplog):
    caplog.set_level("INFO", "lakeshop")
    trained(lake, spark.createDataFrame(labelled(100)), replace(SHORT, rounds=2))
    lines = [r.message for r in caplog.records if r.message.startswith("training=")]
    assert len(lines) == 3
    assert " round=2/2 loss=0." in lines[1]
    assert " rows_per_second=" in lines[1]
