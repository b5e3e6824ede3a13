"""Reasons of picks, by hand."""

import numpy as np
import pytest
from scipy import sparse

from lakeshop.recommendations.features import FAMILIES, families_of, names_of
from lakeshop.recommendations.histories import Pairs
from lakeshop.recommendations.reasons import CODES, Facts, causes_of, codes_of

NOTHING = {
    "times": 0.0,
    "cause": -1,
    "is_promoted": False,
    "price_change": 0.0,
    "is_looked_at": False,
    "is_popular": False,
    "is_of_taste": False,
    "is_arrival": False,
    "is_explored": False,
    "is_chosen": False,
}


def code_of(contribution: dict[str, float], **facts: object) -> str:
    stated = Facts(**{name: np.array([value]) for name, value in (NOTHING | facts).items()})
    found = codes_of({family: np.array([x]) for family, x in contribution.items()}, stated)
    return CODES[found[0]]


@pytest.mark.parametrize(
    ("contribution", "facts", "code"),
    [
        ({}, {}, "in_the_range"),
        ({}, {"is_popular": True}, "popular"),
        ({}, {"times": 1.0}, "bought_before"),
        ({}, {"times": 3.0, "cause": 4}, "rebuy_interval"),
        ({}, {"cause": 4}, "bought_with"),
        ({"promotion": 2.0, "habit": 1.0}, {"times": 1.0, "is_promoted": True}, "promoted"),
        # A family without a true sentence gives way to the next one.
        ({"promotion": 2.0, "habit": 1.0}, {"times": 1.0}, "bought_before"),
        ({"price": 2.0}, {"price_change": -0.2}, "cheaper_now"),
        ({"price": 2.0}, {"price_change": 0.2}, "in_the_range"),
        ({"actions": 0.5, "taste": 0.4}, {"is_looked_at": True, "is_of_taste": True}, "looked_at"),
        ({"taste": 0.4, "similarity": 0.3}, {"is_of_taste": True, "cause": 1}, "of_your_taste"),
        ({"popularity": 1.0}, {"is_arrival": True}, "new_arrival"),
        # What lowers the score is no reason.
        ({"taste": -0.4, "similarity": 0.1}, {"is_of_taste": True, "cause": 1}, "bought_with"),
        ({"similarity": 1.0}, {"cause": 1, "is_explored": True}, "to_try"),
        ({"similarity": 1.0}, {"cause": 1, "is_chosen": True}, "chosen_by_shop"),
    ],
)
def test_the_weightiest_family_that_can_be_said(contribution, facts, code) -> None:
    assert code_of(contribution, **facts) == code


def test_every_input_has_one_family() -> None:
    names = names_of(("user_linear", "basket_cosine"))
    places = [place for at in families_of(names).values() for place in at]
    assert sorted(places) == list(range(len(names)))
    assert all(families_of(names)[family] for family in FAMILIES)


def test_the_cause_is_the_users_product_of_the_largest_weight() -> None:
    # Products 0 to 3 speak for the targets 0 and 1; what was brought back speaks for nothing.
    weights = sparse.csr_matrix(np.array([[0.1, 0.0], [0.3, 0.2], [0.3, -0.5], [0.9, 0.9]]))
    bought = Pairs(
        np.array([0, 0, 0, 0, 1]),
        np.array([0, 1, 2, 3, 2]),
        {"purchase_days": np.array([1.0, 1.0, 1.0, 0.0, 2.0])},
    )
    user, target = np.array([0, 0, 1, 1, 0]), np.array([0, 1, 0, 1, -1])
    found = causes_of(weights.T.tocsr(), bought, 2, user, target)
    assert found.tolist() == [1, 1, 2, -1, -1]  # of equals the first; a negative weight is none
