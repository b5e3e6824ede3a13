"""The lists of a batch of users: candidates, their scores, the shop's rules, and reasons.

No Spark here: tasks of `recommendations` and of nothing else run it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from lakeshop.ml.arrays import Bools, Floats, Floats32, Integers
from lakeshop.ml.calibration import log_odds
from lakeshop.recommendations.candidates import ARRIVED, EXPLORED, Always, Candidates, candidates
from lakeshop.recommendations.features import Batch, columns_of_pair, features, names_of
from lakeshop.recommendations.histories import Users, users_in
from lakeshop.recommendations.lists import (
    AGAIN,
    LISTS,
    FixedPlaces,
    Picks,
    ProductGroups,
    Rules,
    Scored,
    picked_lists,
)
from lakeshop.recommendations.ranking import prior_log_odds, prior_terms
from lakeshop.recommendations.reasons import (
    BOUGHT_WITH,
    CODES,
    Facts,
    by_family,
    causes_of,
    codes_of,
)
from lakeshop.recommendations.settings import RecommendationSettings
from lakeshop.recommendations.shelf import Shelf
from lakeshop.training.inference import Network, loaded, predictions

OFTEN = 2.0  # habit of a category's other products from which it is a user's taste
PICKS = (
    "user_id STRING, list STRING, rank INT, product_id STRING, log_odds DOUBLE, reason_code STRING,"
    " because_product_id STRING, source STRING, rule STRING, propensity DOUBLE, times INT,"
    " interval INT, last_age INT"
)


@dataclass(frozen=True, eq=False)
class Ranker:
    """The champion of a night: its network, inputs and usual pair."""

    network: Network
    names: tuple[str, ...]
    usual: Floats

    def probabilities(self, inputs: Floats32) -> Floats:
        """Probability of a purchase of each pair, float64[n]."""
        predict = loaded(self.network)
        return predictions(predict, columns_of_pair(self.names), inputs, 1)[:, 0]


@dataclass(frozen=True, eq=False)
class Night:
    """Everything that a task of a night needs beside its users."""

    day: date
    shelf: Shelf = field(repr=False)
    groups: ProductGroups = field(repr=False)
    rules: Rules = field(repr=False)
    options: RecommendationSettings
    departments: int
    ranker: Ranker | None
    hidden: Bools = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs of a pair: of the champion, else all."""
        return self.ranker.names if self.ranker else names_of(self.shelf.weights)


def lists_of(rows: pa.RecordBatch, night: Night) -> pa.RecordBatch:
    """The lists of a batch of users, with the columns of `PICKS`."""
    users, options = users_in(rows, night.shelf, night.departments), night.options
    found = candidates(users, night.shelf, options, night.day, _always(night.rules.always))
    batch = Batch(users, night.shelf, found)
    inputs = features(batch, night.names)
    scores = _log_odds(inputs, night)
    is_explored = found.sources == 1 << found.names.index(EXPLORED)
    scored = Scored(found.user, found.product, scores, batch.is_known, is_explored)
    picks = picked_lists(scored, night.groups, night.rules, options.list_length)
    return _named(batch, inputs[picks.place], picks, scored, night)


def _always(shown: FixedPlaces) -> Always:
    is_again = shown.list == AGAIN
    return Always(np.unique(shown.product[~is_again]), np.unique(shown.product[is_again]))


def _log_odds(inputs: Floats32, night: Night) -> Floats:
    options = night.options
    if night.ranker is None:
        return prior_log_odds(inputs, night.names, prior_terms(options))
    # A number that a network does not give ranks last.
    return log_odds(np.nan_to_num(night.ranker.probabilities(inputs), nan=0.0))


def _named(
    batch: Batch, inputs: Floats32, picks: Picks, scored: Scored, night: Night
) -> pa.RecordBatch:
    users, shelf, found = batch.users, batch.shelf, batch.candidates
    user, product = found.user[picks.place], found.product[picks.place]
    causes = _causes(users, shelf, (user, product), night)
    pair = {name: values[picks.place] for name, values in batch.pair.items()}
    facts = _facts(batch, picks, scored, causes, pair, night)
    contribution: Mapping[str, Floats] = {}
    if night.ranker is not None:
        ids = users.ids.take(pa.array(user)).to_pylist()
        keys = [f"{name} {number}" for name, number in zip(ids, product.tolist(), strict=True)]
        contribution = by_family(
            night.ranker.probabilities, inputs, night.ranker.usual, keys, night.names
        )
    codes = codes_of(contribution, facts)
    code = pa.array(CODES).take(pa.array(codes))
    rules = np.where(picks.rule >= 0, picks.rule, 0)
    explored = np.where(facts.is_explored, found.propensity[user], np.nan)
    last, first = pair["days_since_purchase"], pair["days_since_first_purchase"]
    interval = np.maximum(np.rint((first - last) / np.maximum(facts.times - 1, 1)), 1)
    ids_ = shelf.catalogue.product_ids
    is_with = codes == CODES.index(BOUGHT_WITH)
    columns = {
        "user_id": users.ids.take(pa.array(user)),
        "list": pa.array(LISTS).take(pa.array(picks.list.astype(np.int64))),
        "rank": pa.array(picks.rank, pa.int32()),
        "product_id": ids_.take(pa.array(product)),
        "log_odds": pa.array(picks.log_odds),
        "reason_code": code,
        "because_product_id": ids_.take(pa.array(causes, mask=~is_with)),
        "source": pa.array(_sources(found, picks.place, picks.list == AGAIN)),
        "rule": pa.array(night.rules.names or ("",)).take(pa.array(rules, mask=picks.rule < 0)),
        "propensity": pa.array(explored, from_pandas=True),
        "times": pa.array(facts.times.astype(np.int32)),
        "interval": pa.array(interval.astype(np.int32)),
        "last_age": pa.array(last.astype(np.int32)),
    }
    return pa.RecordBatch.from_pydict(columns)


def _causes(users: Users, shelf: Shelf, pairs: tuple[Integers, Integers], night: Night) -> Integers:
    """The user's product that speaks most for each pick, by the first measure of which any does.

    A product that the shop never shows is not named either.
    """
    user, product = pairs
    target = shelf.places[product].astype(np.int64)
    speaking = users.bought.where(~night.hidden[users.bought.product])
    main = night.options.new_measure
    causes = np.full(user.size, -1, np.int64)
    for measure in sorted(shelf.weights, key=lambda name: (name != main, name)):
        left = np.flatnonzero(causes < 0)
        by_target = shelf.by_target[measure]
        causes[left] = causes_of(by_target, speaking, users.size, user[left], target[left])
    return causes


def _facts(
    batch: Batch,
    picks: Picks,
    scored: Scored,
    causes: Integers,
    pair: Mapping[str, Floats],
    night: Night,
) -> Facts:
    at, shelf = picks.place, batch.shelf
    product = {name: shelf.figures[name][batch.product[at]] for name in shelf.figures}
    habit = batch.habit_of(shelf.category, "habit")[at] - pair["habit"]
    n_always = night.rules.always.rule
    return Facts(
        times=pair["purchase_days"],
        cause=causes,
        is_promoted=(product["mailer_stores"] > 0) | (product["display_stores"] > 0),
        price_change=np.nan_to_num(product["price_change"]),
        is_looked_at=batch.action["views"][at] + batch.action["carts"][at] > 0,
        is_popular=product["buyers_short"] > 0,
        is_of_taste=(habit >= OFTEN) & (shelf.category[batch.product[at]] > 0),
        is_arrival=batch.candidates.is_of(ARRIVED)[at] > 0,
        is_explored=scored.explored[at],
        is_chosen=np.isin(picks.rule, n_always) & (picks.rule >= 0),
    )


def _sources(found: Candidates, at: Integers, is_again: Bools) -> list[str]:
    """The first source of each pick: `habit` of what was bought before."""
    bits = found.sources[at]
    lowest = np.log2((bits & -bits).astype(np.float64)).astype(np.int64)
    names = np.array([*found.names], dtype=object)[lowest]
    names[is_again] = "habit"
    return list(names)
