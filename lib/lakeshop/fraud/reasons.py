"""Reasons of alerts: sentences about the features that raised a line's score, with its numbers.

A feature's contribution is its Shapley value on the log-odds of the score (see `ml.attribution`).
The reference is a line whose features are all usual. Features of one family contribute as one
player: apart they would share a contribution, and three reasons would be one.

Contributions choose the families, and the line's values choose the sentence of a family.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Row

from lakeshop.fraud.declarations import Catalogue, FeatureRow, number
from lakeshop.fraud.features import FEATURES
from lakeshop.ml.attribution import contributions
from lakeshop.training.inference import Network, loaded

REASONS = "transaction_id STRING, why ARRAY<STRING>"
MIN_CONTRIBUTION = 1e-9
MIN_SHARE = 0.05  # of the largest contribution


def reasons(
    values: Mapping[str, float | None],
    by_family: Mapping[str, float],
    k: int = 3,
    features: Catalogue = FEATURES,
) -> list[str]:
    """At most k sentences, of the families that contributed most to a higher score.

    A family that lowered the score gives none. Nor does one that contributed less than a
    twentieth of the largest contribution, or whose sentences do not hold.

    Args:
        values: the line's inputs by column, None or NaN where missing.
        by_family: contribution of each family, as of `Catalogue.players_of`; NaN counts as 0.
        k: sentences.
        features: the declarations.
    """
    line = FeatureRow(values)
    positive = {family: value for family, value in by_family.items() if value > MIN_CONTRIBUTION}
    least = MIN_SHARE * max(positive.values(), default=0.0)
    ranked = sorted((-value, family) for family, value in positive.items() if value >= least)
    texts = (sentence(family, line, features) for _, family in ranked)
    return [text for text in texts if text is not None][:k]


def sentence(family: str, line: FeatureRow, features: Catalogue = FEATURES) -> str | None:
    """The first sentence of a family that holds; None where the line has no value of it."""
    for feature in features.families.get(family, ()):
        stated = feature.sentence
        value = None if stated is None else line.above(feature.name, stated.above)
        text = None if stated is None or value is None else stated.text(value, line)
        if text is not None:
            return text
    value = line.get(family)
    return None if value is None else f"{family.replace('_', ' ')} is {number(value)}"


def reasons_of(alerts: DataFrame, model: Row, most: int) -> DataFrame:
    """transaction_id, why: at most `most` reasons, the weightiest first.

    Alerts are the lines of a hundred customers a night, so one task explains them.

    Args:
        alerts: lines with the inputs of the model.
        model: a row of models.fraud.
        most: reasons per line.
    """
    needed = alerts.select("transaction_id", *model["inputs"])
    explain = _explainer(Network.of(model), tuple(model["inputs"]), model["usual"], most)
    return needed.coalesce(1).mapInPandas(explain, REASONS)


def _explainer(
    network: Network, inputs: tuple[str, ...], usual: list[float], most: int
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    names, players = FEATURES.players_of(inputs)

    def explain(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            predict = loaded(network)
            keys = batch["transaction_id"].tolist()
            values = batch[list(inputs)].to_numpy(np.float64)
            added = contributions(predict, values, np.array(usual), keys, players=players)
            why = [
                reasons(
                    dict(zip(inputs, line, strict=True)), dict(zip(names, by, strict=True)), most
                )
                for line, by in zip(values.tolist(), added.tolist(), strict=True)
            ]
            yield pd.DataFrame({"transaction_id": keys, "why": why})

    return explain
