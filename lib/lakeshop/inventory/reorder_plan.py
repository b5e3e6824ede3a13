"""gold.reorder_plan: how much of each product to order today, and why.

One row per series of gold.inventory_forecasts. Its days become demand over lead time and review
(`lakeshop.inventory`), its newest count becomes the position. Where forecasts are of all stores
together, so is stock. A shop without stock, or a product not counted for long, gets levels and
no order.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.demand.settings import DemandSettings
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.inventory.demand import Demand
from lakeshop.inventory.plan import ReorderPlan, ServiceTarget, Stock, plan
from lakeshop.inventory.replenishment import FRESH_DAYS, SERIES_KEY, known, stock_of, terms_of
from lakeshop.inventory.sentences import Counted, sentences
from lakeshop.inventory.settings import InventorySettings

DIGITS = 6  # of probabilities and means: more would not be the same on another processor

COLUMNS = (
    "product_id",
    "store_id",
    "on_hand",
    "on_order",
    "lead_time_days",
    "review_days",
    "service_level",
    "mean_demand",
    "safety_stock",
    "reorder_point",
    "order_up_to",
    "order_quantity",
    "stockout_probability",
    "stockout_probability_without_order",
    "expected_shortage",
    "days_of_cover",
    "pack_size",
    "shelf_life_days",
    "reason",
)


def reorder_plan(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per series that is forecast."""
    level = context.settings.section(DemandSettings).level
    held = stock_of(tables["silver.stock"], context.day, level)
    schema = context.task_schema(*COLUMNS)
    return (
        per_series(tables["gold.inventory_forecasts"])
        .join(held, on=list(SERIES_KEY), how="left")
        .mapInPandas(_method(context.settings.section(InventorySettings)), schema)
    )


def per_series(forecasts: DataFrame) -> DataFrame:
    """One row per series with its days' means and variances in order."""
    days = F.array_sort(F.collect_list(F.struct("horizon", "mean", "variance")))
    return (
        forecasts.groupBy(*SERIES_KEY)
        .agg(days.alias("days"), F.max("level_variance").alias("level_variance"))
        .select(
            *SERIES_KEY,
            F.col("days.mean").alias("means"),
            F.col("days.variance").alias("variances"),
            "level_variance",
        )
    )


def demand_of(rows: pd.DataFrame) -> Demand:
    """The forecasts of a batch."""
    mean, variance = (
        np.stack(rows[name].to_list()).astype(np.float64) for name in ("means", "variances")
    )
    return Demand.of(mean, variance, known(rows, "level_variance", 0.0))


def planned(rows: pd.DataFrame, options: InventorySettings) -> pd.DataFrame:
    """The plan of a batch of series, all columns."""
    stock = terms_of(rows, options)
    target = ServiceTarget(
        options.service_level, options.shortage_cost, options.holding_cost_per_day
    )
    found = plan(demand_of(rows), stock, target)
    ages = known(rows, "age", np.nan)
    counted = [Counted(age, age > FRESH_DAYS) for age in ages.tolist()]
    made = _columns(found, stock)
    made.insert(0, "product_id", rows["product_id"].to_numpy())
    made.insert(1, "store_id", rows["store_id"].to_numpy())
    return made.assign(reason=sentences(found, stock, target, counted))


def _columns(found: ReorderPlan, stock: Stock) -> pd.DataFrame:
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


def _method(
    options: InventorySettings,
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """The task: the plans of a batch of series."""

    def compute(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            if len(batch):
                yield planned(batch, options)

    return compute
