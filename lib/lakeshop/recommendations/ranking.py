"""Scores of candidates: how well they rank users held out, and those by prior terms. No Spark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lakeshop.ml.arrays import Bools, Floats, Floats32, Integers
from lakeshop.ml.ranking import paired_interval
from lakeshop.recommendations.settings import RecommendationSettings


@dataclass(frozen=True, eq=False)
class HeldOut:
    """All candidates of users who came in the week held out, by user.

    Attributes:
        user: number of each candidate's user, ascending, int64[n].
        product: number of the product, for ties.
        inputs: of networks, float32[n, inputs].
        bought: whether it was bought in that week.
        is_known: whether the user had bought the product before.
        sources: bits of the candidate's sources.
        relevant: products that each user bought then, candidates or not, int64[users, 2]: of those
            bought before, and of others.
    """

    user: Integers
    product: Integers
    inputs: Floats32 = field(repr=False)
    bought: Bools
    is_known: Bools
    sources: Integers
    relevant: Integers

    def ndcg(self, scores: Floats, k: int) -> Floats:
        """The nDCG at `k` of each user who bought anything; NaN scores rank last."""
        order = np.lexsort((self.product, -np.nan_to_num(scores, nan=-np.inf), self.user))
        user, hit = self.user[order], self.bought[order]
        rank = np.arange(user.size) - np.searchsorted(user, user)
        gains = np.where(hit & (rank < k), 1 / np.log2(rank + 2), 0.0)
        relevant = self.relevant.sum(axis=1)
        found = np.bincount(user, gains, relevant.size)
        best = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(k) + 2))])
        counted = relevant > 0
        ndcg: Floats = found[counted] / best[np.minimum(relevant[counted], k)]
        return ndcg


def is_better(ndcg: Floats, than: Floats) -> bool:
    """Whether the paired interval of differences over users is above zero."""
    if ndcg.size < 2:
        return False
    found = paired_interval(ndcg - than, np.arange(ndcg.size).astype(str))
    return bool(found.low > 0)


def best_share(
    prior: Floats, learned: Floats, held: HeldOut, shares: Sequence[float], k: int
) -> float:
    """The share of what was learned to add to the prior terms: the first unless one is better.

    Args:
        prior: log-odds of the candidates by the prior terms.
        learned: what a network adds to them.
        held: the week held out, whose nDCG at `k` decides.
        shares: to choose from, from 0 to 1.
        k: length of the list.
    """
    best, *others = shares
    for other in others:
        of_other, of_best = (held.ndcg(prior + share * learned, k) for share in (other, best))
        best = other if is_better(of_other, of_best) else best
    return best


CONSTANT = "constant"
Terms = dict[str, dict[str, float]]  # of each list, by input


def prior_terms(options: RecommendationSettings) -> Terms:
    """Weights of inputs in the log-odds of a shop that has not learned its own, by list."""
    again, new = options.again, options.new
    return {
        "again": {
            CONSTANT: again.constant,
            "habit": again.habit,
            "recent": again.recent,
            "repeat_rate": again.repeat_rate,
            "is_bought_once": again.bought_once,
            "not_due": again.not_due,
            "trend": again.trend,
            "mailer": again.mailer,
            "activity": again.activity,
        },
        "new": {
            CONSTANT: new.constant,
            options.new_measure: new.similarity,
            "purchases_28": new.popularity,
            "short_trend": new.trend,
            "mailer": new.mailer,
            "activity": new.activity,
        },
    }


def prior_log_odds(inputs: Floats32, names: Sequence[str], terms: Terms) -> Floats:
    """Log-odds of a purchase by terms as of `prior_terms`, float64[n].

    Args:
        inputs: as of `features.features`.
        names: of the inputs.
        terms: of products bought before, and of others.
    """
    column = {name: inputs[:, place].astype(np.float64) for place, name in enumerate(names)}
    again, new = (_sum(terms[name], column) for name in ("again", "new"))
    return np.where(column["is_known"] > 0, again, new)


def _sum(terms: Mapping[str, float], column: Mapping[str, Floats]) -> Floats:
    weights = [(weight, name) for name, weight in terms.items() if name != CONSTANT]
    # One after the other: the sum does not depend on how many pairs there are.
    total = np.full(next(iter(column.values())).size, terms[CONSTANT])
    for weight, name in weights:
        total = total + weight * column[name]
    return total
