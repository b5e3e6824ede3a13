"""Fraud: networks learn from labels or, where there are none, from what is usual.

Where labels are known, the networks of `fraud.labelled` are trained on mature lines; the best of
them on the validation slice becomes champion if it is not worse there than the present one.
Where none are, as in a new shop, those of `fraud.unlabelled` learn what is usual. Either way one
file leads from raw features to a score from 0 to 1: a calibrated probability, or the share of
lines that are less unusual.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.config.training import NetworkConfig
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import is_nth
from lakeshop.fraud.entities import ALL_NAMES
from lakeshop.fraud.examples import IS_VALIDATION, TARGET, examples
from lakeshop.fraud.promotion import Slice, figures, promoted, scores
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.statistics import statistics
from lakeshop.fraud.transactions import LINE
from lakeshop.ml.calibration import calibrated, percentiles
from lakeshop.training.networks import plan_of, recipe_of, steps_of, where_of
from lakeshop.training.registry import Model, as_bytes, as_table, champion, earlier, sha256_of
from lakeshop.training.rounds import Trained
from lakeshop.training.rounds import train as train_rounds
from lakeshop.training.specification import FeatureSpec

MODEL_NAME = "fraud"
INPUTS = (*LINE, *ALL_NAMES)
COLUMNS = FeatureSpec({"features": INPUTS}, (TARGET,))
KEY = "transaction_id"
QUANTILES = np.linspace(0, 1, 201)
MAX_STATISTICS_ROWS = 200_000  # training lines of which quantiles are taken


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What all candidates of a day learn from.

    `rows` has key, inputs, target and whether a line is held out; `extent` of both parts rows,
    frauds, first and last event date; `known` is what the training lines say of the inputs.
    """

    rows: DataFrame
    extent: Mapping[bool, Row]
    known: Mapping[str, Any]
    held_out: Slice

    @property
    def is_taught(self) -> bool:
        """Whether both classes are known in both parts."""
        return all(0 < part["frauds"] < part["rows"] for part in self.extent.values())


def train(tables: Tables, night: BuildContext) -> DataFrame:
    """Return the rows of models.fraud of a training day: candidates, at most one champion."""
    options = night.settings.section(Fraud)
    lesson = _lesson(tables, night)
    if lesson is None:
        night.warn("no fraud model: mature lines should fill days of training and of validation")
        return as_table([], night)
    if not lesson.is_taught:
        night.warn("fraud is learned without labels: training or validation days know one class")
    networks = options.labelled if lesson.is_taught else options.unlabelled
    candidates = [_candidate(lesson, night, *named) for named in networks.items()]
    present = champion(earlier(tables["models.fraud"], night), MODEL_NAME)
    found = promoted(candidates, present, lesson.held_out, is_taught=lesson.is_taught)
    return as_table(found, night)


def _lesson(tables: Tables, night: BuildContext) -> TrainingSet | None:
    lines, labels = tables["features.transactions"], tables["silver.fraud_labels"]
    chosen = examples(lines, labels, night.day, night.settings.section(Fraud))
    rows = night.cache(chosen.select(KEY, "event_date", IS_VALIDATION, TARGET, *INPUTS))
    extent = {row[IS_VALIDATION]: row for row in _extent(rows).collect()}
    if set(extent) != {False, True}:
        return None
    taught = rows.where(~F.col(IS_VALIDATION))
    known = statistics(_slice(sampled(taught, extent[False]["rows"])).inputs)
    return TrainingSet(rows, extent, known, _slice(rows.where(IS_VALIDATION)))


def _extent(rows: DataFrame) -> DataFrame:
    return rows.groupBy(IS_VALIDATION).agg(
        F.count("*").alias("rows"),
        F.sum(TARGET).alias("frauds"),
        F.min("event_date").alias("first"),
        F.max("event_date").alias("last"),
    )


def sampled(rows: DataFrame, count: int) -> DataFrame:
    """Every n-th row by a hash of its id, so that there are not many more than MOST."""
    return rows.where(is_nth(KEY, max(1, count // MAX_STATISTICS_ROWS)))


def _slice(rows: DataFrame) -> Slice:
    held = rows.orderBy(KEY).select(TARGET, *INPUTS).toPandas()
    target = held[TARGET].to_numpy(np.float64)
    return Slice(INPUTS, held[list(INPUTS)].to_numpy(np.float64), target)


def _candidate(
    lesson: TrainingSet, night: BuildContext, method: str, network: NetworkConfig
) -> Model:
    """A trained network as it would be used, and how good it is on the lines held out."""
    trained = _trained(lesson, night, method, network)
    held_out, model = lesson.held_out, trained.model()
    plain = scores(model, held_out.inputs)
    if lesson.is_taught:
        model = calibrated(model, plain, held_out.target).model
    else:
        model = percentiles(model, plain)
    payload, found = as_bytes(model), scores(model, held_out.inputs)
    plan = plan_of(network, night.settings.training.shards)
    return {
        "name": MODEL_NAME,
        "method": method,
        "is_champion": False,
        "inputs": list(INPUTS),
        "usual": lesson.known["center"],
        "model": payload,
        "sha256": sha256_of(payload),
        "metrics": figures(held_out, found),
        "parameters": json.dumps({"recipe": asdict(trained.spec), "plan": asdict(plan)}),
        "score_quantiles": np.nanquantile(found, QUANTILES).tolist(),
        "training_id": trained.training_id,
        "trained_rows": lesson.extent[False]["rows"],
        "trained_from": lesson.extent[False]["first"],
        "trained_to": lesson.extent[True]["last"],
    }


def _trained(
    lesson: TrainingSet, night: BuildContext, method: str, network: NetworkConfig
) -> Trained:
    """A network trained on the lesson; lines held out say when to stop only where it asks them."""
    shards, asks = night.settings.training.shards, network.patience is not None
    steps = steps_of(network, lesson.extent[False]["rows"], shards)
    return train_rounds(
        recipe_of(network, COLUMNS, lesson.known, f"{MODEL_NAME} {method}", steps),
        plan_of(network, shards),
        lesson.rows if asks else lesson.rows.where(~F.col(IS_VALIDATION)),
        where_of(night, MODEL_NAME, method),
        key=[KEY],
        data_version=f"{night.day} {night.provenance.content}",
        held_out=IS_VALIDATION if asks else None,
    )
