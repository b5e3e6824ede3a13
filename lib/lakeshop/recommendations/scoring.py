"""Scores of every product of a catalogue for each user, from the user's purchases.

A user's score for a product is a sum of item-item weights over the products they bought: a sparse
matrix product per batch of users. No Spark here. The model is made on the driver and grows with the
catalogue alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from lakeshop.ml.arrays import Floats, Integers
from lakeshop.similarity.linear import largest

NOTHING_SPEAKS = 0.02  # added to a summed similarity, so that its logarithm exists


@dataclass(frozen=True)
class ItemModel:
    """Weights of bought products for products that may be recommended.

    Products are numbered from 0. `weights[j, i]` is the weight of j for i. `popularity[i]` is the
    part of i's log-odds that is common to all users, -inf where i may not be recommended.
    `similarity_term` weighs the logarithm of the summed weights.
    """

    weights: sparse.csr_matrix
    popularity: Floats
    similarity_term: float

    @cached_property
    def for_product(self) -> sparse.csr_matrix:
        """The weights by recommended product: `for_product[i, j]` is `weights[j, i]`."""
        return self.weights.T.tocsr()


@dataclass(frozen=True)
class TopK:
    """One row per user and rank: the product, its log-odds, and its main explanation.

    `because` is the user's product with the largest weight, -1 without any.
    """

    user: Integers
    rank: Integers
    product: Integers
    log_odds: Floats
    because: Integers


def item_model(
    pairs: tuple[Integers, Integers, Floats], popularity: Floats, similarity_term: float
) -> ItemModel:
    """A model from pairs of (product bought, product recommended, weight), each once."""
    bought, other, weight = pairs
    shape = (popularity.size, popularity.size)
    weights = sparse.csr_matrix((weight, (bought, other)), shape=shape)
    weights.sort_indices()
    return ItemModel(weights, popularity, similarity_term)


def new_picks(
    model: ItemModel,
    bought: Sequence[Integers],
    user_terms: Floats,
    k: int,
    speaking: Sequence[Integers] | None = None,
) -> TopK:
    """The `k` products with the highest log-odds that a user never bought.

    log-odds = popularity + user term + similarity_term * ln(max(0, summed weights) + 0.02)

    Args:
        model: of the catalogue.
        bought: the products of each user, unique, in any order.
        user_terms: the part of the log-odds that is the same for all products of a user.
        k: picks per user at most.
        speaking: of the products bought, those that speak for others; all by default.

    Returns:
        By user, in their order, and rank; ties go to the smaller product.
    """
    owned = _matrix(bought, model.popularity.size)
    own = owned if speaking is None else _matrix(speaking, model.popularity.size)
    sums = np.asarray((own @ model.weights).todense())
    log_odds = model.popularity[None, :] + user_terms[:, None]
    log_odds = log_odds + model.similarity_term * np.log(np.maximum(sums, 0) + NOTHING_SPEAKS)
    log_odds[owned.nonzero()] = -np.inf
    best = largest(log_odds, k)
    user, place = np.nonzero(np.isfinite(np.take_along_axis(log_odds, best, axis=1)))
    product = best[user, place].astype(np.int64)
    because = np.where(sums[user, product] > 0, _causes(model, own, user, product), -1)
    return TopK(user, place + 1, product, log_odds[user, product], because)


def _matrix(bought: Sequence[Integers], n_products: int) -> sparse.csr_matrix:
    """Users x products; columns in order, so that sums do not depend on how they came."""
    offsets = np.concatenate([[0], np.cumsum([len(products) for products in bought])])
    columns = np.concatenate([np.sort(products) for products in bought] or [np.empty(0, np.int64)])
    ones = np.ones(len(columns))
    return sparse.csr_matrix(
        (ones, columns.astype(np.int64), offsets.astype(np.int64)), shape=(len(bought), n_products)
    )


def _causes(
    model: ItemModel, own: sparse.csr_matrix, user: Integers, product: Integers
) -> Integers:
    """For each pick, the user's product with the largest weight for it, the first of equals."""
    # Rows of one pick's candidates follow one another, in the order of the products.
    speaking = model.for_product[product]
    pick = np.repeat(np.arange(product.size), np.diff(speaking.indptr))
    is_own = np.asarray(own.toarray()[user[pick], speaking.indices] > 0)
    pick, candidate, weight = pick[is_own], speaking.indices[is_own], speaking.data[is_own]
    best_first = np.lexsort((candidate, -weight, pick))
    picks, first = np.unique(pick[best_first], return_index=True)
    causes = np.full(product.size, -1, dtype=np.int64)
    causes[picks] = candidate[best_first][first]
    return causes
