"""Users most like a user, through Spark against plain Python."""

import math
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from conftest import collected
from lakeshop.engine.context import BuildContext
from lakeshop.maintenance.personal_data import person_columns, places
from lakeshop.recommendations.user_neighbours import COLUMNS, user_neighbours
from lakeshop.similarity.histories import WEIGHT_SCALE

DAY = date(2026, 3, 31)
TABLE = "similarity.user_neighbours"
HALF_LIFE = 56


def random_purchases(seed: int) -> dict[tuple[str, str], int]:
    """Age of the newest purchase by user and product; few ages, so that similarities tie."""
    draw = random.Random(seed)
    users, products = [f"u{n}" for n in range(14)], [f"p{n}" for n in range(9)]
    pairs = [(u, p) for u in users for p in products if draw.random() < 0.4]
    return {pair: draw.choice([0, 112]) for pair in pairs} | {(u, "bread"): 1 for u in users}


def oracle(bought, k, shrinkage, least, most):
    """Rows from sums by hand; ties go to the user with most products, then by pseudonym."""
    users = sorted({u for u, _ in bought}, key=lambda u: (-sum(v == u for v, _ in bought), u))
    halvings = {pair: age / (2 * HALF_LIFE) for pair, age in bought.items()}
    weight = {pair: round(WEIGHT_SCALE * 2**-n) for pair, n in halvings.items()}
    for product in {p for _, p in bought}:
        buyers = [u for u in users if (u, product) in bought]
        newest = sorted(buyers, key=lambda u: (bought[u, product], users.index(u)))
        for user in newest[most:]:
            del weight[user, product]
    rows = []
    for user in users:
        mine = {p: w for (u, p), w in weight.items() if u == user}
        found = []
        for other in users:
            theirs = {p: w for (u, p), w in weight.items() if u == other}
            common = mine.keys() & theirs.keys()
            if other == user or len(common) < least:
                continue
            norms = [sum(w * w for w in of.values()) for of in (mine, theirs)]
            length = math.sqrt(norms[0] * norms[1]) + shrinkage * WEIGHT_SCALE**2
            similarity = sum(mine[p] * theirs[p] for p in common) / length
            found.append((-similarity, users.index(other), len(common)))
        for rank, (similarity, other, support) in enumerate(sorted(found)[:k], 1):
            rows.append((user, rank, users[other], -similarity, support))
    return sorted(rows, key=repr)


@pytest.fixture
def night(settings, contracts):
    """A night with some options of similarity."""

    def night(**changes):
        options = {"half_life_days": HALF_LIFE, "shrinkage": 1.5, "min_support": 2, "blocks": 2}
        similarity = settings.similarity.model_copy(update=options | changes)
        changed = settings.model_copy(update={"similarity": similarity})
        return BuildContext(DAY, changed, contract=contracts[TABLE])

    return night


@pytest.fixture
def made(rows):
    """The neighbours of days, by user, product and age; and the night's warnings."""

    def made(bought, night, n_partitions=1, more=()):
        days = [
            {"user_id": u, "product_id": p, "event_date": DAY - timedelta(days=age)}
            for (u, p), age in bought.items()
        ]
        tables = {
            "features.user_product_days": rows(
                "features.user_product_days", *days, *more
            ).repartition(n_partitions),
            "silver.products": rows("silver.products"),
        }
        found = user_neighbours(tables, night)
        assert found.columns == list(COLUMNS)
        result = collected(found)
        night.release()
        return result

    return made


@pytest.mark.parametrize(("seed", "most", "blocks", "n_partitions"), [(1, 99, 2, 1), (5, 5, 7, 7)])
def test_equals_the_oracle(made, night, seed, most, blocks, n_partitions):
    bought = random_purchases(seed)
    asked = night(user_neighbours=4, max_history=most, blocks=blocks)
    found, expected = made(bought, asked, n_partitions), oracle(bought, 4, 1.5, 2, most)
    assert len(expected) > 20
    assert len({(row[0], row[3]) for row in expected}) < len(expected), "some tie"
    assert [(*row[:3], row[4]) for row in found] == [(*row[:3], row[4]) for row in expected]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], rel=1e-12)
    assert ["buyers" in text for text in asked.warnings] == [True] * (most == 5)


def test_off_by_default_it_is_empty(made, night, settings):
    assert settings.similarity.user_neighbours == 0
    assert made(random_purchases(1), night()) == []


def test_without_purchases_it_is_empty(made, night):
    viewed = {"user_id": "u", "product_id": "p", "event_date": DAY, "lines": 0, "views": 9}
    nothing = viewed | {"units": Decimal(0), "amount": Decimal(0), "orders": 0}
    assert made({}, night(user_neighbours=4), more=[nothing]) == []


def test_what_was_brought_back_makes_nobody_alike(made, night):
    bought = {(u, p): 2 for u in ("u", "v") for p in ("p", "q")}
    back = {"user_id": "v", "product_id": "q", "event_date": DAY, "lines": 0, "units": Decimal(-1)}
    asked = night(user_neighbours=4)
    assert [row[:3] for row in made(bought, asked)] == [("u", 1, "v"), ("v", 1, "u")]
    assert made(bought, asked, more=[back]) == []


def test_an_erasure_reaches_both_users_of_a_row(contracts):
    assert person_columns(contracts[TABLE]) == ["user_id", "neighbour_id"]
    assert places(contracts[TABLE]) == ("business_date", "user_id", "neighbour_id")
