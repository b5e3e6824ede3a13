"""Training of the fraud models: supervised where labels are known, else unsupervised.

With labels, the networks of `fraud.labelled` are trained on mature lines. The best one on the
validation slice becomes champion if it is not worse there than the present champion. Without
labels, as in a new shop, the networks of `fraud.unlabelled` learn to recognise usual lines.
One file leads from raw features to a score from 0 to 1: a calibrated probability, or the share
of lines that are less unusual.

Two clocks count: the time of a line, and the day of its label. A fraud is labelled weeks after
the line, and most genuine lines never are. So a line without label is genuine only after
`maturity_days`. Younger lines are left out, labelled or not, since only frauds among them would
be known.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.config.training import NetworkConfig
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import is_nth, latest_versions, sorted_frame
from lakeshop.fraud.features import INPUTS
from lakeshop.fraud.labels import of_lines
from lakeshop.fraud.network import statistics
from lakeshop.fraud.promotion import Slice, figures, promoted, scores
from lakeshop.fraud.settings import Fraud
from lakeshop.ml.calibration import calibrated, percentiles
from lakeshop.ml.drift import Reference
from lakeshop.training.inference import with_export
from lakeshop.training.networks import batches_of, checkpoint_location, model_spec, training_plan
from lakeshop.training.registry import Model, as_bytes, as_table, champion, earlier, sha256_of
from lakeshop.training.rounds import Trained
from lakeshop.training.rounds import train as train_rounds
from lakeshop.training.specification import FeatureSpec

MODEL_NAME = "fraud"
TARGET = "is_fraud"
IS_VALIDATION = "is_validation"
COLUMNS = FeatureSpec({"features": INPUTS}, (TARGET,))
KEY = "transaction_id"
SHOP_ID = "shop_line_id"
QUANTILES = np.linspace(0, 1, 201)
COMPARED_LINES = 4096  # on which LiteRT must give what Keras gives
MAX_STATISTICS_ROWS = 200_000  # training lines of which quantiles are taken


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Lines that all candidates of a day are trained and validated on.

    `rows` has key, inputs, target and `is_validation`. `extent` has rows, frauds, first and last
    event date of both parts. `known` has the statistics of the training lines' inputs.
    """

    rows: DataFrame
    extent: Mapping[bool, Row]
    known: Mapping[str, Any]
    held_out: Slice

    @property
    def has_both_classes(self) -> bool:
        """True if both parts have frauds and genuine lines."""
        return all(0 < part["frauds"] < part["rows"] for part in self.extent.values())


def train(tables: Tables, night: BuildContext) -> DataFrame:
    """Return the rows of models.fraud of a training day: candidates, at most one champion."""
    options = night.settings.section(Fraud)
    training_set = _training_set(tables, night)
    if training_set is None:
        night.warn("no fraud model: mature lines should fill days of training and of validation")
        return as_table([], night)
    if not training_set.has_both_classes:
        night.warn("fraud is learned without labels: training or validation days have one class")
    networks = options.labelled if training_set.has_both_classes else options.unlabelled
    candidates = [_candidate(training_set, night, *named) for named in networks.items()]
    present = champion(earlier(tables["models.fraud"], night), MODEL_NAME)
    found = promoted(
        candidates, present, training_set.held_out, is_taught=training_set.has_both_classes
    )
    lines = tables["features.transactions"]
    whole = [_exported(_with_reference(m, lines, options), training_set, night) for m in found]
    return as_table(whole, night)


def _exported(model: Model, training_set: TrainingSet, night: BuildContext) -> Model:
    """Give the champion a LiteRT file, compared on lines that were held out."""
    if not model["is_champion"]:
        return model
    records = training_set.held_out.inputs[:COMPARED_LINES].astype(np.float32)
    return with_export(model, FeatureSpec({"features": INPUTS}, ()), records, night)


def _with_reference(model: Model, lines: DataFrame, options: Fraud) -> Model:
    """Give the champion the bins that later inputs are compared with."""
    if not model["is_champion"]:
        return model
    found = reference_of(validation_lines(lines, model["trained_to"], options))
    return model | {"reference": json.dumps({name: asdict(part) for name, part in found.items()})}


def validation_lines(lines: DataFrame, last: date, options: Fraud) -> DataFrame:
    """Lines that were delivered on the days of validation, up to `last`."""
    first = last - timedelta(days=options.validation_days - 1)
    return lines.where(F.col(BUSINESS_DATE).between(F.lit(first), F.lit(last)))


def reference_of(lines: DataFrame) -> dict[str, Reference]:
    """Bins of each input over lines, of which refunds do not count."""
    scored = lines.where(~F.col("is_refund"))
    values = sampled(scored, scored.count()).select(*INPUTS).toPandas()
    return {name: Reference.of(values[name]) for name in INPUTS}


def _training_set(tables: Tables, night: BuildContext) -> TrainingSet | None:
    lines, labels = tables["features.transactions"], tables["silver.fraud_labels"]
    labels = of_lines(labels, lines, night.settings.shop)
    chosen = examples(lines, labels, night.day, night.settings.section(Fraud))
    rows = night.cache(chosen.select(KEY, "event_date", IS_VALIDATION, TARGET, *INPUTS))
    extent = {row[IS_VALIDATION]: row for row in _extent(rows).collect()}
    if set(extent) != {False, True}:
        return None
    training = rows.where(~F.col(IS_VALIDATION))
    known = statistics(_slice(sampled(training, extent[False]["rows"])).inputs)
    return TrainingSet(rows, extent, known, _slice(rows.where(IS_VALIDATION)))


def _extent(rows: DataFrame) -> DataFrame:
    return rows.groupBy(IS_VALIDATION).agg(
        F.count("*").alias("rows"),
        F.sum(TARGET).alias("frauds"),
        F.min("event_date").alias("first"),
        F.max("event_date").alias("last"),
    )


def sampled(rows: DataFrame, count: int) -> DataFrame:
    """Every n-th row by a hash of its id, so that few more than MAX_STATISTICS_ROWS are left."""
    return rows.where(is_nth(KEY, max(1, count // MAX_STATISTICS_ROWS)))


def _slice(rows: DataFrame) -> Slice:
    held = sorted_frame(rows.select(KEY, TARGET, *INPUTS), [KEY])
    target = held[TARGET].to_numpy(np.float64)
    return Slice(INPUTS, held[list(INPUTS)].to_numpy(np.float64), target)


def _candidate(
    training_set: TrainingSet, night: BuildContext, method: str, network: NetworkConfig
) -> Model:
    """A trained network, calibrated, with its metrics on the lines held out."""
    trained = _trained(training_set, night, method, network)
    held_out, model = training_set.held_out, trained.model()
    plain = scores(model, held_out.inputs)
    if training_set.has_both_classes:
        model = calibrated(model, plain, held_out.target).model
    else:
        model = percentiles(model, plain)
    payload, found = as_bytes(model), scores(model, held_out.inputs)
    plan = training_plan(network, night.settings.training.shards)
    return {
        "name": MODEL_NAME,
        "method": method,
        "is_champion": False,
        "inputs": list(INPUTS),
        "usual": training_set.known["center"],
        "model": payload,
        "sha256": sha256_of(payload),
        "metrics": figures(held_out, found),
        "parameters": json.dumps({"recipe": asdict(trained.spec), "plan": asdict(plan)}),
        "score_quantiles": np.nanquantile(found, QUANTILES).tolist(),
        "training_id": trained.training_id,
        "trained_rows": training_set.extent[False]["rows"],
        "trained_from": training_set.extent[False]["first"],
        "trained_to": training_set.extent[True]["last"],
    }


def _trained(
    training_set: TrainingSet, night: BuildContext, method: str, network: NetworkConfig
) -> Trained:
    """A trained network; with `patience` the lines held out stop its training early."""
    shards, stops_early = night.settings.training.shards, network.patience is not None
    steps = batches_of(network, training_set.extent[False]["rows"], shards)
    return train_rounds(
        model_spec(network, COLUMNS, training_set.known, f"{MODEL_NAME} {method}", steps),
        training_plan(network, shards),
        training_set.rows if stops_early else training_set.rows.where(~F.col(IS_VALIDATION)),
        checkpoint_location(night, MODEL_NAME, method),
        key=[KEY],
        data_version=f"{night.day} {night.provenance.content}",
        held_out=IS_VALIDATION if stops_early else None,
    )


def known_labels(labels: DataFrame, day: date) -> DataFrame:
    """shop_line_id, is_fraud, pattern: the newest label of each line as known on a day.

    Args:
        labels: versions of silver.fraud_labels.
        day: later labels are unknown.
    """
    known = latest_versions(labels.where(F.col(BUSINESS_DATE) <= F.lit(day)), ["transaction_id"])
    return known.select(F.col("transaction_id").alias(SHOP_ID), "is_fraud", "pattern")


def with_shop_id(lines: DataFrame) -> DataFrame:
    """Add the id that the shop gave a line, as labels name it: a corrected line has another."""
    return lines.withColumn(SHOP_ID, F.coalesce("corrects", "transaction_id"))


def with_label(lines: DataFrame, labels: DataFrame, day: date, options: Fraud) -> DataFrame:
    """Lines that are mature on a day, with `is_fraud` as known on that day, 1.0 or 0.0.

    Args:
        lines: rows of features.transactions; refunds are left out.
        labels: versions of silver.fraud_labels.
        day: labels count as known on its night.
        options: `maturity_days`, and `label_delay_days` before which no label counts.
    """
    mature = with_shop_id(lines).where(
        ~F.col("is_refund") & (F.col("event_date") <= F.lit(newest_mature_day(day, options)))
    )
    is_known = F.date_add("event_date", options.label_delay_days) <= F.lit(day)
    is_fraud = F.coalesce(F.col(TARGET) & is_known, F.lit(False))
    labelled = mature.join(known_labels(labels, day).drop("pattern"), on=SHOP_ID, how="left")
    return labelled.withColumn(TARGET, is_fraud.cast("double")).drop(SHOP_ID)


def examples(lines: DataFrame, labels: DataFrame, day: date, options: Fraud) -> DataFrame:
    """Labelled lines with `is_validation`: the newest `validation_days` of the mature ones.

    The `train_days` before them hold the training lines, by event date.
    """
    last = newest_mature_day(day, options)
    first_validation = last - timedelta(days=options.validation_days - 1)
    first = first_validation - timedelta(days=options.train_days)
    return (
        with_label(lines, labels, day, options)
        .where(F.col("event_date") >= F.lit(first))
        .withColumn(IS_VALIDATION, F.col("event_date") >= F.lit(first_validation))
    )


def newest_mature_day(day: date, options: Fraud) -> date:
    """The last event date whose lines all count as fraudulent or genuine."""
    return day - timedelta(days=options.maturity_days)
