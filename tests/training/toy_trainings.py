"""Toy networks for the workers, small labelled rows, lakes, and the hash of what was trained."""

import hashlib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from lakeshop.training.checkpoints import Checkpoints
from lakeshop.training.rounds import CheckpointLocation, train
from lakeshop.training.specification import FeatureSpec, ModelSpec

DAY = date(2026, 3, 10)
NETWORKS = Path(__file__).with_name("toy_networks.py")


def ship_networks(spark):
    """Let workers import `toy_networks`."""
    spark.sparkContext.addPyFile(str(NETWORKS))


def labelled(rows=600, seed=0):
    """Rows with features a to d, a label, a weight, a key, and each fifth one held out."""
    random = np.random.default_rng(seed)
    values = pd.DataFrame(random.normal(size=(rows, 4)), columns=list("abcd"))
    values["y"] = (values.a + values.b * values.c > 0).astype(float)
    values["w"] = random.uniform(0.5, 2, rows)
    values["id"] = np.arange(rows)
    values["held_out"] = values.id % 5 == 0
    return values


COLUMNS = FeatureSpec({"x": ("a", "b", "c", "d")}, ("y",), "w")
TOY = ModelSpec(
    "toy_networks:mlp",
    COLUMNS,
    {"inputs": 4, "dropout": 0.2},
    {"class_name": "Adam", "config": {"learning_rate": 0.01}},
    batch_size=32,
)


def trained(lake, rows, plan, spec=TOY, *, held_out="held_out", version="1", board=None):
    where = CheckpointLocation(lake, DAY, board)
    return train(spec, plan, rows, where, key=["id"], data_version=version, held_out=held_out)


def hash_of(weights):
    return hashlib.sha256(np.asarray(weights, "<f8").tobytes()).hexdigest()


def committed(lake, training_id):
    """Rounds in the table, each with the hash of its weights."""
    checkpoints = Checkpoints(lake, training_id, DAY)
    rounds = [progress.round for progress in checkpoints.history()]
    checkpoints.close()
    return {number: hash_of(checkpoints.weights(number)[0]) for number in rounds}
