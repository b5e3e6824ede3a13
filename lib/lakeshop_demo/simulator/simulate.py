"""The shell round the units: Spark does them in parallel, in two passes with stock between.

Only products x days reach the driver (the hour from which each is sold out) and the numbers of
rows; users and events never do. A unit that is done twice writes the same files.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakeshop_demo.drops import put
from lakeshop_demo.simulator.arguments import Arguments
from lakeshop_demo.simulator.catalogue import write_products
from lakeshop_demo.simulator.events import demand_of, write_events
from lakeshop_demo.simulator.files import Folders, calendar, parquet
from lakeshop_demo.simulator.purchases import HOURS
from lakeshop_demo.simulator.units import shards_of, units_of
from lakeshop_demo.simulator.world import WORLD

_DEMAND = "product BIGINT, hour BIGINT, units BIGINT"
_DONE = "entity STRING, rows BIGINT, first BIGINT, sold_until BINARY"
Batches = Iterable[pd.DataFrame]


def simulate(
    spark: SparkSession,
    arguments: Arguments,
    folders: Folders,
    *,
    tasks: int | None = None,
) -> dict[str, int]:
    """Write the drops and the truth of a simulation; return the rows delivered, by entity.

    Args:
        spark: the session.
        arguments: of the simulation.
        folders: of the drops and of the truth, claimed for it.
        tasks: number of tasks for the units, by default four per core.
    """
    put(folders.truth / "days" / "days.parquet", parquet(calendar(arguments)))
    tasks = tasks or 4 * spark.sparkContext.defaultParallelism
    units = spark.range(0, len(units_of(arguments)), 1, tasks)

    def products(rows: pd.DataFrame) -> pd.DataFrame:
        return _products(arguments, folders, rows)

    wanted = units.mapInPandas(partial(_demands, arguments), _DEMAND)
    summed = _with_all_shards(spark, wanted, arguments)
    stock = summed.groupBy("shard").applyInPandas(products, _DONE).toPandas()
    sold_until = np.empty((arguments.products, arguments.days), dtype=np.int8)
    for first, content in zip(stock["first"], stock["sold_until"], strict=True):
        if content is not None:
            part = np.frombuffer(content, dtype=np.int8).reshape(-1, arguments.days)
            sold_until[first : first + len(part)] = part
    shared = spark.sparkContext.broadcast(sold_until)

    def events(batches: Batches) -> Iterator[pd.DataFrame]:
        return _events(arguments, folders, shared.value, batches)

    done = units.mapInPandas(events, _DONE).toPandas()
    rows: Counter[str] = Counter()
    for table in (stock, done):
        for entity, number_of_rows in zip(table["entity"], table["rows"], strict=True):
            rows[entity] += int(number_of_rows)
    return dict(sorted(rows.items()))


def _demands(arguments: Arguments, batches: Batches) -> Iterator[pd.DataFrame]:
    units = units_of(arguments)
    for batch in batches:
        for number in batch["id"]:
            product, hour, wanted = demand_of(arguments, units[number])
            yield pd.DataFrame({"product": product, "hour": hour, "units": wanted})


def _with_all_shards(spark: SparkSession, wanted: DataFrame, arguments: Arguments) -> DataFrame:
    """Demand summed over all users, with its shard; also of shards without demand."""
    shard = F.floor(F.col("product") / WORLD.products_at_once)
    nothing = spark.range(len(shards_of(arguments))).select(
        (F.col("id") * WORLD.products_at_once).alias("product"),
        F.lit(0).cast("bigint").alias("hour"),
        F.lit(0).cast("bigint").alias("units"),
    )
    summed = wanted.groupBy("product", "hour").agg(F.sum("units").alias("units"))
    return summed.unionByName(nothing).withColumn("shard", shard)


def _products(arguments: Arguments, folders: Folders, rows: pd.DataFrame) -> pd.DataFrame:
    shard = shards_of(arguments)[int(rows["shard"].iloc[0])]
    first, last = shard.products
    wanted = np.zeros((last - first, arguments.days * HOURS), dtype=np.int64)
    place = (rows["product"].to_numpy() - first, rows["hour"].to_numpy())
    np.add.at(wanted, place, rows["units"].to_numpy())
    held, delivered = write_products(arguments, shard, folders, wanted)
    return _done(delivered, first, held.sold_until)


def _events(
    arguments: Arguments, folders: Folders, sold_until: NDArray[np.int8], batches: Batches
) -> Iterator[pd.DataFrame]:
    units = units_of(arguments)
    for batch in batches:
        for number in batch["id"]:
            yield _done(write_events(arguments, units[number], folders, sold_until))


def _done(
    delivered: dict[str, int], first: int = 0, sold_until: NDArray[np.int8] | None = None
) -> pd.DataFrame:
    """One row per entity; the first one carries `sold_until`, where it is known."""
    content = None if sold_until is None else sold_until.tobytes()
    return pd.DataFrame(
        {
            "entity": list(delivered),
            "rows": list(delivered.values()),
            "first": first,
            "sold_until": [content, *[None] * (len(delivered) - 1)],
        }
    )
