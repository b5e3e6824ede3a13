"""Ours: the kernel alone, from numbers to numbers, and the whole job, from Delta to Delta."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from benchmarks.child import Prepared
from benchmarks.data import Matrix, matrix_of, sample_of
from benchmarks.from_delta import from_delta
from benchmarks.harness import HOME
from benchmarks.sessions import session
from lakeshop.pipeline import read_settings
from lakeshop.similarity.histories import InteractionMatrix, packed_entries
from lakeshop.similarity.kernel import Neighbours, statistics_of, top_neighbours
from lakeshop.similarity.neighbours import neighbours_of, packed_histories
from lakeshop.similarity.packing import balanced_blocks

LONGEST = 1_000_000  # products in a history that count: all
WARM_UP = 100  # histories


def kernel(table: str, n_items: int, k: int, threads: int) -> Prepared:
    """The compiled kernel: packing, statistics, blocks and neighbours, by so many threads."""
    matrix = matrix_of(Path(table))
    indptr, items, weights = matrix
    few = slice(0, int(indptr[WARM_UP]))
    _neighbours((indptr[: WARM_UP + 1], items[few], weights[few]), n_items, k, threads)
    found: list[Neighbours] = []

    def work() -> None:
        found[:] = _neighbours(matrix, n_items, k, threads)

    def answer() -> dict[str, NDArray[np.generic]]:
        columns = ("item", "neighbour", "similarity")
        whole = {c: np.concatenate([getattr(part, c) for part in found]) for c in columns}
        sampled = np.isin(whole["item"], sample_of(n_items))
        return {column: values[sampled] for column, values in whole.items()}

    return Prepared(work, answer)


def whole_job(table: str, n_items: int, k: int, memory: str) -> Prepared:
    """The job of a night for one measure."""
    settings = read_settings(HOME / "conf", env="local", shop="complete_journey").similarity
    changes = {"neighbours": k, "shrinkage": 0.0, "min_support": 1, "max_history": LONGEST}
    options = settings.model_copy(update=changes)

    def job(interactions: DataFrame) -> DataFrame:
        columns = interactions.select("history", "product_id", "weight", "age")
        histories = packed_histories(columns, options, DataFrame.persist)
        return neighbours_of(histories, "user", ("cosine",), options)

    return from_delta(job, session(memory), table, n_items)


def _neighbours(matrix: Matrix, n_items: int, k: int, threads: int) -> list[Neighbours]:
    """Neighbours of all items, a block of them in each thread: the kernel needs no lock."""
    indptr, items, weights = matrix
    histories = InteractionMatrix(indptr, packed_entries(items, weights, n_items))
    statistics = statistics_of(histories, n_items)
    block_of = balanced_blocks(statistics.works, threads)

    def compute(block: int) -> Neighbours:
        targets = np.flatnonzero(block_of == block)
        return top_neighbours(histories, statistics, targets, measures=("cosine",), k=k)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(compute, range(threads)))
