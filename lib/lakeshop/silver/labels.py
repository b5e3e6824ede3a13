"""Labels of fraud that meet no line: told of, since else each of their lines counts as genuine."""

import time
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.inputs import input_versions
from lakeshop.engine.run import Run
from lakeshop.storage.run_log import Counts, Entry

LABELS = "fraud_labels"
TABLE, LINES = f"silver.{LABELS}", "silver.transactions"
EXAMPLES = 3


def warn_of_unmet_labels(run: Run, first: date, last: date) -> None:
    """Warn of labels of a range of days that name no line known by their day.

    It reads lines, which no row of the table depends on: the table stays as it is whatever comes
    of them later. Labels are few; of the lines of the look-back only ids are read.
    """
    started = time.monotonic()
    since = first - timedelta(days=run.lake.contract(LINES).look_back_days or 0)
    key = (
        "order_id" if "order_id" in run.settings.shop.entities[LABELS].columns else "transaction_id"
    )
    labels = run.lake.read(TABLE, first, last).where(F.col(key).isNotNull())
    text = unmet(labels, run.lake.read(LINES, since, last), key)
    if text:
        contract, counts = run.lake.contract(TABLE), Counts(0, warnings=(text,))
        made = run.run_id(TABLE, last), run.lake.version(TABLE)
        inputs = input_versions(run.lake, contract)
        run.note(Entry(TABLE, first, last, *made, inputs, 0, counts), started)


def unmet(labels: DataFrame, lines: DataFrame, key: str) -> str | None:
    """Say how many labels name no line that was delivered by their day.

    Args:
        labels: rows of silver.fraud_labels.
        lines: rows of silver.transactions.
        key: the column of both that a label names its lines by.
    """
    known = _named(labels, lines, key)
    found = (
        labels.join(known, on=[key, BUSINESS_DATE], how="left")
        .agg(
            F.count("*").alias("labels"),
            F.count_if(F.col("is_known").isNull()).alias("unmet"),
            F.slice(F.array_sort(F.collect_set(F.expr(f"IF(is_known, NULL, {key})"))), 1, EXAMPLES),
        )
        .collect()[0]
    )
    n_labels, n_unmet, examples = found
    if not n_unmet:
        return None
    what = "order" if key == "order_id" else "order line"
    text = (
        f"{n_unmet} of {n_labels} labels name no known {what}, such as {', '.join(examples)}: they "
        "meet no line, and what they are of counts as genuine"
    )
    if n_unmet == n_labels and key != "order_id":
        are_orders = not _named(
            labels.withColumn("order_id", F.col(key)), lines, "order_id"
        ).isEmpty()
        text += (
            ". They are ids of orders: map" if are_orders else ". Where they are ids of orders, map"
        ) + f" order_id in place of transaction_id under shop.entities.{LABELS}.columns"
    return text


def _named(labels: DataFrame, lines: DataFrame, key: str) -> DataFrame:
    """The key and day of the labels that name a line, with `is_known`."""
    mine = F.broadcast(labels.select(key, BUSINESS_DATE).distinct())
    sold = lines.select(key, F.col(BUSINESS_DATE).alias("_sold_on"))
    named = sold.join(mine, on=key).where(F.col("_sold_on") <= F.col(BUSINESS_DATE))
    return named.select(key, BUSINESS_DATE, F.lit(True).alias("is_known")).distinct()
