"""What people write in Spark: a self-join of histories, and MLlib's column similarities."""

from pyspark.mllib.common import callMLlibFunc
from pyspark.mllib.linalg import Vectors
from pyspark.mllib.linalg.distributed import RowMatrix
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from benchmarks.child import Prepared
from benchmarks.from_delta import from_delta
from benchmarks.sessions import session

# Spark's own defaults, where local.conf has others for a night of hundreds of small queries.
DEFAULTS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.shuffle.partitions": "200",
    "spark.sql.codegen.aggregate.map.twolevel.enabled": "true",
    "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
}


def self_join(table: str, n_items: int, k: int, memory: str) -> Prepared:
    """Every pair of a history as a row, summed by pair."""
    return from_delta(
        lambda interactions: top_by_self_join(interactions, k),
        session(memory, DEFAULTS),
        table,
        n_items,
    )


def column_similarities(table: str, n_items: int, k: int, memory: str) -> Prepared:
    """MLlib's exact cosines of the columns of a matrix of users by items."""
    return from_delta(
        lambda interactions: top_by_columns(interactions, n_items, k),
        session(memory, DEFAULTS),
        table,
        n_items,
    )


def top_by_self_join(interactions: DataFrame, k: int) -> DataFrame:
    """product_id, neighbour_id, rank, similarity."""
    weighted = interactions.select("history", "product_id", F.col("weight").cast("double"))
    lengths = weighted.groupBy("product_id").agg(
        F.sqrt(F.sum(F.col("weight") * F.col("weight"))).alias("length")
    )
    unit = weighted.join(lengths, "product_id").select(
        "history", "product_id", (F.col("weight") / F.col("length")).alias("weight")
    )
    left, right = unit.alias("l"), unit.alias("r")
    is_pair = (F.col("l.history") == F.col("r.history")) & (
        F.col("l.product_id") < F.col("r.product_id")
    )
    pairs = (
        left.join(right, is_pair, how="inner")
        .groupBy(F.col("l.product_id").alias("product_id"), F.col("r.product_id").alias("other"))
        .agg(F.sum(F.col("l.weight") * F.col("r.weight")).alias("similarity"))
    )
    return _top(pairs.withColumnRenamed("other", "neighbour_id"), k)


def top_by_columns(interactions: DataFrame, n_items: int, k: int) -> DataFrame:
    """product_id, neighbour_id, rank, similarity; users and items are numbered already."""
    histories = interactions.groupBy("user").agg(F.collect_list(F.struct("item", "weight")))
    vectors = histories.rdd.map(lambda row: Vectors.sparse(n_items, sorted(map(tuple, row[1]))))
    similarities = RowMatrix(vectors, numCols=n_items).columnSimilarities()
    # As a frame: the entries as Python objects would take minutes more.
    entries = callMLlibFunc("getMatrixEntries", similarities._java_matrix_wrapper._java_model)
    ids = interactions.select(F.col("item").cast("bigint"), "product_id").distinct()
    first, second = ids.toDF("i", "product_id"), ids.toDF("j", "neighbour_id")
    named = entries.join(F.broadcast(first), "i").join(F.broadcast(second), "j")
    pairs = named.select("product_id", "neighbour_id", F.col("value").alias("similarity"))
    return _top(pairs, k)


def _top(pairs: DataFrame, k: int) -> DataFrame:
    """Both directions of each pair, then the k best of each product."""
    mirrored = pairs.select(
        F.col("neighbour_id").alias("product_id"),
        F.col("product_id").alias("neighbour_id"),
        "similarity",
    )
    best_first = Window.partitionBy("product_id").orderBy(F.desc("similarity"), "neighbour_id")
    ranked = pairs.unionByName(mirrored).withColumn("rank", F.row_number().over(best_first))
    return ranked.where(F.col("rank") <= k)
