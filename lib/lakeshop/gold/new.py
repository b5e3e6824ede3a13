"""What each user may try: the list `new` of gold.recommendations.

The Spark shell round `scoring`: the model of the catalogue's head is made on the driver (one
row per product, some hundred weights each) and broadcast; users are scored in tasks.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.frames import ONE, top_per
from lakeshop.gold.scoring import NOTHING_SPEAKS, ItemModel, Picks, item_model, new_picks
from lakeshop.settings import NewTerms, Recommendations

USERS_AT_ONCE = 256  # x products x 8 bytes x a few matrices: 40 MB for 5,000 products
_PICKS = "user_id STRING, rank INT, place INT, log_odds DOUBLE, because INT"


def new_list(
    pairs: DataFrame,
    products: DataFrame,
    users: DataFrame,
    weights: DataFrame,
    settings: Recommendations,
) -> DataFrame:
    """The products each user never bought and is most likely to buy, best first.

    Args:
        pairs: user_id and product_id of all that was ever bought.
        products: rows of features.products that may be recommended.
        users: rows of features.users.
        weights: the rows of one measure of similarity.neighbours.
        settings: terms and length of the list.
    """
    catalogue, model = _model(products, weights, settings.new)
    shared = pairs.sparkSession.sparkContext.broadcast(model)
    terms, k = settings.new, settings.list_length

    def score(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for start in range(0, len(batch), USERS_AT_ONCE):
                some = batch.iloc[start : start + USERS_AT_ONCE]
                activity = terms.activity * np.log1p(some["recent_purchases"].to_numpy() / ONE)
                picks = new_picks(shared.value, some["places"].to_list(), activity, k)
                yield _frame(some["user_id"].to_numpy(), picks)

    places = (
        pairs.join(F.broadcast(catalogue), on="product_id", how="inner")
        .groupBy("user_id")
        .agg(F.collect_list("place").alias("places"))
    )
    empty = F.array().cast("array<int>")
    histories = (
        users.select("user_id", "recent_purchases")
        .join(places, on="user_id", how="left")
        .withColumn("places", F.coalesce("places", empty))
    )
    return _named(histories.mapInPandas(score, _PICKS), catalogue)


def _model(products: DataFrame, weights: DataFrame, terms: NewTerms) -> tuple[DataFrame, ItemModel]:
    """The products the weights speak for, numbered in the order of their ids, and the model."""
    ids = weights.select("product_id").union(weights.select("neighbour_id")).distinct()
    on_sale = products.select("product_id", popularity_log_odds(terms).alias("popularity"))
    rows = ids.join(on_sale, on="product_id", how="left").orderBy("product_id").toPandas()
    popularity = rows["popularity"].to_numpy(dtype=np.float64, na_value=-np.inf)
    numbered = pd.DataFrame({"product_id": rows["product_id"], "place": range(len(rows))})
    catalogue = weights.sparkSession.createDataFrame(numbered, "product_id STRING, place INT")
    others = catalogue.select(
        F.col("product_id").alias("neighbour_id"), F.col("place").alias("other")
    )
    cells = (
        weights.join(F.broadcast(catalogue), on="product_id", how="inner")
        .join(F.broadcast(others), on="neighbour_id", how="inner")
        .select("place", "other", "similarity")
        .toPandas()
    )
    pairs = (
        cells["place"].to_numpy(np.int64),
        cells["other"].to_numpy(np.int64),
        cells["similarity"].to_numpy(np.float64),
    )
    return catalogue, item_model(pairs, popularity, terms.similarity)


def _frame(user_ids: "np.ndarray[tuple[int], np.dtype[np.object_]]", picks: Picks) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": user_ids[picks.user],
            "rank": picks.rank,
            "place": picks.product,
            "log_odds": picks.log_odds,
            "because": picks.because,
        }
    )


def _named(picks: DataFrame, catalogue: DataFrame) -> DataFrame:
    causes = catalogue.select(
        F.col("place").alias("because"), F.col("product_id").alias("because_product_id")
    )
    spoke = F.col("because_product_id").isNotNull()
    return (
        picks.join(F.broadcast(catalogue), on="place", how="inner")
        .join(F.broadcast(causes), on="because", how="left")
        .select(
            "user_id",
            F.lit("new").alias("list"),
            "rank",
            "product_id",
            "log_odds",
            F.when(spoke, F.lit("bought_with")).otherwise(F.lit("popular")).alias("reason_code"),
            F.lit(None).cast("string").alias("reason"),
            "because_product_id",
            F.lit("user_linear").alias("source"),
            F.lit(False).alias("is_fallback"),
        )
    )


def popular_list(
    products: DataFrame, catalogue: DataFrame, users: DataFrame, settings: Recommendations
) -> DataFrame:
    """The stated fallback: the same popular products for every one of `users`.

    Where fewer are on sale than the list is long, as on a first night, the catalogue fills it.
    """
    nothing_speaks = settings.new.similarity * F.log(F.lit(NOTHING_SPEAKS))
    popular = products.select(
        "product_id",
        F.lit("popular").alias("reason_code"),
        (popularity_log_odds(settings.new) + nothing_speaks).alias("log_odds"),
    )
    unsold = catalogue.join(products, on="product_id", how="left_anti").select(
        "product_id",
        F.lit("in_the_range").alias("reason_code"),
        (F.lit(settings.new.constant) + nothing_speaks).alias("log_odds"),
    )
    best = [F.desc("reason_code"), F.desc("log_odds"), F.asc("product_id")]
    ranked = top_per(
        popular.union(unsold).withColumn("list", F.lit("new")), ["list"], best, settings.list_length
    )
    return ranked.crossJoin(users).select(
        "user_id",
        "list",
        "rank",
        "product_id",
        "log_odds",
        "reason_code",
        F.lit(None).cast("string").alias("reason"),
        F.lit(None).cast("string").alias("because_product_id"),
        F.lit("popularity").alias("source"),
        F.lit(True).alias("is_fallback"),
    )


def popularity_log_odds(terms: NewTerms) -> Column:
    """The part of a product's log-odds that is the same for all users."""
    trend = (F.col("purchase_days_3") + 1) / (F.col("purchase_days_84") / 28 + 1)
    return (
        F.lit(terms.constant)
        + terms.popularity * F.log1p("purchase_days_28")
        + terms.trend * F.log(trend)
        + terms.mailer * F.log1p("mailer_stores")
    )
