"""Plain `fit` in one process, and our rounds, on the same rows with the same model.

Both leave the seconds of each part, how many rows it trained on, and the validation loss after it.
"""

import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.child import Prepared
from benchmarks.harness import HOME
from benchmarks.sessions import session
from benchmarks.training_data import COLUMNS, FEATURES, arrays, table
from lakeshop.pipeline import all_contracts
from lakeshop.storage.lake import Lake
from lakeshop.training.backend import compiled_model, configured
from lakeshop.training.checkpoints import Progress
from lakeshop.training.rounds import CheckpointLocation, Trained, train
from lakeshop.training.specification import ModelSpec, TrainingPlan

BATCH = 1024
PARTS_PER_EPOCH = 4  # of plain fit, between which the loss is measured
MEASUREMENTS = 20  # of a training by rounds
SHORT = 64 * BATCH
RECIPE = ModelSpec(
    "benchmarks.training_methods:mlp",
    COLUMNS,
    optimizer={"class_name": "Adam", "config": {"learning_rate": 1e-3}},
    batch_size=BATCH,
)


def mlp() -> Any:
    """A network of the size of one for fraud: 20, 256, 128, 1."""
    import keras

    given = keras.Input((len(FEATURES),))
    x = keras.layers.Dense(256, "relu")(given)
    x = keras.layers.Dense(128, "relu")(x)
    return keras.Model(given, keras.layers.Dense(1, "sigmoid")(x))


def plain_fit(folder: str, threads: int, epochs: int) -> Prepared:
    """Keras' `fit` from arrays in memory, with so many threads."""
    configured(threads)
    (x, y), (held_x, held_y) = arrays(Path(folder))
    warm = compiled_model(RECIPE)
    warm.fit(x[: 2 * BATCH], y[: 2 * BATCH], batch_size=BATCH, verbose=0)
    found: dict[str, NDArray[Any]] = {}

    def work() -> None:
        if found:
            return
        model = compiled_model(RECIPE)
        seconds, losses = [], []
        edges = np.linspace(0, len(x), PARTS_PER_EPOCH + 1).astype(int) // BATCH * BATCH
        edges[-1] = len(x)
        for part in range(epochs * PARTS_PER_EPOCH):
            rows = slice(edges[part % PARTS_PER_EPOCH], edges[part % PARTS_PER_EPOCH + 1])
            begun = time.perf_counter()
            model.fit(x[rows], y[rows], batch_size=BATCH, verbose=0)
            seconds.append(time.perf_counter() - begun)
            losses.append(model.evaluate(held_x, held_y, batch_size=8192, verbose=0))
        found.update(
            seconds=np.array(seconds),
            training_seconds=np.array(seconds),
            rows=np.tile(np.diff(edges), epochs),
            losses=np.array(losses),
            average_precision=average_precision(model, held_x, held_y),
            seconds_around=np.array(0.0),
        )

    return Prepared(work, lambda: found)


def by_rounds(folder: str, shards: int, steps: int, epochs: int, rounds: int | None) -> Prepared:
    """Ours, from the Delta table, with a commit for each round; workers have begun before."""
    spark = session("6g")
    rows = table(spark, Path(folder))
    lake = Lake(spark, str(Path("lake").resolve()), all_contracts(HOME / "schemas"))
    where = CheckpointLocation(lake, date(2026, 3, 10))
    run = partial(train, where=where, key=["id"], data_version="1", held_out="held_out")
    few = rows.where(f"id < {SHORT} OR id % 100 = 0")
    run(RECIPE, TrainingPlan(shards=2, local_steps=8, rounds=4), few)
    total = rounds or _rounds(folder, shards, steps, epochs)
    every = max(1, total // MEASUREMENTS)
    plan = TrainingPlan(
        shards=shards, local_steps=steps, rounds=rounds, epochs=epochs, evaluate_every=every
    )
    found: dict[str, NDArray[Any]] = {}

    def work() -> None:
        if found:
            return
        begun = time.perf_counter()
        done = run(RECIPE, plan, rows)
        found.update(_of_training(done, folder, time.perf_counter() - begun))

    return Prepared(work, lambda: found)


def _rounds(folder: str, shards: int, steps: int, epochs: int) -> int:
    (x, _), _ = arrays(Path(folder))
    return max(1, epochs * len(x) // (shards * BATCH * steps))


def _of_training(done: Trained, folder: str, wall: float) -> dict[str, NDArray[Any]]:
    history: tuple[Progress, ...] = done.history
    _, held_out = arrays(Path(folder))
    # A round measures the weights that it begins with: those after the round before.
    after = [*[p.validation_loss for p in history[1:]], done.validation_loss]
    seconds = np.array([p.seconds for p in history])
    return {
        "seconds": seconds,
        "training_seconds": np.array([p.training_seconds for p in history]),
        "rows": np.array([p.rows for p in history]),
        "losses": np.array([np.nan if loss is None else loss for loss in after]),
        "average_precision": average_precision(done.model(), *held_out),
        "seconds_around": np.array(wall - seconds.sum()),
    }


def average_precision(
    model: Any, x: NDArray[np.float32], label: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Of a model on rows."""
    from sklearn.metrics import average_precision_score

    predicted = model.predict(x, batch_size=8192, verbose=0)
    return np.array(average_precision_score(label[:, 0], predicted[:, 0]))
