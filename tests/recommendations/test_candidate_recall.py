"""Recall of candidates by hand, and against a plain loop."""

from collections import Counter

import numpy as np
import pytest

from lakeshop.recommendations.candidate_recall import candidate_recall
from lakeshop.recommendations.ranking import HeldOut

NAMES = ("habit", "popular", "neighbours")


def held(rows, relevant):
    """Of rows of (user, product, bits of sources, is known, is bought)."""
    user, product, sources, known, bought = np.array(rows, np.int64).reshape(-1, 5).T
    inputs = np.zeros((len(rows), 1), np.float32)
    kinds = (bought.astype(bool), known.astype(bool), sources)
    return HeldOut(user, product, inputs, *kinds, np.array(relevant, np.int64).reshape(-1, 2))


def shares(rows, relevant):
    return {(name, of): share for name, of, share in candidate_recall(held(rows, relevant), NAMES)}


def test_recall_by_hand():
    # Of again, one of two is reached, by habit. Of new, one of three, by two sources.
    rows = [
        (0, 1, 0b001, 1, 1), (0, 2, 0b001, 1, 0), (0, 3, 0b110, 0, 1), (0, 4, 0b010, 0, 0),
    ]  # fmt: skip
    third = pytest.approx(1 / 3)
    assert shares(rows, [(1, 2), (1, 0), (0, 1)]) == {
        ("all", "again"): 0.5, ("all", "new"): third,
        ("habit", "again"): 0.5, ("habit", "new"): 0.0,
        ("popular", "again"): 0.0, ("popular", "new"): third,
        ("neighbours", "again"): 0.0, ("neighbours", "new"): third,
    }  # fmt: skip


def test_without_candidates_nothing_is_reached_and_without_purchases_nothing_is_said():
    assert shares([], [(0, 2)]) == {(name, "new"): 0.0 for name in ("all", *NAMES)}
    assert shares([(0, 1, 1, 1, 0)], [(0, 0)]) == {}


def test_recall_equals_a_plain_loop():
    generator = np.random.default_rng(4)
    rows = [
        (user, product, *generator.integers(0, (8, 2, 2)).tolist())
        for user in range(8)
        for product in range(6)
    ]
    relevant = np.array([(9, 7)] * 8)
    reached: Counter[tuple[str, str]] = Counter()
    for _, _, sources, known, bought in rows:
        kind = "again" if known else "new"
        for bit, name in enumerate(NAMES):
            reached[name, kind] += bool(bought and sources & 1 << bit)
        reached["all", kind] += bool(bought)
    of_all = {"again": 9 * 8, "new": 7 * 8}
    expected = {
        (name, kind): reached[name, kind] / n
        for kind, n in of_all.items()
        for name in ("all", *NAMES)
    }
    assert shares(rows, relevant) == pytest.approx(expected)
