"""The histories of five entities, each in one pass over a frame of integers.

Ids are 64-bit hashes: two of a million entities collide with a chance of 3e-8. A pass brings an
entity's rows together and computes its features. They are appended to those of earlier passes, as
float64 in one binary column. Bytes move faster than columns, and rows of history carry none.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.features.order_lines import is_purchase, is_refund, is_reversal
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
from lakeshop.fraud.features import FEATURES, RAW
from lakeshop.fraud.terms import ORDER, Prior
from lakeshop.ml.arrays import Bools, Floats

EARLY_LABEL_DAYS = 30  # a label older than its line by more is ignored

# By entity, in their order: the histories whose features its pass computes.
PASSES: Mapping[str, tuple[str, ...]] = {
    name: (name, ORDER) if name == "user" else (name,)
    for name in FEATURES.histories
    if name != ORDER
}
ALL_NAMES = FEATURES.names(*FEATURES.histories)
IDS = {
    "user": ("user_id",),
    "store": ("store_id",),
    "product": ("product_id",),
    "payment": ("payment_id",),
    "device": ("device_id",),
    ORDER: ("order_id", "user_id", BUSINESS_DATE),
}
ALWAYS_READ = {"key", "user", "time", "delivered", "flags", "known", "until"}
PACKED = "features"
CHUNK = 2**16  # rows of a batch, some 20 MB of features
_IS_PURCHASE = "quantity >= 0 AND amount >= 0"


def payments(lines: DataFrame) -> DataFrame:
    """Order lines without reversals, and without those of nothing, such as cancelled ones."""
    is_nothing = ~is_purchase() & ~is_refund() & (F.col("amount") == 0)
    return lines.where(~is_reversal() & ~is_nothing)


def with_reversed_on(lines: DataFrame) -> DataFrame:
    """Add `reversed_on`: the day on which a line was taken back; NULL where it counts still."""
    reversals = lines.where(is_reversal()).select(
        F.col("corrects").alias("transaction_id"), F.col(BUSINESS_DATE).alias("reversed_on")
    )
    return lines.join(reversals, on="transaction_id", how="left")


def per_line(transactions: DataFrame, first: date) -> DataFrame:
    """One row of integers per line; lines delivered before `first` are no targets.

    A line with `reversed_on` is no history from that day on.
    """
    flags = (
        _bit(IS_TARGET, F.col(BUSINESS_DATE) >= F.lit(first))
        + _bit(IS_HISTORY, F.expr(_IS_PURCHASE))
        + _bit(HAS_COUPON, F.col("coupon_id").isNotNull())
    )
    none = F.lit(None).cast("bigint")
    until = F.unix_date("reversed_on") if "reversed_on" in transactions.columns else none
    return _numbers(transactions, flags, known=none, until=until)


def per_fraud(transactions: DataFrame, labels: DataFrame, delay_days: int) -> DataFrame:
    """One row of integers per interval in which a line was known to be fraud.

    An interval begins with the first label of fraud, at least `delay_days` after the line. It ends
    with the label that revokes it. Frauds are few and are broadcast.
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
        .where(F.col("corrects").isNull())  # the line as it first came stands for all of it
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
    ids = {
        name: F.when(F.col(columns[0]).isNotNull(), F.xxhash64(*columns))
        for name, columns in IDS.items()
    }
    numbers = {
        "key": F.xxhash64("transaction_id"),
        **ids,
        "time": F.unix_micros("occurred_at"),
        "delivered": F.unix_date(BUSINESS_DATE),
        "flags": flags,
        **{name: F.expr(sql) for name, sql in RAW.items()},
        "known": known,
        "until": until,
    }
    return transactions.select(*[c.cast("bigint").alias(name) for name, c in numbers.items()])


def with_histories(rows: DataFrame, prior: Prior) -> DataFrame:
    """The key of each target row, and the features of all entities: one pass per entity.

    Rows without the entity are spread by another id.
    """
    *_, last = PASSES
    for entity in PASSES:
        together = F.coalesce(entity, ORDER if entity == "user" else "key")
        carried = carried_after(entity, rows.columns)
        schema = ", ".join([*(f"`{name}` BIGINT" for name in carried), f"{PACKED} BINARY"])
        if entity == last:
            schema = ", ".join(["key BIGINT", *(f"{name} DOUBLE" for name in ALL_NAMES)])
        add = partial(add_features, entity, prior, () if entity == last else carried)
        rows = rows.repartition(together).mapInArrow(add, schema)
    return rows


def carried_after(entity: str, columns: Sequence[str]) -> list[str]:
    """Those of the columns that the passes after an entity's need."""
    passes = list(PASSES)
    later = [history for name in passes[passes.index(entity) + 1 :] for history in PASSES[name]]
    needed = ALWAYS_READ.union(*map(FEATURES.columns_read, later))
    return [name for name in columns if name in needed]


def add_features(
    entity: str, prior: Prior, carried: Sequence[str], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """One task's pass: all rows of its entities, with more features at the targets.

    Args:
        entity: a key of `PASSES`.
        prior: of the risks.
        carried: columns that later passes read; none in the last pass.
        batches: rows, in any order.

    Yields:
        The rows with their features packed; in the last pass, the features of the targets.
    """
    received = [batch for batch in batches if batch.num_rows]
    if not received:
        return
    table = pa.Table.from_batches(received).combine_chunks()
    numbers = [name for name in table.column_names if name != PACKED]
    rows = {name: table[name].fill_null(NULL).to_numpy() for name in numbers}
    is_target = is_flagged(rows, IS_TARGET)
    ranked = with_ranks(rows)
    found = [column for name in PASSES[entity] for column in FEATURES.columns(name, ranked, prior)]
    features = np.stack(found, axis=1)
    if PACKED in table.column_names:
        before = ALL_NAMES.index(FEATURES.names(entity)[0])
        found_before = unpacked(table[PACKED], int(is_target.sum()), before)
        features = np.hstack([found_before, features])
    if carried:
        table = table.select(carried).append_column(PACKED, packed(features, is_target))
    else:
        columns = [pa.array(column, mask=np.isnan(column)) for column in features.T]
        table = pa.table([table["key"].filter(pa.array(is_target)), *columns], ["key", *ALL_NAMES])
    yield from table.to_batches(max_chunksize=CHUNK)


def packed(features: Floats, is_target: Bools) -> pa.ChunkedArray:
    """float64[n_targets, n_features] as bytes of each target row, NULL for other rows."""
    row_bytes, ends = features.shape[1] * 8, np.cumsum(is_target)
    chunks, done = [], 0
    for start in range(0, is_target.size, CHUNK):
        part = is_target[start : start + CHUNK]
        offsets = np.append(0, np.cumsum(part)) * row_bytes
        end = int(ends[start + part.size - 1])
        buffers = [
            pa.py_buffer(np.packbits(part, bitorder="little")),
            pa.py_buffer(offsets.astype(np.int32)),
            pa.py_buffer(features[done:end].tobytes()),
        ]
        chunks.append(pa.Array.from_buffers(pa.binary(), part.size, buffers))
        done = end
    return pa.chunked_array(chunks, pa.binary())


def unpacked(features: pa.ChunkedArray, n_targets: int, n_features: int) -> Floats:
    """Inverse of `packed`: float64[n_targets, n_features]."""
    parts = [np.empty(0, np.uint8)]
    for chunk in features.chunks:
        offsets = np.frombuffer(chunk.buffers()[1], np.int32)
        held = offsets[chunk.offset], offsets[chunk.offset + len(chunk)]
        parts.append(np.frombuffer(chunk.buffers()[2] or b"", np.uint8)[slice(*held)])
    return np.concatenate(parts).view(np.float64).reshape(n_targets, n_features)
