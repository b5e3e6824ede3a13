"""gold.reorder_plan: how much of each product to order today, and why.

One row per series of gold.inventory_forecasts. Its days become demand over lead time and review
(`lakeshop.inventory`), its newest count becomes the position. Where forecasts are of all stores
together, so is stock. A shop without stock, or a product not counted for long, gets levels and
no order.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.builder import Night, Tables
from lakeshop.frames import age_in_days, top_per
from lakeshop.inventory.demand import Demand, Floats
from lakeshop.inventory.plan import Aim, Plan, Stock, plan
from lakeshop.inventory.sentences import Counted, sentences
from lakeshop.planning import Reorder

SERIES = ("product_id", "store_id")
ALL_STORES = "*"
FRESH_DAYS = 28  # a count older than this is no longer ordered by
DIGITS = 6  # of probabilities and means: more would not be the same on another processor

COLUMNS = (
    "product_id STRING, store_id STRING, on_hand DOUBLE, on_order DOUBLE, lead_time_days DOUBLE, "
    "review_days INT, service_level DOUBLE, mean_demand DOUBLE, safety_stock DOUBLE, "
    "reorder_point BIGINT, order_up_to BIGINT, order_quantity BIGINT, "
    "stockout_probability DOUBLE, stockout_probability_without_order DOUBLE, "
    "expected_shortage DOUBLE, days_of_cover DOUBLE, pack_size INT, shelf_life_days INT, "
    "reason STRING"
)


def reorder_plan(tables: Tables, night: Night) -> DataFrame:
    """One row per series that is forecast."""
    held = stock_of(tables["silver.stock"], night.day)
    return (
        per_series(tables["gold.inventory_forecasts"])
        .join(held, on=list(SERIES), how="left")
        .mapInPandas(_method(night.settings.reorder), COLUMNS)
    )


def per_series(forecasts: DataFrame) -> DataFrame:
    """One row per series with its days' means and variances in order."""
    days = F.array_sort(F.collect_list(F.struct("horizon", "mean", "variance")))
    return (
        forecasts.groupBy(*SERIES)
        .agg(days.alias("days"), F.max("level_variance").alias("level_variance"))
        .select(
            *SERIES,
            F.col("days.mean").alias("means"),
            F.col("days.variance").alias("variances"),
            "level_variance",
        )
    )


def stock_of(counts: DataFrame, day: date) -> DataFrame:
    """The newest count of each product and store, and of each product in all stores together.

    Of several stores the longest lead time, the largest pack and the shortest life hold. Of
    counts that are too old only the terms are used; `age` is that of the oldest one used.
    """
    known = counts.where(F.col("event_date") <= F.lit(day))
    newest = top_per(known, SERIES, [F.desc("event_date")], 1).withColumn("age", age_in_days(day))
    places = F.explode(F.array_distinct(F.array("store_id", F.lit(ALL_STORES))))
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
        newest.withColumn("place", places)
        .groupBy("product_id", F.col("place").alias("store_id"))
        .agg(
            *units,
            *longest,
            F.min("shelf_life_days").cast("double").alias("shelf_life_days"),
            F.coalesce(F.max(F.when(is_fresh, F.col("age"))), F.min("age"))
            .cast("double")
            .alias("age"),
        )
    )


def demand_of(rows: pd.DataFrame) -> Demand:
    """The forecasts of a batch; a variance below the mean counts as that of a Poisson."""
    mean = np.stack(rows["means"].to_list()).astype(np.float64)
    variance = np.stack(rows["variances"].to_list()).astype(np.float64)
    more = np.maximum(variance - mean, 0.0)
    dispersion = np.where(mean > 0, more / np.where(mean > 0, mean, 1.0) ** 2, 0.0)
    return Demand(mean, dispersion, _known(rows, "level_variance", 0.0))


def terms_of(rows: pd.DataFrame, options: Reorder) -> Stock:
    """Stock and terms of a batch; what the shop does not say of a product the options do."""
    return Stock(
        on_hand=_known(rows, "on_hand", np.nan),
        on_order=_known(rows, "on_order", np.nan),
        lead_time=_known(rows, "lead_time_days", options.lead_time_days),
        deviation=_known(rows, "lead_time_deviation_days", options.lead_time_deviation_days),
        review=np.full(len(rows), options.review_days, np.int64),
        pack=_known(rows, "pack_size", options.pack_size).astype(np.int64),
        shelf_life=_known(rows, "shelf_life_days", options.shelf_life_days or 0).astype(np.int64),
    )


def planned(rows: pd.DataFrame, options: Reorder) -> pd.DataFrame:
    """The plan of a batch of series, all columns."""
    stock = terms_of(rows, options)
    aim = Aim(options.service_level, options.shortage_cost, options.holding_cost_per_day)
    found = plan(demand_of(rows), stock, aim)
    ages = _known(rows, "age", np.nan)
    counted = [Counted(age, age > FRESH_DAYS) for age in ages.tolist()]
    made = _columns(found, stock)
    made.insert(0, "product_id", rows["product_id"].to_numpy())
    made.insert(1, "store_id", rows["store_id"].to_numpy())
    return made.assign(reason=sentences(found, stock, aim, counted))


def _columns(found: Plan, stock: Stock) -> pd.DataFrame:
    life = pd.Series(stock.shelf_life).astype("Int64")
    return pd.DataFrame(
        {
            "on_hand": stock.on_hand,
            "on_order": stock.on_order,
            "lead_time_days": stock.lead_time,
            "review_days": stock.review,
            "service_level": np.round(found.level, DIGITS),
            "mean_demand": np.round(found.mean, DIGITS),
            "safety_stock": np.round(found.safety_stock, DIGITS),
            "reorder_point": found.reorder_point.astype(np.int64),
            "order_up_to": found.order_up_to.astype(np.int64),
            "order_quantity": pd.Series(found.order).round().astype("Int64"),
            "stockout_probability": np.round(found.stockout, DIGITS),
            "stockout_probability_without_order": np.round(found.stockout_without, DIGITS),
            "expected_shortage": np.round(found.expected_shortage, DIGITS),
            "days_of_cover": np.round(found.cover, DIGITS),
            "pack_size": stock.pack,
            "shelf_life_days": life.mask(life <= 0),
        }
    )


def _known(rows: pd.DataFrame, name: str, otherwise: float) -> Floats:
    values: Floats = rows[name].fillna(otherwise).to_numpy(dtype=np.float64)
    return values


def _method(options: Reorder) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """The task: the plans of a batch of series."""

    def compute(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            if len(batch):
                yield planned(batch, options)

    return compute
