"""Scores of a night's recommendations beside the baselines, on the same users.

A night is scored by what its users bought in the days after it. Only users who came count, and
only products that were sold before: nobody can recommend what was never seen. `again` is
scored on products the user had bought before, `new` on the others, `merged` on both.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext
from lakeshop.engine.transforms import top_per
from lakeshop.features.user_products import kept, purchase_days
from lakeshop.ml.ranking import hit_at, ndcg_at, novelty, precision_at, recall_at
from lakeshop.recommendations.discover import new_list
from lakeshop.recommendations.settings import NewTerms, RecommendationSettings

OURS = "lakeshop"
LISTS = ("merged", "again", "new")
PER_USER = ("ndcg", "recall", "precision", "hit_rate", "novelty")
_SCORES = "method STRING, list STRING, user_id STRING, " + ", ".join(
    f"{m} DOUBLE" for m in PER_USER
)
_PLAIN = NewTerms(constant=0, similarity=1, popularity=0, trend=0, mailer=0, activity=0)


@dataclass(frozen=True)
class Scored:
    """Tables of a scored night as it knew them, and the purchases after it.

    `recommendations`, `users`, `products`, `habits` (features.user_products) and `neighbours`
    are that night's rows; `after` are rows of features.user_product_days after it.
    """

    recommendations: DataFrame
    users: DataFrame
    products: DataFrame
    neighbours: DataFrame
    habits: DataFrame
    after: DataFrame


def lists_of(scored: Scored, night: BuildContext) -> DataFrame:
    """method, list, user_id, rank, product_id: ours and the baselines', cut off."""
    k = night.settings.evaluation.cutoff
    return reduce(
        DataFrame.unionByName,
        [
            ours(scored.recommendations, k),
            by_frequency(scored.habits, k),
            by_popularity(scored, "purchase_days", "popularity", k),
            by_popularity(scored, "purchase_days_3", "trending", k),
            *[
                by_neighbours(scored, night, measure)
                for measure in night.settings.similarity.measures_of_users
            ],
        ],
    )


def user_scores(
    lists: DataFrame, truth: DataFrame, products: DataFrame, *, k: int, n_users: int
) -> DataFrame:
    """One row per method, list and user who came: each figure at the cut-off.

    Args:
        lists: as from `lists_of`.
        truth: as from `relevant`.
        products: rows of features.products, for the buyers of each.
        k: cut-off.
        n_users: users who bought anything by the night.
    """
    in_order = F.array_sort(F.collect_list(F.struct("rank", "product_id", "buyers")))
    recommended = (
        lists.join(products.select("product_id", "buyers"), on="product_id", how="left")
        .groupBy("method", "list", "user_id")
        .agg(in_order.alias("r"))
        .select(
            *("method", "list", "user_id"),
            F.col("r.product_id").alias("recommended"),
            F.col("r.buyers").alias("buyers"),
        )
    )
    # A user for whom a method has no list counts with an empty one: silence is not skill.
    expected = lists.select("method", "list").distinct().join(truth, on="list", how="inner")
    key = ["method", "list", "user_id"]
    return expected.join(recommended, on=key, how="left").mapInPandas(_scores(k, n_users), _SCORES)


def relevant(scored: Scored) -> DataFrame:
    """list, user_id, relevant: the products bought after the night, by list."""
    known = scored.habits.select("user_id", "product_id", F.lit(True).alias("known"))
    bought = (
        purchase_days(scored.after)
        .select("user_id", "product_id")
        .distinct()
        .join(scored.products, on="product_id", how="left_semi")
        .join(scored.users, on="user_id", how="left_semi")
        .join(known, on=["user_id", "product_id"], how="left")
    )
    kind = F.when(F.col("known"), F.lit("again")).otherwise(F.lit("new"))
    return (
        bought.withColumn("list", F.explode(F.array(F.lit("merged"), kind)))
        .groupBy("list", "user_id")
        .agg(F.collect_list("product_id").alias("relevant"))
    )


def ours(recommendations: DataFrame, k: int) -> DataFrame:
    """The published lists, and both merged by score."""
    # Of equal scores the order of the lists holds: the shop may have given a product its place.
    best = [F.desc("score"), F.asc("place"), F.asc("product_id")]
    merged = top_per(recommendations.withColumnRenamed("rank", "place"), ["user_id"], best, k)
    merged = merged.drop("place").withColumn("list", F.lit("merged"))
    published = recommendations.where(F.col("rank") <= k)
    return _rows(merged.unionByName(published), OURS)


def by_frequency(habits: DataFrame, k: int) -> DataFrame:
    """Baseline: what the user bought most, older purchases counting less."""
    best = [F.desc("habit"), F.desc("recent"), F.asc("product_id")]
    ranked = top_per(kept(habits), ["user_id"], best, k)
    lists = F.explode(F.array(F.lit("merged"), F.lit("again")))
    return _rows(ranked.withColumn("list", lists), "personal_frequency")


def by_popularity(scored: Scored, count: str, method: str, k: int) -> DataFrame:
    """Baseline: what everybody bought most; as `new`, of what the user never bought."""
    best = [F.desc(count), F.asc("product_id")]
    all_users = scored.users.select("user_id")
    # No user has bought more of the most popular products than that many.
    head = scored.products.orderBy(*best).limit(20 * k)
    popular = top_per(head.withColumn("list", F.lit("merged")), ["list"], best, k)
    merged = popular.crossJoin(all_users)
    owned = scored.habits.select("user_id", "product_id")
    unknown = head.crossJoin(all_users).join(owned, ["user_id", "product_id"], "left_anti")
    new = top_per(unknown, ["user_id"], best, k).withColumn("list", F.lit("new"))
    return _rows(merged.unionByName(new, allowMissingColumns=True), method)


def by_neighbours(scored: Scored, night: BuildContext, measure: str) -> DataFrame:
    """Baseline: what one measure says alone, summed over what the user bought.

    Between the products of the linear model, so that measures compare. Of the cosine this is the
    plain item kNN.
    """
    settings = night.settings.section(RecommendationSettings).model_copy(
        update={"new": _PLAIN, "list_length": night.settings.evaluation.cutoff}
    )
    modelled = scored.neighbours.where("measure = 'user_linear'").select("product_id").distinct()
    others = modelled.withColumnRenamed("product_id", "neighbour_id")
    weights = (
        scored.neighbours.where(F.col("measure") == measure)
        .join(modelled, on="product_id", how="left_semi")
        .join(others, on="neighbour_id", how="left_semi")
    )
    ranked = new_list(scored.habits, scored.products, scored.users, weights, settings)
    return _rows(ranked, "item_knn" if measure == "user_cosine" else measure)


def _rows(lists: DataFrame, method: str) -> DataFrame:
    return lists.select(F.lit(method).alias("method"), "list", "user_id", "rank", "product_id")


def _scores(k: int, n_users: int) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def score(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            rows = [_user_row(row, k, n_users) for row in batch.to_dict("records")]
            yield pd.DataFrame(rows, columns=["method", "list", "user_id", *PER_USER])

    return score


def _user_row(row: Mapping[Hashable, object], k: int, n_users: int) -> tuple[object, ...]:
    products, wanted = _texts(row["recommended"]), set(_texts(row["relevant"]))
    buyers = row["buyers"] if products else ()
    popularity = dict(zip(products, buyers, strict=True))  # type: ignore[call-overload]
    return (
        *(row["method"], row["list"], row["user_id"]),
        ndcg_at(products, wanted, k),
        recall_at(products, wanted, k),
        precision_at(products, wanted, k),
        float(hit_at(products, wanted, k)),
        novelty(products, popularity, users=n_users) if products else None,
    )


def _texts(values: object) -> list[str]:
    return [] if values is None else [str(value) for value in values]  # type: ignore[attr-defined]
