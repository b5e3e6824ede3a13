"""The histories of five entities, each in one pass over a frame of numbers.

Ids are 64-bit hashes, so that a row is 18 integers: two entities of a million have one hash
with a chance of 3e-8. Each pass brings an entity's rows together, and adds the features that it
finds to what the passes before have found, as float64 in one binary column: moving bytes is
cheaper than columns, and rows that are only history carry none.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.features.windows import (
    FOREVER,
    HAS_COUPON,
    IS_FRAUD,
    IS_HISTORY,
    IS_TARGET,
    NULL,
    is_flagged,
    with_ranks,
)
from lakeshop.fraud.columns import Floats, Prior
from lakeshop.fraud.entity_columns import FUNCTIONS, NAMES
from lakeshop.fraud.user_columns import LOG_ONE
from lakeshop.ml.arrays import Bools

EARLY_LABEL_DAYS = 30  # a label older than its line by more is not heeded

# What no pass after this entity's reads.
_DONE_AFTER = {"user": ("order", "cents", "units", "logs"), "product": ("product", "price")}
PACKED = "features"
ALL_NAMES = tuple(name for names in NAMES.values() for name in names)
CHUNK = 2**16  # rows of a batch, some 20 MB of features
_IS_PURCHASE = "quantity >= 0 AND amount >= 0"


def per_line(transactions: DataFrame, first: date) -> DataFrame:
    """The numbers of each line that histories need; lines delivered before `first` do not ask."""
    flags = (
        _bit(IS_TARGET, F.col(BUSINESS_DATE) >= F.lit(first))
        + _bit(IS_HISTORY, F.expr(_IS_PURCHASE))
        + _bit(HAS_COUPON, F.col("coupon_id").isNotNull())
    )
    none = F.lit(None).cast("bigint")
    return _numbers(transactions, flags, known=none, until=none)


def per_fraud(transactions: DataFrame, labels: DataFrame, delay_days: int) -> DataFrame:
    """The same numbers of each line for each time that it was known to be fraud.

    From the day of the first label that says so, but no earlier than `delay_days` after the
    line, until the day of the label that takes it back. Frauds are few and are broadcast.
    """
    accused = labels.where("is_fraud").select("transaction_id").distinct()
    versions = labels.join(F.broadcast(accused), on="transaction_id", how="left_semi").select(
        "transaction_id", F.col(BUSINESS_DATE).alias("labelled"), "is_fraud"
    )
    by_label = W.partitionBy("transaction_id").orderBy("labelled")
    known = F.greatest("labelled", F.date_add("event_date", delay_days))
    until = F.coalesce(F.unix_date(F.lead("labelled").over(by_label)), F.lit(FOREVER))
    times = (
        transactions.where(_IS_PURCHASE)
        .join(F.broadcast(versions), on="transaction_id")
        .where(F.col("labelled") >= F.date_sub(BUSINESS_DATE, EARLY_LABEL_DAYS))
        .withColumn("was_fraud", F.coalesce(F.lag("is_fraud").over(by_label), F.lit(False)))
        .where(F.col("is_fraud") != F.col("was_fraud"))
        .select("*", F.unix_date(known).alias("known"), until.alias("until"))
        .where("is_fraud AND known < until")
    )
    return _numbers(times, F.lit(IS_FRAUD), known=F.col("known"), until=F.col("until"))


def _bit(bit: int, holds: Column) -> Column:
    return F.when(holds, F.lit(bit)).otherwise(F.lit(0))


def _numbers(transactions: DataFrame, flags: Column, *, known: Column, until: Column) -> DataFrame:
    def hashed(*names: str) -> Column:
        return F.when(F.col(names[0]).isNotNull(), F.xxhash64(*names))

    paid = F.greatest(F.col("amount"), F.lit(0)).cast("double")
    numbers = {
        "key": F.xxhash64("transaction_id"),
        "user": hashed("user_id"),
        "store": hashed("store_id"),
        "product": hashed("product_id"),
        "payment": hashed("payment_id"),
        "device": hashed("device_id"),
        "order": hashed("order_id", "user_id", BUSINESS_DATE),
        "time": F.unix_micros("occurred_at"),
        "delivered": F.unix_date(BUSINESS_DATE),
        "flags": flags,
        "cents": F.col("amount") * 100,
        "units": F.col("quantity") * 1000,
        "price": F.col("unit_price") * 10_000,
        "logs": F.round(F.log1p(paid) * LOG_ONE),
        "known": known,
        "until": until,
    }
    return transactions.select(*[c.cast("bigint").alias(name) for name, c in numbers.items()])


def with_histories(rows: DataFrame, prior: Prior) -> DataFrame:
    """The key of each row that asks, and the features of all entities: one pass per entity.

    Rows without the entity are spread by what they have instead.
    """
    carried, last = rows.columns, list(FUNCTIONS)[-1]
    for entity in FUNCTIONS:
        together = F.coalesce(entity, "order" if entity == "user" else "key")
        carried = [name for name in carried if name not in (*_DONE_AFTER.get(entity, ()), PACKED)]
        schema = ", ".join([*(f"`{name}` BIGINT" for name in carried), f"{PACKED} BINARY"])
        if entity == last:
            schema = ", ".join(["key BIGINT", *(f"{name} DOUBLE" for name in ALL_NAMES)])
        add = partial(add_features, entity, prior, () if entity == last else carried)
        rows = rows.repartition(together).mapInArrow(add, schema)
    return rows


def add_features(
    entity: str, prior: Prior, carried: Sequence[str], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """One task's pass: all rows of its entities, with more features where they ask.

    Args:
        entity: see `entity_columns.FUNCTIONS`.
        prior: of the risks.
        carried: columns that later passes read; none in the last pass.
        batches: rows, in any order.

    Yields:
        The rows with their features packed; in the last pass, the features of those that ask.
    """
    received = [batch for batch in batches if batch.num_rows]
    if not received:
        return
    table = pa.Table.from_batches(received).combine_chunks()
    numbers = [name for name in table.column_names if name != PACKED]
    rows = {name: table[name].fill_null(NULL).to_numpy() for name in numbers}
    asks = is_flagged(rows, IS_TARGET)
    found = FUNCTIONS[entity](with_ranks(rows), prior)
    features = np.stack([found[name][asks] for name in NAMES[entity]], axis=1)
    if PACKED in table.column_names:
        before = ALL_NAMES.index(NAMES[entity][0])
        found_before = unpacked(table[PACKED], int(asks.sum()), before)
        features = np.hstack([found_before, features])
    if carried:
        table = table.select(carried).append_column(PACKED, packed(features, asks))
    else:
        columns = [pa.array(column, mask=np.isnan(column)) for column in features.T]
        table = pa.table([table["key"].filter(pa.array(asks)), *columns], ["key", *ALL_NAMES])
    yield from table.to_batches(max_chunksize=CHUNK)


def packed(features: Floats, asks: Bools) -> pa.ChunkedArray:
    """float64[n_asking, n_features] as bytes of each row that asks, NULL for others."""
    row_bytes, ends = features.shape[1] * 8, np.cumsum(asks)
    chunks, done = [], 0
    for start in range(0, asks.size, CHUNK):
        asking = asks[start : start + CHUNK]
        offsets = np.append(0, np.cumsum(asking)) * row_bytes
        end = int(ends[start + asking.size - 1])
        buffers = [
            pa.py_buffer(np.packbits(asking, bitorder="little")),
            pa.py_buffer(offsets.astype(np.int32)),
            pa.py_buffer(features[done:end].tobytes()),
        ]
        chunks.append(pa.Array.from_buffers(pa.binary(), asking.size, buffers))
        done = end
    return pa.chunked_array(chunks, pa.binary())


def unpacked(features: pa.ChunkedArray, n_asking: int, n_features: int) -> Floats:
    """What was packed, float64[n_asking, n_features]."""
    parts = [np.empty(0, np.uint8)]
    for chunk in features.chunks:
        offsets = np.frombuffer(chunk.buffers()[1], np.int32)
        held = offsets[chunk.offset], offsets[chunk.offset + len(chunk)]
        parts.append(np.frombuffer(chunk.buffers()[2] or b"", np.uint8)[slice(*held)])
    return np.concatenate(parts).view(np.float64).reshape(n_asking, n_features)
