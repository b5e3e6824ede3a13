"""Products that each user may try: the list `new` of gold.recommendations.

The Spark shell round `scoring`: the model of the catalogue's head is made on the driver (one row
per product, some hundred weights each) and broadcast; users are scored in tasks.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.transforms import FIXED_POINT_SCALE, top_per
from lakeshop.recommendations.scoring import NOTHING_SPEAKS, ItemModel, TopK, item_model, new_picks
from lakeshop.recommendations.settings import NewTerms, RecommendationSettings
from lakeshop.similarity.catalogue import Catalogue, histories_in

USERS_AT_ONCE = 256  # x products x 8 bytes x a few matrices: 40 MB for 5,000 products
_PICKS = "user_id STRING, rank INT, product_id STRING, log_odds DOUBLE, because_product_id STRING"


def new_list(
    pairs: DataFrame,
    products: DataFrame,
    users: DataFrame,
    weights: DataFrame,
    settings: RecommendationSettings,
) -> DataFrame:
    """The products each user never bought and is most likely to buy, best first.

    Args:
        pairs: user_id, product_id and purchase_days of all that was ever bought.
        products: rows of features.products that may be recommended.
        users: rows of features.users.
        weights: the rows of one measure of similarity.neighbours.
        settings: terms and length of the list.
    """
    shared = pairs.sparkSession.sparkContext.broadcast(_model(products, weights, settings.new))
    terms, k = settings.new, settings.list_length

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue, model = shared.value
        for batch in batches:
            for start in range(0, batch.num_rows, USERS_AT_ONCE):
                some = batch.slice(start, USERS_AT_ONCE)
                activity = terms.activity * np.log1p(
                    some["recent_purchases"].to_numpy() / FIXED_POINT_SCALE
                )
                bought, kept = (
                    np.split(found.items.astype(np.int64), found.indptr[1:-1])
                    for found in (
                        histories_in(some[name], catalogue) for name in ("bought", "kept")
                    )
                )
                picks = new_picks(model, bought, activity, k, speaking=kept)
                yield _named(picks, some["user_id"], catalogue)

    histories = _histories(pairs).join(
        users.select("user_id", "recent_purchases"), on="user_id", how="inner"
    )
    return histories.mapInArrow(score, _PICKS).select(
        "user_id",
        F.lit("new").alias("list"),
        "rank",
        "product_id",
        "log_odds",
        F.when(F.col("because_product_id").isNotNull(), F.lit("bought_with"))
        .otherwise(F.lit("popular"))
        .alias("reason_code"),
        F.lit(None).cast("string").alias("reason"),
        "because_product_id",
        F.lit(settings.new_measure).alias("source"),
        F.lit(False).alias("is_fallback"),
    )


def _histories(pairs: DataFrame) -> DataFrame:
    """The products that each user bought, and those of them that were not brought back.

    What was brought back is not new to the user, but speaks for nothing.
    """
    is_kept = F.col("purchase_days") > 0
    return pairs.groupBy("user_id").agg(
        F.collect_list("product_id").alias("bought"),
        F.collect_list(F.when(is_kept, F.col("product_id"))).alias("kept"),
    )


def _model(products: DataFrame, weights: DataFrame, terms: NewTerms) -> tuple[Catalogue, ItemModel]:
    """The products with weights, numbered in the order of their ids, and the model."""
    cells = weights.select("product_id", "neighbour_id", "similarity").toArrow()
    on_sale = products.select("product_id", popularity_log_odds(terms).alias("popularity"))
    sold = on_sale.toArrow()
    ends = [cells[name].combine_chunks() for name in ("product_id", "neighbour_id")]
    ids = pc.unique(pa.concat_arrays(ends))
    catalogue = Catalogue(ids.take(pc.sort_indices(ids)))
    popularity = np.full(len(ids), -np.inf)
    numbers = catalogue.numbers(sold["product_id"].combine_chunks())
    is_known = numbers >= 0
    popularity[numbers[is_known]] = sold["popularity"].to_numpy()[is_known]
    bought, other = (catalogue.numbers(end) for end in ends)
    pairs = (bought, other, cells["similarity"].to_numpy())
    return catalogue, item_model(pairs, popularity, terms.similarity)


def _named(picks: TopK, user_ids: pa.StringArray, catalogue: Catalogue) -> pa.RecordBatch:
    because = pa.array(picks.because, mask=picks.because < 0)
    columns = {
        "user_id": user_ids.take(pa.array(picks.user)),
        "rank": pa.array(picks.rank, pa.int32()),
        "product_id": catalogue.product_ids.take(pa.array(picks.product)),
        "log_odds": pa.array(picks.log_odds),
        "because_product_id": catalogue.product_ids.take(because),
    }
    return pa.RecordBatch.from_pydict(columns)


def popular_list(
    products: DataFrame, catalogue: DataFrame, users: DataFrame, settings: RecommendationSettings
) -> DataFrame:
    """The fallback: the same popular products for every one of `users`.

    With fewer products on sale than the list is long, as on a first day, the catalogue fills it.
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
