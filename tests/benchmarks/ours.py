"""Ours: the kernel alone, from numbers to numbers, and the whole job, from Delta to Delta."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame

from benchmarks.child import Prepared
from benchmarks.data import histories_in, sample_of
from benchmarks.from_delta import from_delta
from benchmarks.harness import HOME
from benchmarks.sessions import session
from lakeshop.settings import read_settings
from lakeshop.similarity.blocks import balanced_blocks, pair_work
from lakeshop.similarity.histories import Histories, self_products
from lakeshop.similarity.interactions import in_histories
from lakeshop.similarity.kernel import Neighbours, top_neighbours
from lakeshop.similarity.neighbours import neighbours_of

LONGEST = 1_000_000  # products in a history that count: all


def kernel(table: str, n_items: int, k: int, threads: int) -> Prepared:
    """The compiled kernel: norms, blocks and neighbours, by so many threads."""
    histories = Histories(*histories_in(Path(table)))
    few = Histories(histories.indptr[:101], *_first(histories, histories.indptr[100]))
    _neighbours(few, n_items, k, threads)
    found: list[Neighbours] = []

    def work() -> None:
        found[:] = _neighbours(histories, n_items, k, threads)

    def answer() -> dict[str, object]:
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
        histories = in_histories(interactions, options.max_history).persist()
        return neighbours_of(histories, options)

    return from_delta(job, session(memory), table, n_items)


def _neighbours(histories: Histories, n_items: int, k: int, threads: int) -> list[Neighbours]:
    norms = self_products(histories, n_items)
    if threads == 1:
        blocks = [np.arange(n_items)]
    else:
        block_of = balanced_blocks(pair_work(histories, n_items), threads)
        blocks = [np.flatnonzero(block_of == block) for block in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(top_neighbours, histories, norms, block, k=k, shrinkage=0.0, min_support=1)
            for block in blocks
        ]
        return [job.result() for job in jobs]


def _first(histories: Histories, n: int) -> tuple[np.ndarray, np.ndarray]:
    return histories.items[:n], histories.weights[:n]
