"""`fraud_features`: the features of 1.75 million order lines, beside what people do instead.

Ours makes all of features.transactions. The pandas pipeline is the usual one of time-based
rolling windows per user and per store: counts and amounts, and frauds shifted by the label
delay, a quarter of what ours makes. Spark's range windows make the user's counts and amounts
alone, and the store's counts. What they have in common must agree on every line.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from benchmarks import fraud_shop as shop
from benchmarks.child import Answer, Prepared
from benchmarks.harness import BENCH, HOME, Measured, Method, measure
from benchmarks.report import Goal, as_text, compared, judged, row_of, write
from benchmarks.sessions import session
from lakeshop.engine.context import BuildContext
from lakeshop.features.windows import KEPT_DAYS
from lakeshop.fraud.transactions import transactions
from lakeshop.pipeline import read_settings

OURS, NIGHT, PANDAS, SPARK = "lakeshop, all days", "lakeshop, one day", "pandas", "Spark windows"
GOALS = (Goal(OURS, seconds=90), Goal(NIGHT, seconds=10))
WINDOWS = (1, 7, 30)
COMMON = tuple(
    f"{name}_{days}" for name in ("user_count", "user_amount", "store_count") for days in WINDOWS
)
LAST_DAY = shop.FIRST_DAY + timedelta(days=shop.DAYS - 1)
MICROSECONDS = 86_400_000_000


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run the benchmark, or a part of it that is for trying out; what failed, in words."""
    from benchmarks.__main__ import measure_all, say

    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    n_lines = int(shop.LINES * scale)
    data = BENCH / "data" / f"fraud_shop_{n_lines}"
    arguments = {"path": str(data), "n_lines": n_lines}
    if not (data / shop.LABELS_TABLE / "_delta_log").exists():
        making = Method("the shop", "benchmarks.fraud_features:making", arguments)
        measure(making, BENCH / "data" / f"making_{data.name}")
    methods = [
        Method(OURS, "benchmarks.fraud_features:ours", {"path": str(data), "all_days": True}),
        Method(NIGHT, "benchmarks.fraud_features:ours", {"path": str(data), "all_days": False}),
        Method(PANDAS, "benchmarks.fraud_features:in_pandas", {"path": str(data)}, OURS),
        Method(SPARK, "benchmarks.fraud_features:in_spark", {"path": str(data)}, OURS),
    ]
    methods = [method for method in methods if chosen in method.name]
    measured, faults = measure_all(methods, BENCH / "runs" / label)
    faults += differences(measured)
    rows = [row_of(label, m, n_lines, measured[m.name]) for m in methods if m.name in measured]
    rows = compared(rows, {m.name: m.beside for m in methods if m.beside in measured})
    goals = judged(GOALS, rows) if scale == 1 else []
    say("\n".join(["", f"{label}: {n_lines:,} lines", as_text(rows), *goals, ""]))
    part = "_part" if chosen else ""
    size = {"lines": n_lines}
    write(BENCH / f"{label}{part}.json", rows, data=size, goals=goals, faults=faults, load=load)
    return faults


def differences(measured: Mapping[str, Measured]) -> list[str]:
    """Which methods found other values than ours, line by line."""
    ours, faults = measured.get(OURS), []
    for name in (NIGHT, PANDAS, SPARK):
        if ours is None or ours.answer is None or name not in measured:
            continue
        right, found = ours.answer, measured[name].answer or {}
        places = np.searchsorted(right["line"], found["line"])
        faults.extend(
            f"{name} should find the same {column} as {OURS}."
            for column in COMMON
            if not np.allclose(right[column][places], found[column], rtol=1e-9, atol=1e-6)
        )
    return faults


def making(path: str, n_lines: int) -> Prepared:
    """Write the shop's tables."""
    return Prepared(lambda: shop.write(session("4g"), Path(path), n_lines))


def ours(path: str, *, all_days: bool) -> Prepared:
    """features.transactions from Delta tables to a committed Delta table."""
    spark = session("4g")
    settings = read_settings(HOME / "conf", env="local", shop="simulated")
    first = shop.FIRST_DAY if all_days else LAST_DAY
    night = BuildContext(LAST_DAY, settings, first)
    shop.write(spark, Path("tiny"), 3_000)

    def work(source: str = path) -> None:
        tables = {
            table: known(spark, f"{source}/{table}", first)
            for table in (shop.LINES_TABLE, shop.LABELS_TABLE)
        }
        rows = transactions(tables, night)
        rows.write.format("delta").mode("overwrite").save("features")

    work("tiny")
    return Prepared(work, lambda: answer_of(spark.read.format("delta").load("features")))


def known(spark: SparkSession, table: str, first: date) -> DataFrame:
    """The rows of the table within the look-back of its first day."""
    rows = spark.read.format("delta").load(table)
    return rows.where(F.col("business_date") >= first - timedelta(days=KEPT_DAYS))


def answer_of(features: DataFrame) -> Answer:
    """The columns that all methods have, in the order of lines."""
    line = F.col("transaction_id").cast("bigint").alias("line")
    found = features.select(line, *COMMON).toPandas().sort_values("line")
    return {name: found[name].to_numpy() for name in found}


def in_spark(path: str) -> Prepared:
    """Sliding range windows, as Spark's own functions have them."""
    spark = session("4g")

    def work() -> None:
        lines = spark.read.format("delta").load(f"{path}/{shop.LINES_TABLE}")
        micros = lines.withColumn("time", F.unix_micros("occurred_at"))

        def before(entity: str, days: int) -> W:
            by_time = W.partitionBy(entity).orderBy("time")
            return by_time.rangeBetween(-days * MICROSECONDS, -1)

        columns = {}
        for days in WINDOWS:
            of_user, of_store = before("user_id", days), before("store_id", days)
            paid = F.coalesce(F.sum("amount").over(of_user), F.lit(0)).cast("double")
            columns[f"user_count_{days}"] = F.count("*").over(of_user)
            columns[f"user_amount_{days}"] = paid
            columns[f"store_count_{days}"] = F.count("*").over(of_store)
        rows = micros.withColumns(columns).select("transaction_id", *COMMON)
        rows.write.format("delta").mode("overwrite").save("features")

    return Prepared(work, lambda: answer_of(spark.read.format("delta").load("features")))


def in_pandas(path: str) -> Prepared:
    """Rolling windows per group, in memory."""
    lines = pd.read_parquet(Path(path) / "drawn.parquet")
    at = pd.to_datetime(lines["time"], unit="us", origin=pd.Timestamp(shop.FIRST_DAY))
    lines = lines.assign(at=at, amount=lines["cents"] / 100)
    found: dict[str, pd.DataFrame] = {}

    def work() -> None:
        users = pd.concat([_of_user(rows) for _, rows in lines.groupby("user")])
        stores = pd.concat([_of_store(rows) for _, rows in lines.groupby("store")])
        found["features"] = users.join(stores).sort_index()

    def answer() -> Answer:
        rows = found["features"]
        return {"line": rows.index.to_numpy()} | {name: rows[name].to_numpy() for name in COMMON}

    return Prepared(work, answer)


def _of_user(rows: pd.DataFrame) -> pd.DataFrame:
    amounts = rows.set_index("at")["amount"]
    columns = {}
    for days in WINDOWS:
        rolling = amounts.rolling(f"{days}D", closed="left")
        columns[f"user_count_{days}"] = np.nan_to_num(rolling.count().to_numpy())
        columns[f"user_amount_{days}"] = np.nan_to_num(rolling.sum().to_numpy())
    return pd.DataFrame(columns, index=rows["line"])


def _of_store(rows: pd.DataFrame) -> pd.DataFrame:
    frauds = rows.set_index("at")["is_fraud"].astype(float)
    columns = {}
    young = frauds.rolling(f"{shop.LABEL_DAYS}D").sum()
    for days in WINDOWS:
        counts = frauds.rolling(f"{days}D", closed="left").count().to_numpy()
        columns[f"store_count_{days}"] = np.nan_to_num(counts)
        known_too = frauds.rolling(f"{shop.LABEL_DAYS + days}D").sum()
        columns[f"store_frauds_{days}"] = (known_too - young).to_numpy()
    return pd.DataFrame(columns, index=rows["line"])
