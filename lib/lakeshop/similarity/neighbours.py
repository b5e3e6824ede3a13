"""similarity.neighbours: top-k neighbours of each product, by three measures.

Cosines of what the same users bought and of what lay in the same baskets, by the compiled
kernel; and the weights of a linear model for the products bought most.

The Spark shell round the kernel. Histories are packed into one row each; tasks number their
products, cut them into parts of bytes per block of target products that they touch, and a
task computes its block alone: no self-join of pairs, nothing collected that grows with users
or interactions (what the driver holds is one row per product: its norm, its work and its
block). Memory of a task: the histories of its block, 16 bytes an entry, and one accumulator of
the catalogue's size.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.builder import Night, Tables
from lakeshop.settings import Similarity
from lakeshop.similarity.blocks import balanced_blocks, parts_of
from lakeshop.similarity.catalogue import Catalogue, catalogue_of, histories_in
from lakeshop.similarity.histories import Histories, Ids, joined, offsets_of
from lakeshop.similarity.interactions import (
    basket_interactions,
    in_histories,
    item_statistics,
    user_interactions,
)
from lakeshop.similarity.kernel import Neighbours, top_neighbours
from lakeshop.similarity.linear import linear_neighbours

USER_COSINE, BASKET_COSINE, USER_LINEAR = "user_cosine", "basket_cosine", "user_linear"
PART = "block INT, lengths BINARY, items BINARY, weights BINARY"
PAIR = "product_id STRING, neighbour_id STRING, rank INT, similarity DOUBLE, support BIGINT"

Batches = Iterable[pa.RecordBatch]
Task = Callable[[Batches], Iterator[pa.RecordBatch]]
Kernel = Callable[[int, Histories], Neighbours]


def neighbours(tables: Tables, night: Night) -> DataFrame:
    """One row per measure, product and rank: its most similar products."""
    options, age = night.settings.similarity, night.settings.similarity.half_life_days
    by_users = user_interactions(tables["features.user_products"], age)
    by_baskets = basket_interactions(tables["silver.transactions"], night.day, age)
    of_users = night.keep(in_histories(by_users, options.max_history))
    of_baskets = night.keep(in_histories(by_baskets, options.max_history))
    most_bought = head(tables["features.user_products"], options.linear_products)
    per_measure = {
        USER_COSINE: neighbours_of(of_users, options),
        BASKET_COSINE: neighbours_of(of_baskets, options),
        USER_LINEAR: linear_neighbours_of(of_users, most_bought, options),
    }
    return reduce(
        DataFrame.unionByName,
        (pairs.withColumn("measure", F.lit(measure)) for measure, pairs in per_measure.items()),
    )


def head(habits: DataFrame, n: int) -> list[str]:
    """The `n` products bought most in the last 84 days, then in the whole look-back."""
    lately, ever = F.sum("purchase_days_84"), F.sum("purchase_days")
    bought = habits.groupBy("product_id").agg(lately.alias("lately"), ever.alias("ever"))
    order = [F.desc("lately"), F.desc("ever"), F.asc("product_id")]
    return [row["product_id"] for row in bought.orderBy(*order).limit(n).collect()]


def neighbours_of(histories: DataFrame, options: Similarity) -> DataFrame:
    """product_id, neighbour_id, rank, similarity, support by shrunk cosine.

    Args:
        histories: products and weights of each history, as from `in_histories`.
        options: neighbours, shrinkage, min_support and blocks.
    """
    items = item_statistics(histories).toPandas()
    catalogue, norms, work = catalogue_of(items)
    block_of = balanced_blocks(work, options.blocks)

    def kernel(block: int, histories: Histories) -> Neighbours:
        return top_neighbours(
            histories,
            norms,
            np.flatnonzero(block_of == block).astype(np.int32),
            k=options.neighbours,
            shrinkage=options.shrinkage,
            min_support=options.min_support,
        )

    return _in_blocks(histories, catalogue, block_of, options.blocks, kernel)


def linear_neighbours_of(
    histories: DataFrame, product_ids: list[str], options: Similarity
) -> DataFrame:
    """product_id, neighbour_id, rank, similarity, support by the linear model, in one task.

    Args:
        histories: as from `in_histories`; weights are not used.
        product_ids: the products that are modelled.
        options: those that begin with `linear_`.
    """
    catalogue = Catalogue(pa.array(product_ids, pa.string()))

    def kernel(block: int, histories: Histories) -> Neighbours:
        del block
        return linear_neighbours(
            histories,
            len(product_ids),
            ridge=options.linear_ridge,
            k=options.linear_neighbours,
            least=options.linear_least,
        )

    one_block = np.zeros(len(product_ids), dtype=np.int32)
    return _in_blocks(histories, catalogue, one_block, 1, kernel)


def _in_blocks(
    histories: DataFrame, catalogue: Catalogue, block_of: Ids, n_blocks: int, kernel: Kernel
) -> DataFrame:
    """What the kernel finds in each block of the catalogue, by product id."""
    shared = histories.sparkSession.sparkContext.broadcast(catalogue)
    parts = histories.mapInArrow(_split(shared, block_of), PART)
    return parts.repartition(n_blocks, "block").mapInArrow(_computed(shared, kernel), PAIR)


def _split(catalogue: Broadcast[Catalogue], block_of: Ids) -> Task:
    """The first task: number the products of its histories, and cut them by the blocks."""

    def split(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            numbered = histories_in(batch["entries"], catalogue.value)
            for block, part in parts_of(numbered, block_of):
                yield _part(block, part)

    return split


def _part(block: int, part: Histories) -> pa.RecordBatch:
    lengths = np.diff(part.indptr)
    arrays = (lengths.tobytes(), part.items.tobytes(), part.weights.tobytes())
    columns = [pa.array([block], pa.int32()), *[pa.array([a], pa.binary()) for a in arrays]]
    return pa.RecordBatch.from_arrays(columns, ["block", "lengths", "items", "weights"])


def _histories(row: Mapping[str, bytes]) -> Histories:
    return Histories(
        offsets_of(np.frombuffer(row["lengths"], np.int64)),
        np.frombuffer(row["items"], np.int32),
        np.frombuffer(row["weights"], np.int64),
    )


def _computed(catalogue: Broadcast[Catalogue], kernel: Kernel) -> Task:
    """The second task: gather the parts of each block in the partition, then compute it."""

    def compute(batches: Batches) -> Iterator[pa.RecordBatch]:
        by_block: dict[int, list[Histories]] = {}
        for batch in batches:
            for row in batch.to_pylist():
                by_block.setdefault(row["block"], []).append(_histories(row))
        for block in sorted(by_block):
            found = kernel(block, joined(by_block.pop(block)))
            yield _named(found, catalogue.value)

    return compute


def _named(found: Neighbours, catalogue: Catalogue) -> pa.RecordBatch:
    """Pairs by product id instead of number."""
    columns = {
        "product_id": catalogue.product_ids.take(pa.array(found.item)),
        "neighbour_id": catalogue.product_ids.take(pa.array(found.neighbour)),
        "rank": pa.array(found.rank),
        "similarity": pa.array(found.similarity),
        "support": pa.array(found.support),
    }
    return pa.RecordBatch.from_pydict(columns)
