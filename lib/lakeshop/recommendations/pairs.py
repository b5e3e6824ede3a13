"""Users' purchases and actions as one row each, and the tables of a night as it knew them.

The Spark shell round candidates and features: rows of users go to tasks, the shelf is broadcast.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import age_in_days, sorted_frame
from lakeshop.recommendations.histories import ACTION_COLUMNS, PAIR_COLUMNS, USER_COLUMNS
from lakeshop.recommendations.offered import offered
from lakeshop.recommendations.settings import RecommendationSettings
from lakeshop.recommendations.shelf import PRODUCT_COLUMNS, Shelf, shelf_of

USERS_AT_ONCE = 256  # some 100,000 candidates of 50 features, and sums over 5,000 targets: 100 MB


@dataclass(frozen=True)
class Known:
    """What a night knew: rows of features.user_products, users, products and neighbours."""

    day: date
    habits: DataFrame
    users: DataFrame
    products: DataFrame
    neighbours: DataFrame


def user_rows(known: Known, tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user who bought or looked at anything: arrays of both, and user features.

    Args:
        known: of the night.
        tables: features.user_product_days, of which views and carts until the night count.
        context: settings.
    """
    bought = known.habits.groupBy("user_id").agg(_list("bought", PAIR_COLUMNS))
    acted = acted_on(known, tables, context)
    both = bought.join(
        acted.groupBy("user_id").agg(_list("acted", ACTION_COLUMNS)), on="user_id", how="full"
    )
    users = known.users.select("user_id", *USER_COLUMNS, "preferred_departments")
    return both.join(users, on="user_id", how="left")


def acted_on(known: Known, tables: Tables, context: BuildContext) -> DataFrame:
    """As `actions` until the night; none where the shop delivers no actions of products."""
    options = context.settings.section(RecommendationSettings)
    days = tables["features.user_product_days"]
    if not context.settings.shop.delivers_views:
        days = days.where("false")
    return actions(days, known.day, options.candidates.action_days)


def actions(days: DataFrame, day: date, look_back: int) -> DataFrame:
    """user_id, product_id, views, carts and days since the last of them."""
    age = age_in_days(day)
    is_recent = age.between(0, look_back - 1) & (F.col("business_date") <= F.lit(day))
    sums = [F.sum(name).cast("bigint").alias(name) for name in ("views", "carts")]
    return (
        days.where(is_recent & ((F.col("views") > 0) | (F.col("carts") > 0)))
        .groupBy("user_id", "product_id")
        .agg(*sums, F.min(age).cast("bigint").alias("days_since_action"))
    )


def _list(name: str, columns: tuple[str, ...]) -> Column:
    values = [F.col(column).cast("bigint").alias(column) for column in columns]
    return F.collect_list(F.struct("product_id", *values)).alias(name)


def shelf_rows(known: Known, tables: Tables, context: BuildContext) -> pd.DataFrame:
    """Collect the products of a night, by id: they grow with the catalogue alone.

    Returns:
        features.products with name, department, category and brand, and `is_offered`.
    """
    options = context.settings.section(RecommendationSettings)
    names = ("product_id", "name", "department", "category", "brand")
    is_sold = F.col("days_since_purchase") < options.active_days
    night = BuildContext(known.day, context.settings)
    products = known.products.select("product_id", *PRODUCT_COLUMNS)
    on_sale = offered(products.where(is_sold), tables, night)
    rows = (
        products.withColumn("price", F.col("price").cast("double"))
        .join(tables["silver.products"].select(*names), on="product_id", how="left")
        .join(
            on_sale.select("product_id", F.lit(True).alias("is_offered")),
            on="product_id",
            how="left",
        )
    )
    found = sorted_frame(rows, ["product_id"])
    return found.assign(is_offered=found["is_offered"].notna())


def shelf(rows: pd.DataFrame, known: Known, context: BuildContext) -> Shelf:
    """Return the shelf of a night, with its neighbours.

    Args:
        rows: as from `shelf_rows`.
        known: of the night.
        context: settings.
    """
    options = context.settings.section(RecommendationSettings)
    pairs = known.neighbours.select("measure", "product_id", "neighbour_id", "similarity")
    offered_ids = rows.loc[rows["is_offered"], "product_id"].tolist()
    return shelf_of(
        rows, offered_ids, pairs.toArrow(), options.candidates.targets, options.new_measure
    )


def in_slices(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of at most `USERS_AT_ONCE` users."""
    for batch in batches:
        for start in range(0, batch.num_rows, USERS_AT_ONCE):
            yield batch.slice(start, USERS_AT_ONCE)
