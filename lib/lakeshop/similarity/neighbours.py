"""similarity.neighbours: top-k neighbours of each product, by several measures.

The compiled kernel gives measures over users (`user_cosine`, ...) and over baskets
(`basket_cosine`, ...). Where the shop delivers views, it gives them over visits too. A linear model
of the products bought most gives `user_linear`.

This is the Spark shell round the kernel, in two stages. First, tasks pack interactions into
histories, 4 bytes an entry. Then each task computes one block of products by reading all histories
from its executor's one memory-mapped copy. There is no self-join of pairs. The driver holds one id
per product, and nothing that grows with users or interactions.

Memory of a worker in the first stage: some 100 bytes for each of the EVENTS_AT_ONCE rows of a part.
In the second stage, beside the shared copy (4 bytes an entry, 8 a history): 14 bytes per entry of
its block, 60 per product and measure, and its result. The linear model's task: see `linear.py`.

The transport of histories was chosen by measurement (10 million interactions, two cores):

- a shuffle to every block that needs them took 20.8 s: nearly all histories went to every block,
  into each worker's own memory
- packing and one copy per executor took 13.1 s

A task with a copy leaves a large input unread. Its worker then ends, and the next one takes 2 s to
start: a small input is read anyway. A broadcast, or a file added to the session, would pass through
the driver.
"""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.config.settings import Similarity
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days
from lakeshop.features.exclusions import without_excluded
from lakeshop.features.user_products import purchase_days
from lakeshop.similarity.catalogue import Catalogue, Items, catalogue_of
from lakeshop.similarity.histories import InteractionMatrix
from lakeshop.similarity.interactions import (
    basket_interactions,
    user_interactions,
    visit_interactions,
)
from lakeshop.similarity.kernel import (
    Neighbours,
    expected_support,
    statistics_of,
    top_neighbours,
)
from lakeshop.similarity.linear import LinearNeighbours, linear_neighbours
from lakeshop.similarity.node_copy import node_copy
from lakeshop.similarity.packing import (
    ROW,
    Cut,
    as_rows,
    balanced_blocks,
    from_rows,
    numbered,
    packed,
)

PAIR = (
    *("measure", "product_id", "neighbour_id"),
    *("rank", "similarity", "support", "expected_support"),
)
EVENTS_AT_ONCE, PAIRS_AT_ONCE = 2**21, 2**17  # some 200 and 10 MB
# A worker that leaves its input unread ends, and the next one takes 2 s to start: inputs that are
# read faster are read.
LATELY_DAYS = 84  # over which the most bought products are counted
READ_ANYWAY = 2**28  # bytes

Batches = Iterable[pa.RecordBatch]
Kernel = Callable[[int, InteractionMatrix, Items], Iterator[pa.RecordBatch]]

_COPIES = itertools.count()


@dataclass(frozen=True)
class Packed:
    """Histories in rows, as from `packing.as_rows`, and the catalogue of their items, sent once.

    `name` names the copies on executors. `size` is the size of all entries in bytes. `cut` counts
    the losses of too long histories.
    """

    rows: DataFrame
    catalogue: Broadcast[Items]
    name: str
    size: int
    cut: Cut


def neighbours(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per measure, product and rank: its most similar products."""
    options, age = context.settings.similarity, context.settings.similarity.half_life_days
    days, lines = (
        without_excluded(
            tables[name], tables["silver.products"], context.settings.shop.exclude_products
        )
        for name in ("features.user_product_days", "silver.transactions")
    )
    interactions = {
        "user": user_interactions(days, context.day, age, options.action_weights),
        "basket": basket_interactions(lines, context.day, age),
    }
    measures = {"user": options.user_measures, "basket": options.basket_measures}
    if options.visit_measures and context.settings.shop.delivers_views:
        interactions["visit"] = visit_interactions(days, context.day, age)
        measures["visit"] = options.visit_measures
    histories = {
        basis: packed_histories(rows, options, context.cache)
        for basis, rows in interactions.items()
    }
    for basis, of_basis in histories.items():
        cut = of_basis.cut
        if cut.histories:
            context.warn(
                f"{cut.histories} {basis} histories had more than {options.max_history} products: "
                f"the {cut.interactions} oldest interactions were left out"
            )
    most_bought = head(purchase_days(days), context.day, options.linear_products)
    pair = context.task_schema(*PAIR)
    return reduce(
        DataFrame.unionByName,
        [
            *[
                neighbours_of(histories[basis], basis, chosen, options, pair)
                for basis, chosen in measures.items()
            ],
            linear_neighbours_of(histories["user"], most_bought, options, pair),
        ],
    )


def head(purchases: DataFrame, day: date, n: int) -> list[str]:
    """Return the `n` products bought most in the last 84 days, then in the whole look-back.

    Args:
        purchases: as from `features.user_products.purchase_days`.
        day: the business date.
        n: how many.
    """
    lately, ever = F.count_if(age_in_days(day) < LATELY_DAYS), F.count("*")
    bought = purchases.groupBy("product_id").agg(lately.alias("lately"), ever.alias("ever"))
    order = [F.desc("lately"), F.desc("ever"), F.asc("product_id")]
    return [row["product_id"] for row in bought.orderBy(*order).limit(n).collect()]


def packed_histories(
    interactions: DataFrame, options: Similarity, cache: Callable[[DataFrame], DataFrame]
) -> Packed:
    """Pack interactions into histories: the input of the second stage.

    Args:
        interactions: history, product_id, weight, age and bought, as from `interactions.py`.
        options: max_history, and blocks: the least number of parts.
        cache: caches the rows while they are in use.
    """
    known = interactions.where(F.col("product_id").isNotNull())
    events = known.groupBy("product_id").agg(F.count("*").alias("events")).toPandas()
    n_events = int(events["events"].sum())
    return packed_by(catalogue_of(events), n_events, interactions, options, cache)


def packed_by(
    catalogue: Items,
    n_events: int,
    interactions: DataFrame,
    options: Similarity,
    cache: Callable[[DataFrame], DataFrame],
) -> Packed:
    """Pack interactions into histories of the items of a catalogue.

    Args:
        catalogue: numbers the items that stand in `product_id`.
        n_events: how many interactions there are.
        interactions: see `packed_histories`.
        options: see `packed_histories`.
        cache: caches the rows while they are in use.
    """
    spark = interactions.sparkSession
    shared, max_history = spark.sparkContext.broadcast(catalogue), options.max_history
    n_items = catalogue.size

    def pack(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from as_rows(*packed(numbered(batches, shared.value), n_items, max_history))

    hashes = (F.xxhash64("history"), F.xxhash64(F.lit(1), "history"))
    hashed = interactions.where(F.col("history").isNotNull()).select(
        hashes[0].alias("hash"),
        hashes[1].alias("other_hash"),
        "product_id",
        "weight",
        "age",
        "bought",
    )
    parts = max(options.blocks, -(-n_events // EVENTS_AT_ONCE))
    rows = hashed.repartition(parts, "hash").mapInArrow(pack, ROW)
    kept = cache(rows)
    # Packs all parts in parallel; later readers read one after the other.
    sums = [F.sum(F.length("entries")), F.sum("cut_histories"), F.sum("cut_interactions")]
    size, *cut = (total or 0 for total in kept.agg(*sums).toArrow().to_pylist()[0].values())
    name = f"{spark.sparkContext.applicationId}-{next(_COPIES)}"
    return Packed(kept.select("lengths", "entries"), shared, name, size, Cut(*cut))


def neighbours_of(
    histories: Packed,
    basis: str,
    measures: tuple[str, ...],
    options: Similarity,
    pair: T.StructType,
) -> DataFrame:
    """Return the most similar products by some measures, named basis_measure.

    Args:
        histories: as from `packed_histories`.
        basis: meaning of a history: user, basket or visit.
        measures: see `kernel.top_neighbours`.
        options: blocks, and parameters of the measures.
        pair: types of `PAIR`.
    """
    names = pa.array([f"{basis}_{measure}" for measure in measures])

    def kernel(
        block: int, histories: InteractionMatrix, catalogue: Items
    ) -> Iterator[pa.RecordBatch]:
        statistics = statistics_of(histories, catalogue.size)
        found = top_neighbours(
            histories,
            statistics,
            np.flatnonzero(balanced_blocks(statistics.works, options.blocks) == block),
            measures=measures,
            k=options.neighbours,
            shrinkage=options.shrinkage,
            asymmetry=options.asymmetry,
            min_support=options.min_support,
        )
        expected = pa.array(expected_support(statistics, found.item, found.neighbour))
        measure = names.take(pa.array(found.measure))
        yield from _named(found, measure, expected, catalogue.product_ids)

    return _in_blocks(histories, options.blocks, kernel, pair)


def linear_neighbours_of(
    histories: Packed, product_ids: list[str], options: Similarity, pair: T.StructType
) -> DataFrame:
    """Return the same by the linear model of some products, in one task.

    Args:
        histories: as from `packed_histories`; weights are not used.
        product_ids: the products that are modelled.
        options: parameters with the prefix `linear_`.
        pair: types of `PAIR`.
    """
    modelled = pa.array(product_ids, pa.string())

    def kernel(
        block: int, histories: InteractionMatrix, catalogue: Items
    ) -> Iterator[pa.RecordBatch]:
        del block
        place_of = Catalogue(modelled).numbers(catalogue.product_ids).astype(np.int32)
        found = linear_neighbours(
            histories,
            place_of,
            ridge=options.linear_ridge,
            k=options.linear_neighbours,
            least=options.linear_least,
        )
        measure = pa.array(["user_linear"]).take(pa.array(np.zeros(found.item.size, np.int32)))
        unknown = pa.nulls(found.item.size, pa.float64())
        yield from _named(found, measure, unknown, modelled)

    return _in_blocks(histories, 1, kernel, pair)


def _in_blocks(histories: Packed, n_blocks: int, kernel: Kernel, pair: T.StructType) -> DataFrame:
    """Run the kernel on each block, by one task per block with access to all histories.

    A Cartesian product streams its left side: a task with a copy on its executor leaves it unread.
    """
    spark = histories.rows.sparkSession
    shared, name = histories.catalogue, histories.name
    n_items = shared.value.size
    is_small = histories.size <= READ_ANYWAY

    def compute(batches: Batches) -> Iterator[pa.RecordBatch]:
        stream = iter(batches)
        for first in itertools.islice(stream, 1):
            parts = from_rows(itertools.chain([first], stream), n_items)
            copy = node_copy(name, parts, n_items)
            if is_small:
                collections.deque(stream, maxlen=0)
            yield from kernel(first["block"][0].as_py(), copy, shared.value)

    blocks = spark.range(0, n_blocks, 1, n_blocks).select(F.col("id").cast("int").alias("block"))
    offered = histories.rows.coalesce(1).hint("shuffle_replicate_nl").crossJoin(blocks)
    return offered.mapInArrow(compute, pair)


def _named(
    found: Neighbours | LinearNeighbours,
    measure: pa.StringArray,
    expected: pa.DoubleArray,
    product_ids: pa.StringArray,
) -> Iterator[pa.RecordBatch]:
    """Pairs by product id instead of number."""
    for start in range(0, found.item.size, PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        columns = (
            measure[some],
            product_ids.take(pa.array(found.item[some])),
            product_ids.take(pa.array(found.neighbour[some])),
            pa.array(found.rank[some]),
            pa.array(found.similarity[some]),
            pa.array(found.support[some]),
            expected[some],
        )
        yield pa.RecordBatch.from_pydict(dict(zip(PAIR, columns, strict=True)))
