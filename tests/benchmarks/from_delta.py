"""Methods from a Delta table to a committed Delta table."""

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from benchmarks.child import Prepared
from benchmarks.data import answer_of, product_ids, sample_of, write
from benchmarks.shapes import Shape

TINY = Shape(interactions=2_000, users=200, items=100)

Job = Callable[[DataFrame], DataFrame]
"""From interactions to product_id, neighbour_id, rank and similarity."""


def from_delta(job: Job, spark: SparkSession, table: str, n_items: int) -> Prepared:
    """A job warmed up on a tiny table; timed from reading the table to the commit.

    Args:
        job: what is measured.
        spark: its session.
        table: where the interactions lie.
        n_items: size of the catalogue, whose items are sampled for the answer.
    """
    tiny, target = Path("tiny"), Path("neighbours")
    write(spark, TINY, tiny)
    _carry_out(job, spark, str(tiny), str(target))

    def answer() -> dict[str, object]:
        found = spark.read.format("delta").load(str(target))
        sampled = found.where(found["product_id"].isin(product_ids(sample_of(n_items))))
        return answer_of(sampled.toPandas(), n_items)

    return Prepared(lambda: _carry_out(job, spark, table, str(target)), answer)


def _carry_out(job: Job, spark: SparkSession, source: str, target: str) -> None:
    interactions = spark.read.format("delta").load(source)
    job(interactions).write.format("delta").mode("overwrite").save(target)
    spark.catalog.clearCache()  # else the next run would find what this one kept
