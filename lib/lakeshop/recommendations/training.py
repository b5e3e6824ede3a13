"""Training of what ranks a user's candidates: networks of the shop's own past nights.

Networks learn from lists of past nights and compete, the simplest first, by the nDCG of the newest
of these nights, which none has learned from. One wins over a simpler one where the paired interval
over users is above zero. The winner becomes champion if it beats the terms of a shop that has not
learned, and is not worse than the present champion.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from scipy.special import expit

from lakeshop.config.training import NetworkConfig
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.ml.arrays import Floats, Floats32
from lakeshop.ml.calibration import calibrated, log_odds
from lakeshop.recommendations.bar import can_be_set, lambdarank
from lakeshop.recommendations.candidate_recall import candidate_recall
from lakeshop.recommendations.candidates import source_names
from lakeshop.recommendations.examples import Origin, columns_of_list, held_out, lists, origins
from lakeshop.recommendations.features import GROUPS, columns_of_pair, measures_in, names_of
from lakeshop.recommendations.network import adds_to_prior, damped, of_pairs
from lakeshop.recommendations.ranking import (
    HeldOut,
    best_share,
    is_better,
    prior_log_odds,
    prior_terms,
)
from lakeshop.recommendations.settings import RecommendationSettings
from lakeshop.training.inference import Network, loaded, predictions, with_export
from lakeshop.training.networks import batches_of, checkpoint_location, model_spec, training_plan
from lakeshop.training.registry import (
    Model,
    as_bytes,
    as_table,
    champion,
    earlier,
    is_promoted,
    sha256_of,
)
from lakeshop.training.rounds import train as train_rounds
from lakeshop.training.shards import RECORD

MODEL_NAME = "recommendations"
PRIOR, NETWORK = "prior", "network"
SERVES = "serves"  # in the metrics of a training day: which of the two ranks from then on
COMPARED_PAIRS = 4096  # on which LiteRT must give what Keras gives
# What never varied taught nothing: its weights, still as drawn, must not count once it varies.
CONSTANT_VARIANCE = 1e30
SAMPLED_LISTS = 2000  # of which means and variances are taken, and of which the bar learns


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Lists that all networks of a day are trained on, and the week held out.

    Attributes:
        rows: user_id, origin and record of each list.
        count: number of lists.
        first, last: days of the first origin, and of the one held out.
        names: inputs of a pair, in order.
        sample: records of the first lists by a hash, float32[n, inputs and targets of a list].
        statistics: of the inputs, and sizes.
        held_out: candidates of the newest origin.
    """

    rows: DataFrame
    count: int
    first: date
    last: date
    names: tuple[str, ...]
    sample: Floats32
    statistics: Mapping[str, Any]
    held_out: HeldOut


def train(tables: Tables, night: BuildContext) -> DataFrame:
    """Return the rows of models.recommendations of a training day: one per network."""
    training_set = _training_set(tables, night)
    if training_set is None:
        night.warn("recommendations: too short a history to learn from, the prior terms rank")
        return as_table([], night)
    options = night.settings.section(RecommendationSettings)
    found = [_trained(training_set, night, *named) for named in options.learning.networks.items()]
    present = serving(earlier(tables["models.recommendations"], night))
    return as_table(_compared(found, training_set, present, night), night)


def serving(models: DataFrame) -> Row | None:
    """The champion that ranks; None where the prior terms do, since no network is better.

    Args:
        models: rows of models.recommendations that may be seen.
    """
    newest = models.where(F.col("name") == MODEL_NAME).orderBy(F.desc(BUSINESS_DATE), "method")
    told = newest.select("metrics").first()
    if told is None or json.loads(told["metrics"]).get(SERVES) == PRIOR:
        return None
    return champion(models, MODEL_NAME)


def _training_set(tables: Tables, night: BuildContext) -> TrainingSet | None:
    options = night.settings.section(RecommendationSettings).learning
    found = origins(tables, night)
    if not found:
        return None
    newest, *others = found
    came = {origin.known.day: origin.after.count() for origin in found}
    taught = sum(came[origin.known.day] for origin in others)
    share = min(1.0, options.pairs / options.list_size / max(taught, 1))
    rows = [lists(origin, tables, night, share) for origin in others]
    known = night.cache(_union(rows))
    count = known.count()
    if not count:
        return None
    measured = held_out(
        newest, tables, night, min(1.0, options.validation_users / max(came[newest.known.day], 1))
    )
    names = names_of(_measures(newest, night))
    sample = _sample(known)
    return TrainingSet(
        known,
        count,
        others[-1].known.day,
        night.day,
        names,
        sample,
        _statistics(sample, names, night),
        _held_out(measured, len(names)),
    )


def _union(rows: list[DataFrame]) -> DataFrame:
    first, *others = rows
    for other in others:
        first = first.unionByName(other)
    return first


def _measures(origin: Origin, night: BuildContext) -> set[str]:
    found = origin.known.neighbours.select("measure").distinct().collect()
    main = night.settings.section(RecommendationSettings).new_measure
    return {main, *[row["measure"] for row in found]}


def _sample(rows: DataFrame) -> Floats32:
    order = F.xxhash64("user_id", "origin")
    first = rows.orderBy(order, "user_id", "origin").limit(SAMPLED_LISTS).select(RECORD)
    return np.array([row[RECORD] for row in first.collect()], np.float32)


def _statistics(sample: Floats32, names: tuple[str, ...], night: BuildContext) -> dict[str, Any]:
    """Means and variances of the numbers, over the pairs of a sample of lists."""
    options = night.settings.section(RecommendationSettings)
    size, width = options.learning.list_size, len(names) - len(GROUPS)
    inputs = sample[:, : size * width].reshape(-1, width).astype(np.float64)
    numbers = inputs[sample[:, -size:].ravel() >= 0]
    variance = numbers.var(axis=0)
    return {
        "names": [name for name in names if name not in GROUPS],
        "mean": numbers.mean(axis=0).tolist(),
        "variance": np.where(variance > 1e-12, variance, CONSTANT_VARIANCE).tolist(),
        "list_size": size,
        "prior": prior_terms(options),
    }


def _held_out(rows: DataFrame, width: int) -> HeldOut:
    found = rows.toPandas().sort_values("user_id", ignore_index=True)
    products = [np.frombuffer(part, np.int64) for part in found["products"]]
    sizes = [part.size for part in products]
    return HeldOut(
        np.repeat(np.arange(len(found)), sizes),
        np.concatenate([*products, np.empty(0, np.int64)]),
        np.frombuffer(b"".join(found["inputs"]), np.float32).reshape(-1, width),
        np.frombuffer(b"".join(found["bought"]), np.bool_),
        np.frombuffer(b"".join(found["is_known"]), np.bool_),
        np.frombuffer(b"".join(found["sources"]), np.int64),
        found[["again", "new"]].to_numpy(np.int64),
    )


def _trained(
    training_set: TrainingSet, night: BuildContext, method: str, network: NetworkConfig
) -> tuple[Model, Floats]:
    """A network as it reads one pair, calibrated on the week held out, and its nDCG there."""
    shards = night.settings.training.shards
    size, cutoff = training_set.statistics["list_size"], night.settings.evaluation.cutoff
    options = night.settings.section(RecommendationSettings)
    steps, plan = batches_of(network, training_set.count, shards), training_plan(network, shards)
    columns = columns_of_list(training_set.names, size)
    stated = {**training_set.statistics, "method": method}
    trained = train_rounds(
        model_spec(network, columns, stated, f"{MODEL_NAME} {method}", steps),
        plan,
        training_set.rows,
        checkpoint_location(night, MODEL_NAME, method),
        key=["user_id", "origin"],
        data_version=f"{night.day} {night.provenance.content}",
    )
    model, held, share = trained.model(), training_set.held_out, None
    scores = _scores(of_pairs(model), training_set.names, held.inputs)
    if adds_to_prior(model):
        prior = prior_log_odds(held.inputs, training_set.names, prior_terms(options))
        learned = log_odds(scores) - prior
        share = best_share(prior, learned, held, options.learning.damping, cutoff)
        model, scores = damped(model, share), expit(prior + share * learned)
    pairs = of_pairs(model)
    payload = as_bytes(calibrated(pairs, scores, held.bought).model)
    row = {
        "name": MODEL_NAME,
        "method": method,
        "is_champion": False,
        "inputs": list(training_set.names),
        "usual": [*training_set.statistics["mean"], *[0.0] * len(GROUPS)],
        "model": payload,
        "sha256": sha256_of(payload),
        "parameters": json.dumps(
            {"recipe": _recipe(trained.spec), "plan": asdict(plan), "damping": share}
        ),
        "score_quantiles": [],
        "training_id": trained.training_id,
        "trained_rows": training_set.count,
        "trained_from": training_set.first,
        "trained_to": training_set.last,
    }
    # Calibration keeps the order.
    return row, held.ndcg(scores, cutoff)


def _recipe(spec: Any) -> dict[str, Any]:
    return {part: value for part, value in asdict(spec).items() if part != "columns"}


def _scores(model: Any, names: tuple[str, ...], inputs: Floats32) -> Floats:
    return predictions(model, columns_of_pair(names), inputs, 1)[:, 0]


def _compared(
    candidates: list[tuple[Model, Floats]],
    training_set: TrainingSet,
    present: Row | None,
    night: BuildContext,
) -> list[Model]:
    """The candidates with their figures, the winner promoted and exported."""
    held, k = training_set.held_out, night.settings.evaluation.cutoff
    options = night.settings.section(RecommendationSettings)
    prior = prior_log_odds(held.inputs, training_set.names, prior_terms(options))
    figures = {PRIOR: held.ndcg(prior, k)}
    figures |= {row["method"]: ndcg for row, ndcg in candidates}
    best = PRIOR
    for method in list(figures)[1:]:
        best = method if is_better(figures[method], figures[best]) else best
    before = None
    if present is not None and tuple(present["inputs"]) == training_set.names:
        before = _mean(held.ndcg(_of_network(present, training_set), k))
    means = {name: _mean(values) for name, values in figures.items()}
    bar = lambdarank(*_pairs(training_set), held.inputs) if can_be_set() else None
    is_new = best != PRIOR and is_promoted(means[best], before, higher_is_better=True)
    is_kept = before is not None and before >= (means[PRIOR] or 0.0)
    serves = NETWORK if is_new or (present is not None and is_kept) else PRIOR
    sources = source_names(measures_in(training_set.names), options.new_measure)
    reached = list(candidate_recall(held, sources))
    done = []
    for row, _ in candidates:
        stated: dict[str, Any] = {
            "ndcg": means[row["method"]],
            PRIOR: means[PRIOR],
            "present": before,
            "lambdarank": None if bar is None else _mean(held.ndcg(bar, k)),
            "candidate_recall": reached,
            SERVES: serves,
        }
        is_champion = is_new and row["method"] == best
        done.append({**row, "metrics": json.dumps(stated), "is_champion": is_champion})
    return [_exported(row, training_set, night) if row["is_champion"] else row for row in done]


def _pairs(training_set: TrainingSet) -> tuple[Floats32, Floats]:
    """Inputs and targets of the sample, float32[n, size, inputs] and float64[n, size]."""
    names, size = training_set.names, training_set.statistics["list_size"]
    records = training_set.sample
    numbers, codes = np.split(records[:, :-size], [size * (len(names) - len(GROUPS))], axis=1)
    parts = [part.reshape(len(records), size, -1) for part in (numbers, codes)]
    return np.concatenate(parts, axis=2), records[:, -size:].astype(np.float64)


def _of_network(row: Row, training_set: TrainingSet) -> Floats:
    predict = loaded(Network.of(row))
    columns = columns_of_pair(training_set.names)
    return predictions(predict, columns, training_set.held_out.inputs, 1)[:, 0]


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _exported(model: Model, training_set: TrainingSet, night: BuildContext) -> Model:
    records = training_set.held_out.inputs[:COMPARED_PAIRS]
    return with_export(model, columns_of_pair(training_set.names), records, night, tolerance=1e-5)
