"""similarity.neighbours: top-k neighbours of each product, by three measures.

Cosines of what the same users bought and of what lay in the same baskets, by the compiled
kernel; and the weights of a linear model for the products bought most.

The Spark shell round the kernel. Histories travel as arrays to each block of target products
that they touch, so that a task computes its block alone: no self-join of pairs, nothing
collected that grows with users or interactions (what the driver holds is one row per product:
its norm, its work and its block). Memory of a task: the histories of its block, 16 bytes an
entry, and one accumulator of the catalogue's size.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.builder import Night, Tables
from lakeshop.settings import Similarity
from lakeshop.similarity.blocks import balanced_blocks
from lakeshop.similarity.histories import Histories, Ids, Integers, as_histories
from lakeshop.similarity.interactions import basket_interactions, capped, user_interactions
from lakeshop.similarity.kernel import top_neighbours
from lakeshop.similarity.linear import linear_neighbours

Keep = Callable[[DataFrame], DataFrame]
USER_COSINE, BASKET_COSINE, USER_LINEAR = "user_cosine", "basket_cosine", "user_linear"
PAIRS = T.StructType(
    [
        T.StructField("item", T.IntegerType()),
        T.StructField("neighbour", T.IntegerType()),
        T.StructField("rank", T.IntegerType()),
        T.StructField("similarity", T.DoubleType()),
        T.StructField("support", T.LongType()),
    ]
)


def neighbours(tables: Tables, night: Night) -> DataFrame:
    """One row per measure, product and rank: its most similar products."""
    options, age = night.settings.similarity, night.settings.similarity.half_life_days
    by_users = user_interactions(tables["features.user_products"], age)
    by_users = night.keep(capped(by_users, options.max_history))
    by_baskets = basket_interactions(tables["silver.transactions"], night.day, age)
    by_baskets = night.keep(capped(by_baskets, options.max_history))
    most_bought = head(tables["features.products"], options.linear_products)
    bought = by_users.join(F.broadcast(most_bought), on="product_id", how="left_semi")
    per_measure = {
        USER_COSINE: neighbours_of(by_users, options, night.keep),
        BASKET_COSINE: neighbours_of(by_baskets, options, night.keep),
        USER_LINEAR: linear_neighbours_of(bought, options, night.keep),
    }
    return reduce(
        DataFrame.unionByName,
        (pairs.withColumn("measure", F.lit(measure)) for measure, pairs in per_measure.items()),
    )


def head(products: DataFrame, n: int) -> DataFrame:
    """The `n` products bought most in the last 84 days, then in the whole look-back."""
    order = [F.desc("purchase_days_84"), F.desc("purchase_days"), F.asc("product_id")]
    return products.orderBy(*order).limit(n).select("product_id")


def neighbours_of(
    interactions: DataFrame, options: Similarity, keep: Keep = DataFrame.persist
) -> DataFrame:
    """product_id, neighbour_id, rank, similarity, support of histories' products.

    Args:
        interactions: history, product_id, weight; each product once in a history.
        options: neighbours, shrinkage, min_support and blocks.
        keep: caches a frame that is used several times.
    """
    catalogue = keep(numbered(interactions))
    items = catalogue.orderBy("item").select("norm", "work").toPandas()
    norms = items["norm"].to_numpy(np.int64)
    block_of = balanced_blocks(items["work"].to_numpy(np.int64), options.blocks)
    blocks = _touched_blocks(interactions, catalogue, block_of)
    pairs = blocks.repartition(options.blocks, "block").mapInPandas(
        _kernel(norms, block_of, options), PAIRS
    )
    return _named(pairs, catalogue)


def numbered(interactions: DataFrame) -> DataFrame:
    """product_id, item, norm, work: products numbered from 0, those in most histories first.

    `norm` is the sum of squared weights; `work` the summed length of the product's histories,
    which is what the kernel does for it. One task numbers the catalogue.
    """
    lengths = interactions.groupBy("history").agg(F.count("*").alias("length"))
    per_product = (
        interactions.join(lengths, on="history", how="inner")
        .groupBy("product_id")
        .agg(
            F.sum(F.col("weight") * F.col("weight")).alias("norm"),
            F.sum("length").alias("work"),
            F.count("*").alias("histories"),
        )
    )
    place = F.expr("row_number() OVER (ORDER BY histories DESC, product_id) - 1")
    return per_product.select("product_id", place.alias("item"), "norm", "work")


def _touched_blocks(interactions: DataFrame, catalogue: DataFrame, block_of: Ids) -> DataFrame:
    """block, items, weights: each history in full, once per block that it touches."""
    spark = interactions.sparkSession
    places = pd.DataFrame({"item": np.arange(block_of.size, dtype=np.int32), "block": block_of})
    blocks = spark.createDataFrame(places, "item INT, block INT")
    entries = catalogue.select("product_id", "item").join(blocks, on="item", how="inner")
    return (
        interactions.join(F.broadcast(entries), on="product_id", how="inner")
        .groupBy("history")
        .agg(
            F.collect_list(F.struct("item", "weight")).alias("e"), F.collect_set("block").alias("b")
        )
        .select(F.explode("b").alias("block"), F.col("e.item").alias("items"), F.col("e.weight"))
        .withColumnRenamed("weight", "weights")
    )


def _kernel(
    norms: Integers, block_of: Ids, options: Similarity
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """The task: gather the histories of each block in the partition, then compute it."""

    def compute(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        by_block: dict[int, list[pd.DataFrame]] = {}
        for batch in batches:
            for block, rows in batch.groupby("block"):
                by_block.setdefault(int(str(block)), []).append(rows)
        for block in sorted(by_block):
            rows = pd.concat(by_block.pop(block))
            found = top_neighbours(
                gathered(rows["items"].to_list(), rows["weights"].to_list(), norms.size),
                norms,
                np.flatnonzero(block_of == block).astype(np.int32),
                k=options.neighbours,
                shrinkage=options.shrinkage,
                min_support=options.min_support,
            )
            yield pd.DataFrame({name: getattr(found, name) for name in PAIRS.names})

    return compute


def linear_neighbours_of(
    interactions: DataFrame, options: Similarity, keep: Keep = DataFrame.persist
) -> DataFrame:
    """product_id, neighbour_id, rank, similarity, support by the linear model, in one task."""
    catalogue = keep(numbered(interactions))
    n_items = catalogue.count()
    histories = (
        interactions.join(F.broadcast(catalogue), on="product_id", how="inner")
        .groupBy("history")
        .agg(F.collect_list("item").alias("items"))
        .select("items")
    )
    pairs = histories.repartition(1).mapInPandas(_linear(n_items, options), PAIRS)
    return _named(pairs, catalogue)


def _linear(
    n_items: int, options: Similarity
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def compute(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        items = [row for batch in batches for row in batch["items"]]
        if items:
            found = linear_neighbours(
                gathered(items, [np.ones(len(row), np.int64) for row in items], n_items),
                n_items,
                ridge=options.linear_ridge,
                k=options.linear_neighbours,
            )
            yield pd.DataFrame({name: getattr(found, name) for name in PAIRS.names})

    return compute


def gathered(items: list[Ids], weights: list[Integers], n_items: int) -> Histories:
    """Histories from one array of items and one of weights per history."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in items])])
    return as_histories(
        offsets, np.concatenate(items), np.concatenate(weights).astype(np.int64), n_items=n_items
    )


def _named(pairs: DataFrame, catalogue: DataFrame) -> DataFrame:
    """Pairs by product id instead of number."""
    names = catalogue.select("item", "product_id")
    others = names.select(
        F.col("item").alias("neighbour"), F.col("product_id").alias("neighbour_id")
    )
    return (
        pairs.join(F.broadcast(names), on="item", how="inner")
        .join(F.broadcast(others), on="neighbour", how="inner")
        .select("product_id", "neighbour_id", "rank", "similarity", "support")
    )
