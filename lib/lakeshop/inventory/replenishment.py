"""Replenishment parameters of products from silver.stock: stock and order terms."""

from datetime import date

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.transforms import age_in_days, top_per
from lakeshop.inventory.plan import Stock
from lakeshop.inventory.settings import InventorySettings
from lakeshop.ml.arrays import Floats

SERIES_KEY = ("product_id", "store_id")
ALL_STORES = "*"
FRESH_DAYS = 28  # a count older than this is no longer ordered by


def stock_of(counts: DataFrame, day: date, level: str) -> DataFrame:
    """The newest count of each product: at level product in all stores together, else by store.

    Of several stores the longest lead time, the largest pack and the shortest life hold. Of
    counts that are too old only the terms are used; `age` is that of the oldest one used.
    """
    known = counts.where(F.col("event_date") <= F.lit(day))
    newest = top_per(known, SERIES_KEY, [F.desc("event_date")], 1).withColumn(
        "age", age_in_days(day)
    )
    place = F.lit(ALL_STORES) if level == "product" else F.col("store_id")
    is_fresh = F.col("age") <= FRESH_DAYS
    units = [
        F.sum(F.when(is_fresh, F.col(name))).cast("double").alias(name)
        for name in ("on_hand", "on_order")
    ]
    longest = [
        F.max(name).cast("double").alias(name)
        for name in ("lead_time_days", "lead_time_deviation_days", "pack_size")
    ]
    return (
        newest.withColumn("store_id", place)
        .groupBy(*SERIES_KEY)
        .agg(
            *units,
            *longest,
            F.min("shelf_life_days").cast("double").alias("shelf_life_days"),
            F.coalesce(F.max(F.when(is_fresh, F.col("age"))), F.min("age"))
            .cast("double")
            .alias("age"),
        )
    )


def terms_of(rows: pd.DataFrame, options: InventorySettings) -> Stock:
    """Stock and terms of a batch; options replace missing values of the shop."""
    return Stock(
        on_hand=known(rows, "on_hand", np.nan),
        on_order=known(rows, "on_order", np.nan),
        lead_time=known(rows, "lead_time_days", options.lead_time_days),
        deviation=known(rows, "lead_time_deviation_days", options.lead_time_deviation_days),
        review=np.full(len(rows), options.review_days, np.int64),
        pack=known(rows, "pack_size", options.pack_size).astype(np.int64),
        shelf_life=known(rows, "shelf_life_days", options.shelf_life_days or 0).astype(np.int64),
    )


def known(rows: pd.DataFrame, name: str, otherwise: float) -> Floats:
    """A column as numbers, with another one where there is none."""
    values: Floats = rows[name].fillna(otherwise).to_numpy(dtype=np.float64)
    return values
