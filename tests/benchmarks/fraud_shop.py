"""A shop of the Fraud Detection Handbook's size, as silver tables below build/bench/data.

5,000 users, 10,000 stores, 183 days, about 1.92 lines a user and day, every line labelled seven
days later (Le Borgne et al. 2022, chapter 3). No two lines have one time, so that pandas, which
does not see ties as we do, finds the same.
"""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.harness import HOME
from lakeshop.pipeline import all_contracts

USERS, STORES, PRODUCTS, DAYS, LINES = 5_000, 10_000, 2_000, 183, 1_754_155
FIRST_DAY = date(2018, 4, 1)
LABEL_DAYS, FRAUD_RATE = 7, 0.00837
LINES_TABLE, LABELS_TABLE = "silver.transactions", "silver.fraud_labels"


def drawn(n_lines: int, seed: int = 0) -> pd.DataFrame:
    """Lines in the order of time: integer ids, microseconds since the first day, cents."""
    draw = np.random.default_rng(seed)
    users = max(2, USERS * n_lines // LINES)
    activity = draw.uniform(0, 4, users)
    user = draw.choice(users, n_lines, p=activity / activity.sum())
    near = draw.integers(0, STORES, (users, 40))  # stores within a user's reach
    span = DAYS * 86_400_000_000
    time = np.sort(draw.choice(span // 1000, n_lines, replace=False)) * 1000
    usual = draw.uniform(5, 100, users)
    cents = np.maximum(100 * np.abs(draw.normal(usual[user], usual[user] / 2)), 1).astype(np.int64)
    return pd.DataFrame(
        {
            "line": np.arange(n_lines),
            "user": user,
            "store": near[user, draw.integers(0, 40, n_lines)],
            "product": draw.integers(0, PRODUCTS, n_lines),
            "time": time,
            "cents": cents,
            "is_fraud": draw.random(n_lines) < FRAUD_RATE,
        }
    )


def write(spark: SparkSession, path: Path, n_lines: int) -> None:
    """Write both silver tables, in their contracts' types, as Delta tables below a folder."""
    path.mkdir(parents=True, exist_ok=True)
    plain = path / "drawn.parquet"
    drawn(n_lines).to_parquet(plain, index=False)
    lines = spark.read.parquet(str(plain)).repartition(8)
    day = F.date_add(F.lit(FIRST_DAY), F.floor(F.col("time") / 86_400_000_000).cast("int"))
    start = F.unix_micros(F.lit(str(FIRST_DAY)).cast("timestamp"))
    amount = F.col("cents").cast("decimal(20,0)") / 100
    columns = {
        "business_date": day,
        "transaction_id": F.col("line").cast("string"),
        "order_id": F.concat(F.lit("o"), F.col("line")),
        "user_id": F.sha2(F.col("user").cast("string"), 256),
        "product_id": F.concat(F.lit("p"), F.col("product")),
        "store_id": F.concat(F.lit("s"), F.col("store")),
        "quantity": F.lit(1),
        "unit_price": amount,
        "amount": amount,
        "currency": F.lit("EUR"),
        "payment_id": F.sha2(F.concat(F.lit("c"), F.col("user")), 256),
        "device_id": F.sha2(F.concat(F.lit("d"), F.col("user")), 256),
        "occurred_at": F.timestamp_micros(F.col("time") + start),
        "event_date": day,
        "is_known_product": F.lit(True),
        "is_fraud": F.col("is_fraud"),
    }
    rows = lines.select(*[column.alias(name) for name, column in columns.items()])
    labelled = F.date_add("business_date", LABEL_DAYS)
    labels = rows.withColumns({"business_date": labelled, "event_date": labelled})
    for table, of_table in ((LINES_TABLE, rows), (LABELS_TABLE, labels)):
        _typed(table, of_table).write.format("delta").mode("overwrite").save(str(path / table))


def _typed(table: str, rows: DataFrame) -> DataFrame:
    """All columns of the contract, NULL where the rows have none."""
    contract = all_contracts(HOME / "schemas")[table]
    have = set(rows.columns)
    return rows.select(
        *[
            (F.col(c.name) if c.name in have else F.lit(None)).cast(c.type).alias(c.name)
            for c in contract.columns
        ]
    )
