"""ops.metrics: one row per figure, filed under the night that is scored.

A night D scores the night `horizon_days` before it, by what happened in between. Figures of
ours and of the baselines stand side by side; the paired interval over users says whether a
difference in nDCG could be chance. Several nights are also compared as one. Figures of ours are
also of groups of users. Subject `recommendation_models` has the night that a training held out: the
networks beside the prior terms, and what each source of candidates reached.
"""

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import reduce

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.dates import days_between, newest_weekday
from lakeshop.engine.context import BuildContext
from lakeshop.engine.metrics import EvaluationContext, Figure, as_figures
from lakeshop.ml.ranking import coverage, gini, paired_interval
from lakeshop.recommendations.groups import group_figures, user_groups, with_groups
from lakeshop.recommendations.methods import (
    LISTS,
    OURS,
    PER_USER,
    Scored,
    lists_of,
    relevant,
    user_scores,
)
from lakeshop.recommendations.report import report, report_models

SUBJECT, MODEL_SUBJECT = "recommendations", "recommendation_models"
MODELS, RECALL = "models.recommendations", "candidate_recall"
PUBLISHED, DAYS = "gold.recommendations", "features.user_product_days"
USERS = "silver.users"


def evaluate(context: EvaluationContext) -> None:
    """Score each published night whose following days have just ended in the run's range.

    A night whose figures are there, from the same tables, is not scored again.
    """
    of_models(context, newest_weekday(context.settings.training.weekday_number, context.last))
    horizon = timedelta(days=context.settings.evaluation.horizon_days)
    ended = [day - horizon for day in days_between(context.first, context.last)]
    nights = [
        night
        for night in ended
        if context.is_made(PUBLISHED, night)
        and not context.is_published(night, SUBJECT, _source(context, night))
    ]
    if not nights:
        return
    scores = {night: _night_scores(context, night) for night in nights}
    if len(nights) > 1:
        pooled = reduce(DataFrame.unionByName, scores.values())
        figures = as_figures(means(pooled).unionByName(ndcg_lift(pooled, context.figure)))
        title = f"{nights[0]} to {nights[-1]}, {len(nights)} nights as one"
        report(title, figures, context.settings, counted="user-nights")


def of_models(context: EvaluationContext, day: date) -> None:
    """Publish the figures of the night that the training of a day held out."""
    source = (context.content(MODELS, day),)
    night = day - timedelta(days=context.settings.evaluation.horizon_days)
    if not source[0] or context.is_published(night, MODEL_SUBJECT, source):
        return
    trained = context.read(MODELS, day, day).select("method", "metrics").collect()
    stated = {row["method"]: json.loads(row["metrics"]) for row in trained}
    one = next(iter(stated.values()))
    found: list[Figure] = [
        *[(method, "ndcg", "merged", its["ndcg"]) for method, its in stated.items()],
        *[(name, "ndcg", "merged", one[name]) for name in ("prior", "lambdarank")],
        *[(name, RECALL, of, share) for name, of, share in one[RECALL]],
    ]
    report_models(night, found)
    context.publish(night, MODEL_SUBJECT, found, source)


def _night_scores(context: EvaluationContext, day: date) -> DataFrame:
    """Score one night, publish its figures, and return its rows per user."""
    night, k = BuildContext(day, context.settings), context.settings.evaluation.cutoff
    scored = _scored(context, day)
    lists = context.cache(lists_of(scored, night))
    scores = user_scores(
        lists, relevant(scored), scored.products, k=k, n_users=context.rows("features.users", day)
    )
    scores = context.cache(scores.withColumn("night", F.lit(day)))
    groups = context.cache(user_groups(scored.users, context.read(USERS, None, day)))
    compared = group_figures(scores, groups)
    segments = {*LISTS, *[segment for _, _, segment, _ in compared]}
    shown = with_groups(lists, groups).where(F.col("list").isin(sorted(segments)))
    exposed = exposures(shown, context.rows("features.products", day), context.figure)
    lifts = ndcg_lift(scores, context.figure)
    found = as_figures(reduce(DataFrame.unionByName, [means(scores), lifts, exposed]))
    figures = [*found, *compared]
    report(f"{day}", figures, context.settings)
    context.publish(day, SUBJECT, figures, _source(context, day))
    return scores


def _scored(context: EvaluationContext, day: date) -> Scored:
    read = context.read
    after = day + timedelta(days=1), day + timedelta(days=context.settings.evaluation.horizon_days)
    delivered_after = read(DAYS, *after)
    return Scored(
        recommendations=read(PUBLISHED, day, day).where("user_id != '*'"),
        users=read("features.users", day, day),
        products=read("features.products", day, day),
        neighbours=context.read_newest("similarity.neighbours", day),
        habits=read("features.user_products", day, day),
        after=delivered_after.where(F.col("event_date") >= F.lit(after[0])),
    )


def means(scores: DataFrame) -> DataFrame:
    """method, metric, segment, value: each figure's mean over users (and nights)."""
    return (
        scores.groupBy("method", F.col("list").alias("segment"))
        .agg(
            *[F.avg(name).alias(name) for name in PER_USER],
            F.count("*").cast("double").alias("users"),
        )
        .unpivot(["method", "segment"], [*PER_USER, "users"], "metric", "value")
        .select("method", "metric", "segment", "value")
    )


def ndcg_lift(scores: DataFrame, figure: T.StructType) -> DataFrame:
    """Ours less each baseline in nDCG: mean and 95 % interval over users, as metrics."""
    mine = scores.where(F.col("method") == OURS).select(
        "night", "list", "user_id", F.col("ndcg").alias("mine")
    )
    others = scores.where(F.col("method") != OURS).join(
        mine, on=["night", "list", "user_id"], how="inner"
    )
    differences = others.select(
        "method", "list", "user_id", (F.col("mine") - F.col("ndcg")).alias("difference")
    )
    return differences.groupBy("method", "list").applyInPandas(_interval, figure)


def _interval(group: pd.DataFrame) -> pd.DataFrame:
    values: Sequence[float] = (float("nan"),) * 3
    if group["user_id"].nunique() > 1:
        found = paired_interval(group["difference"].to_numpy(), group["user_id"].to_numpy(str))
        values = (found.mean, found.low, found.high)
    return pd.DataFrame(
        {
            "method": group["method"].iloc[0],
            "metric": ["ndcg_gain_of_ours", "ndcg_gain_low", "ndcg_gain_high"],
            "segment": group["list"].iloc[0],
            "value": values,
        }
    )


def exposures(lists: DataFrame, catalogue_size: int, figure: T.StructType) -> DataFrame:
    """Coverage of the range and Gini index of exposure, by method and list, as metrics.

    Args:
        lists: as from `lists_of`; of users who stayed away too.
        catalogue_size: products of the range.
        figure: types of a figure.
    """
    shown = lists.groupBy("method", "list", "product_id").agg(F.count("*").alias("times"))
    return shown.groupBy("method", "list").applyInPandas(_exposure(catalogue_size), figure)


def _exposure(catalogue_size: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def figures(shown: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "method": shown["method"].iloc[0],
                "metric": ["coverage", "gini"],
                "segment": shown["list"].iloc[0],
                "value": [
                    coverage([shown["product_id"].tolist()], catalogue_size),
                    gini(shown["times"].to_numpy(), catalogue_size),
                ],
            }
        )

    return figures


def _source(context: EvaluationContext, day: date) -> tuple[object, ...]:
    """Name what a night's figures are computed from: what it knew, and the days after it."""
    outcome = day + timedelta(days=context.settings.evaluation.horizon_days)
    known = (PUBLISHED, "features.users", "features.products", "features.user_products")
    groups = context.contents(USERS, None, day)
    found = [context.content(table, day) for table in known]
    return *found, groups, context.contents(DAYS, day, outcome)
