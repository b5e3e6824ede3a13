"""The interactions of a shape as a Delta table below build/bench/data, made once.

Columns as in the lake: `history` (64 hexadecimal digits), `product_id`, `weight`, `age`; and
for peers that take numbers, `user` and `item`. Rows lie in no order, as a shuffle leaves them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.child import Prepared
from benchmarks.harness import BENCH, Method, measure
from benchmarks.sessions import session
from benchmarks.shapes import Floats, Integers, Shape, chunk_of, draws_per_user

ROWS_PER_FILE = 1_500_000
SCRAMBLE, IDS = 2_654_435_761, 2**32  # odd, so that each item gets an id of its own
SAMPLED_ITEMS = 300
COLUMNS = ("user", "item", "weight")
MATRIX = "matrix.npz"

Matrix = tuple[Integers, NDArray[np.int32], Integers]
"""CSR arrays: indptr, items, weights."""


def table_of(shape: Shape) -> Path:
    """The table of a shape; made where it does not exist.

    Its `figures.json` holds interactions, users, items, and `pairs`, the sum of the squared
    lengths of histories: what any exact method has to add up.
    """
    name = f"{shape.interactions}_{shape.users}_{shape.items}_{shape.seed}"
    path = BENCH / "data" / name
    if not (path / "figures.json").exists():
        arguments = {"shape": asdict(shape), "path": str(path)}
        made = Method(f"the data {name}", "benchmarks.data:making", arguments)
        measure(made, BENCH / "data" / f"making_{name}")
    return path


def figures(path: Path) -> dict[str, int]:
    """Interactions, users, items and pairs of a table."""
    return dict(json.loads((path / "figures.json").read_text()))


def making(shape: dict[str, int], path: str) -> Prepared:
    """Write the table of a shape, then its figures."""

    def work() -> None:
        if not (Path(path) / "figures.json").exists():
            write(session("4g"), Shape(**shape), Path(path))

    return Prepared(work)


def write(spark: SparkSession, shape: Shape, path: Path) -> None:
    """Write the table of a shape, then its figures."""
    n_files = max(4, shape.interactions // ROWS_PER_FILE)
    rows = drawn(spark, shape).repartition(n_files, "user", "item")
    with_ids = rows.select(
        F.sha2(F.col("user").cast("string"), 256).alias("history"),
        F.pmod(F.col("item").cast("bigint") * SCRAMBLE, F.lit(IDS))
        .cast("string")
        .alias("product_id"),
        "weight",
        "age",
        "user",
        "item",
    )
    with_ids.write.format("delta").mode("overwrite").save(str(path))
    stored = spark.read.format("delta").load(str(path))
    lengths = stored.groupBy("user").agg(F.count("*").alias("length"))
    found = lengths.agg(
        F.sum("length").alias("interactions"),
        F.count("*").alias("users"),
        F.sum(F.col("length") * F.col("length")).alias("pairs"),
    ).collect()[0]
    items = stored.select("item").distinct().count()
    (path / "figures.json").write_text(json.dumps(found.asDict() | {"items": items}))


def drawn(spark: SparkSession, shape: Shape) -> DataFrame:
    """user, item, weight, age, drawn in Spark's tasks."""
    draws = draws_per_user(shape)

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for chunk in batch["id"].to_pylist():
                rows = chunk_of(shape, chunk, draws)
                columns = [rows.user, rows.item, rows.weight, rows.age]
                names = ["user", "item", "weight", "age"]
                yield pa.RecordBatch.from_arrays([pa.array(c) for c in columns], names)

    chunks = spark.range(0, shape.chunks, 1, numPartitions=shape.chunks)
    return chunks.mapInArrow(draw, "user INT, item INT, weight BIGINT, age INT")


def make_matrix(path: Path) -> None:
    """Keep the table as CSR arrays beside it, where that is not done yet.

    In a process of its own: what reading takes is then no part of any method's memory.
    """
    if not (path / MATRIX).exists():
        made = Method(f"the matrix of {path.name}", "benchmarks.data:packing", {"path": str(path)})
        measure(made, BENCH / "data" / f"packing_{path.name}")


def packing(path: str) -> Prepared:
    """Write the matrix of a table."""

    def work() -> None:
        indptr, items, weights = histories_in(Path(path))
        with (Path(path) / MATRIX).open("wb") as file:
            np.savez(file, indptr=indptr, items=items, weights=weights)

    return Prepared(work)


def matrix_of(path: Path) -> Matrix:
    """What `make_matrix` kept."""
    with np.load(path / MATRIX) as kept:
        return kept["indptr"], kept["items"], kept["weights"]


def histories_in(path: Path) -> Matrix:
    """The table by user, items rising."""
    table = pq.ParquetDataset(files_of(path)).read(columns=list(COLUMNS))
    user, item, weight = (table[name].to_numpy() for name in COLUMNS)
    order = np.argsort(user.astype(np.int64) * (int(item.max()) + 1) + item)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user))])
    return indptr, item[order], weight[order]


def files_of(path: Path) -> list[str]:
    """The Parquet files of the table."""
    from deltalake import DeltaTable

    return DeltaTable(str(path)).file_uris()


def product_ids(items: NDArray[np.integer]) -> list[str]:
    """The ids of items, as in the table."""
    return [str(int(item) * SCRAMBLE % IDS) for item in items]


def sample_of(n_items: int) -> Integers:
    """The items whose neighbours are compared, from the most to the least popular."""
    return np.unique(np.linspace(0, n_items - 1, SAMPLED_ITEMS).astype(np.int64))


def answer_of(found: pd.DataFrame, n_items: int) -> dict[str, Integers | Floats]:
    """Neighbours by number, from rows of product_id, neighbour_id and similarity."""
    items = pd.Series(np.arange(n_items), index=product_ids(np.arange(n_items)))
    return {
        "item": items.loc[found["product_id"]].to_numpy(),
        "neighbour": items.loc[found["neighbour_id"]].to_numpy(),
        "similarity": found["similarity"].to_numpy(),
    }
