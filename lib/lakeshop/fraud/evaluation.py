"""Figures of fraud in ops.metrics: quality of our models and the baselines, and drift.

Subject `fraud` is filed under a training day. It has the weeks before, each scored by models of
its time, our networks beside the baselines. `fraud_drift` is filed under a night: the distance of
its inputs and scores from the model's lines of validation. `fraud_published` is filed under a
night once its lines are mature: the quality of the scores as published.
"""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.dates import days_between, newest_weekday
from lakeshop.engine.metrics import EvaluationContext
from lakeshop.features.groups import groups_of
from lakeshop.fraud.features import INPUTS
from lakeshop.fraud.figures import fraud_figures
from lakeshop.fraud.labels import of_lines
from lakeshop.fraud.methods import scores_by_method
from lakeshop.fraud.prequential import first_day_read, folds
from lakeshop.fraud.promotion import is_supervised
from lakeshop.fraud.report import report_fraud
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.training import (
    KEY,
    MAX_STATISTICS_ROWS,
    MODEL_NAME,
    SHOP_ID,
    TARGET,
    known_labels,
    reference_of,
    sampled,
    validation_lines,
    with_label,
    with_shop_id,
)
from lakeshop.ml.drift import Reference, population_stability_index
from lakeshop.ml.groups import GROUPS
from lakeshop.storage.run_log import LOG
from lakeshop.training.groups import FOLD, IS_TRAIN, PREDICTION
from lakeshop.training.registry import champion

LINES, LABELS, MODELS, SCORES = (
    "features.transactions", "silver.fraud_labels", "models.fraud", "gold.fraud_scores"
)  # fmt: skip
CHANGED = 0.25  # of an index, by convention (Siddiqi 2006)


def evaluate(context: EvaluationContext) -> None:
    """Publish the figures of fraud that the days of the context allow."""
    _compare(context, newest_weekday(context.settings.training.weekday_number, context.last))
    if context.is_made(SCORES, context.last):
        _drift(context, context.last)
    for day in days_between(context.first, context.last):
        scored = day - timedelta(days=context.settings.section(Fraud).maturity_days)
        if context.is_made(SCORES, scored):
            _published(context, scored, day)


def _compare(context: EvaluationContext, day: date) -> None:
    """The weeks before a training day, by models of their time."""
    source = (context.content(MODELS, day),)
    if not source[0] or context.is_published(day, MODEL_NAME, source):
        return
    trained = context.read(MODELS, day, day).where(F.col("name") == MODEL_NAME)
    if not any(is_supervised(row) for row in trained.select("metrics").collect()):
        return
    options = context.settings.section(Fraud)
    lines = context.read(LINES, first_day_read(day, options), day)
    labels = of_lines(context.read(LABELS, None, day), lines, context.settings.shop)
    rows = context.cache(folds(lines, labels, day, options))
    if rows.where(F.col(IS_TRAIN)).isEmpty():  # a shop younger than its maturity and a week
        return
    tested = rows.where(~F.col(IS_TRAIN)).join(scores_by_method(rows, options), on=[FOLD, KEY])
    segmented = with_segments(tested, labels, context.read("silver.users", None, day), day)
    scored = segmented.withColumns(
        {"score": F.col(PREDICTION), "is_probability": F.lit(True), "week": F.col(FOLD)}
    )
    figures = context.cache(by_method(scored, options.alerts_per_day, context.figure))
    context.publish(day, MODEL_NAME, figures, source)
    report_fraud(f"{day}", context.found[-1].figures, options.alerts_per_day)


def with_segments(lines: DataFrame, labels: DataFrame, users: DataFrame, day: date) -> DataFrame:
    """Add target, day, customer, pattern of known frauds, and the groups that are compared."""
    fraud = known_labels(labels, day).where("is_fraud").select(SHOP_ID, "pattern")
    return (
        with_shop_id(lines)
        .join(fraud, on=SHOP_ID, how="left")
        .drop(SHOP_ID)
        .join(groups_of(users), on="user_id", how="left")
        .withColumns(
            {
                "target": F.col(TARGET),
                "day": F.col("event_date").cast("string"),
                "customer": F.coalesce("user_id", "order_id"),
            }
        )
    )


def by_method(scored: DataFrame, k: int, figure: T.StructType) -> DataFrame:
    """method, metric, segment, value: the figures of each method."""
    needed = ("method", "target", "score", "is_probability", "day", "customer", "pattern")
    week = ["week"] if "week" in scored.columns else []

    def figures(lines: pd.DataFrame) -> pd.DataFrame:
        found = pd.DataFrame(fraud_figures(lines, k), columns=["metric", "segment", "value"])
        return found.assign(method=lines["method"].iloc[0])[
            ["method", "metric", "segment", "value"]
        ]

    chosen = scored.select(*needed, *week, *GROUPS)
    return chosen.groupBy("method").applyInPandas(figures, figure)


def _drift(context: EvaluationContext, day: date) -> None:
    """Population stability of the night's inputs and scores against the model's validation."""
    source = (context.content(SCORES, day),)
    if context.is_published(day, f"{MODEL_NAME}_drift", source):
        return
    model = champion(context.read(MODELS, None, day), MODEL_NAME)
    if model is None:
        return
    scores = context.read(SCORES, day, day).select("score")
    values, reference = _inputs(context, day), _reference(context, model)
    moved = {name: reference[name].stability_index(values[name]) for name in model["inputs"]}
    moved["score"] = population_stability_index(
        np.array(model["score_quantiles"]), scores.toPandas()["score"].to_numpy(float)
    )
    figures = [(model["method"], "psi", name, float(value)) for name, value in moved.items()]
    context.publish(day, f"{MODEL_NAME}_drift", figures, source)
    _warn_of_drift(moved, day)


def _reference(context: EvaluationContext, model: Row) -> dict[str, Reference]:
    """Bins of each input over the model's validation; a model of an earlier version has none."""
    if model["reference"] is not None:
        stored = json.loads(model["reference"])
        return {n: Reference(tuple(r["edges"]), tuple(r["shares"])) for n, r in stored.items()}
    last, options = model["trained_to"], context.settings.section(Fraud)
    lines = context.read(LINES, last - timedelta(days=options.validation_days - 1), last)
    return reference_of(validation_lines(lines, last, options))


def _inputs(context: EvaluationContext, day: date) -> pd.DataFrame:
    """The inputs of a night's lines, a sample of very many."""
    scored = context.read(LINES, day, day).where(~F.col("is_refund"))
    is_many = context.rows(LINES, day) >= 2 * MAX_STATISTICS_ROWS
    return sampled(scored, scored.count() if is_many else 0).select(*INPUTS).toPandas()


def _warn_of_drift(moved: dict[str, float], day: date) -> None:
    changed = sorted((n for n, value in moved.items() if value > CHANGED), key=lambda n: -moved[n])
    if changed:
        LOG.info("fraud of %s: drifted, the most first: %s", day, ", ".join(changed))


def _published(context: EvaluationContext, scored: date, day: date) -> None:
    """Figures of a night's published scores, once its lines are mature."""
    known = context.contents(LABELS, None, day), context.contents(LINES, scored, scored)
    source = context.content(SCORES, scored), *known
    if context.is_published(scored, f"{MODEL_NAME}_published", source):
        return
    delivered = context.read(LINES, scored, scored)
    labels = of_lines(context.read(LABELS, None, day), delivered, context.settings.shop)
    lines = with_label(delivered, labels, day, context.settings.section(Fraud))
    found = context.read(SCORES, scored, scored).select(KEY, "score", "probability", "method")
    segmented = with_segments(lines, labels, context.read("silver.users", None, day), day)
    is_probability = F.col("probability").isNotNull()
    joined = segmented.join(found, on=KEY).withColumn("is_probability", is_probability)
    k = context.settings.section(Fraud).alerts_per_day
    figures = by_method(joined, k, context.figure)
    context.publish(scored, f"{MODEL_NAME}_published", figures, source)
