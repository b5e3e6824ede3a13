"""Labelled rows like those of fraud, as a Delta table and as arrays, made once.

20 features of different shapes, a label of two in a hundred rows that depends on some of them and
on products of others, seeded. The last rows are held out, as those of the last days would be.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from benchmarks.child import Prepared
from benchmarks.harness import BENCH, Method, measure
from benchmarks.sessions import session
from lakeshop.training.specification import FeatureSpec

FEATURES = tuple(f"f{i}" for i in range(20))
COLUMNS = FeatureSpec({"features": FEATURES}, ("label",))
ROWS, HELD_OUT = 5_000_000, 0.04
PART = 500_000
SEED = 20_260_310

Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]


def folder_of(rows: int) -> Path:
    """Where the rows are; made where they are not."""
    folder = BENCH / "data" / f"training_{rows}"
    if not (folder / "done").exists():
        arguments = {"rows": rows, "folder": str(folder)}
        made = Method("labelled rows", "benchmarks.training_data:making", arguments)
        measure(made, BENCH / "data" / f"making_training_{rows}")
    return folder


def making(rows: int, folder: str) -> Prepared:
    """Write them in parts: arrays, and a Delta table."""
    path = Path(folder)

    def work() -> None:
        if (path / "done").exists():
            return
        path.mkdir(parents=True, exist_ok=True)
        spark = session("4g")
        held_out_from = int(rows * (1 - HELD_OUT))
        for number, start in enumerate(range(0, rows, PART)):
            records = records_of(number, min(PART, rows - start))
            np.save(path / f"part_{number:03}.npy", records)
            frame = pd.DataFrame(records, columns=COLUMNS.stored)
            frame.insert(0, "id", np.arange(start, start + len(records)))
            frame["held_out"] = frame["id"] >= held_out_from
            mode = "append" if number else "overwrite"
            spark.createDataFrame(frame).write.format("delta").mode(mode).save(f"{folder}/table")
        (path / "done").touch()

    return Prepared(work)


def records_of(part: int, rows: int) -> NDArray[np.float32]:
    """Features and label float32[rows, 21] of a part, by its number alone."""
    random = np.random.default_rng((SEED, part))
    x = random.normal(size=(rows, len(FEATURES)))
    x[:, 10:15] = np.exp(x[:, 10:15] / 2) - 1  # skewed, like amounts
    x[:, 15:] = x[:, 15:] > 1  # flags
    signal = 1.2 * x[:, 0] + x[:, 1] * x[:, 2] + np.sin(2 * x[:, 3]) + 0.8 * x[:, 10] * x[:, 15]
    chance = 1 / (1 + np.exp(-(1.5 * signal - 7.5)))
    label = random.random(rows) < chance
    return np.column_stack([x, label]).astype(np.float32)


def arrays(folder: Path) -> tuple[Arrays, Arrays]:
    """Features and label to train on, and those held out."""
    records = np.concatenate([np.load(path) for path in sorted(folder.glob("part_*.npy"))])
    split = int(len(records) * (1 - HELD_OUT))
    x, y = np.ascontiguousarray(records[:, :-1]), records[:, -1:].copy()
    return (x[:split], y[:split]), (x[split:], y[split:])


def table(spark: SparkSession, folder: Path) -> DataFrame:
    """The same rows in Spark."""
    return spark.read.format("delta").load(str(folder / "table"))
