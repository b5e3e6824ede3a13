"""Similar products against plain Python: which pairs are complements, which are substitutes."""

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

import pytest

from conftest import collected
from lakeshop.engine.context import BuildContext
from lakeshop.recommendations.similar_products import listed, similar_products
from lakeshop.storage.lake import Lake

DAY = date(2026, 3, 31)
COLUMNS = ["product_id", "rank", "similar_product_id", "relation", "reason", "score", "source"]
KINDS = {
    **{"a": ("DAIRY", "MILK"), "b": ("DAIRY", "MILK"), "c": ("DAIRY", "MILK")},
    **{"d": ("BAKERY", "BREAD"), "e": ("BAKERY", "BREAD"), "f": (None, "BREAD")},
    # Categories of one name in two departments are two; of two products none is known.
    **{"g": ("DRINKS", "MILK"), "h": ("DAIRY", None), "i": (None, None)},
}
NOT_SOLD = "j"


class Met(NamedTuple):
    """A row of neighbours of one product and measure."""

    similarity: float
    support: int
    expected: float | None

    @property
    def is_often(self) -> bool:
        return self.expected is None or self.support > self.expected


Pairs = dict[tuple[str, str, str], Met]


def random_pairs(seed: int) -> Pairs:
    """Few values, so that similarities tie and some meet just as often as by chance."""
    draw = random.Random(seed)
    ids = [*KINDS, NOT_SOLD]
    return {
        (measure, a, b): Met(
            draw.choice([0.25, 0.5, 0.75]), draw.choice([3, 5]), draw.choice([None, 2.5, 5.0, 7.5])
        )
        for measure in ("visit_cosine", "user_cosine", "basket_cosine", "user_linear")
        for a in ids
        for b in ids
        if a != b and draw.random() < 0.7
    }


def kind_of(product):
    department, category = KINDS[product]
    return None if category is None else (department, category)


def told(pairs: Pairs, a: str, b: str) -> tuple[str, str] | None:
    """The relation and measure of a pair; None if it is in no list."""
    visit, user, basket = (
        pairs.get((f"{basis}_cosine", a, b)) for basis in ("visit", "user", "basket")
    )
    if visit is None and user is None and basket is None:
        return None
    kinds = kind_of(a), kind_of(b)
    is_known = None not in kinds
    looked_at = visit is not None and visit.is_often
    rules = [
        (basket and basket.is_often, "complement", "basket_cosine"),
        (looked_at and (not is_known or kinds[0] == kinds[1]), "substitute", "visit_cosine"),
        (user and user.is_often and is_known and kinds[0] == kinds[1], "substitute", "user_cosine"),
        (looked_at, "related", "visit_cosine"),
        (user, "related", "user_cosine"),
        (visit, "related", "visit_cosine"),
        (basket, "related", "basket_cosine"),
    ]
    return next((relation, measure) for holds, relation, measure in rules if holds)


def sentence(relation: str, measure: str, support: int) -> str:
    said = {
        "visit_cosine": f"looked at in the same {support} visits",
        "user_cosine": f"bought by the same {support} customers",
        "basket_cosine": f"bought together in {support} baskets",
    }[measure]
    if relation == "substitute":
        kind = " of the same kind" if measure == "user_cosine" else ""
        return f"an alternative{kind}, {said}"
    return said


def oracle(pairs: Pairs, length: int) -> list[tuple[object, ...]]:
    """All lists, one product after the other: places are given away one at a time."""
    order = ("visit_cosine", "user_cosine", "basket_cosine")
    rows: list[tuple[object, ...]] = []
    for a in KINDS:
        found: dict[str, list[tuple[int, float, str, str]]] = {}
        for b in KINDS:
            if b != a and (known := told(pairs, a, b)):
                relation, measure = known
                similarity = pairs[measure, a, b].similarity
                key = (order.index(measure), -similarity, b, measure)
                found.setdefault(relation, []).append(key)
        queues = {r: sorted(found.get(r, [])) for r in ("complement", "substitute", "related")}
        taken = {"complement": 0, "substitute": 0, "related": 0}
        for _ in range(length):
            open_ones = [r for r in taken if taken[r] < len(queues[r])]
            both = [r for r in open_ones if r != "related"] or open_ones
            if both:
                # In turn, the complement first; the one left alone takes the rest.
                taken[min(both, key=lambda r: taken[r])] += 1
        chosen = [(r, *queue[: taken[r]]) for r, queue in queues.items()]
        placed = [(relation, key) for relation, *keys in chosen for key in keys]
        for rank, (relation, (_, _, b, measure)) in enumerate(placed, 1):
            met = pairs[measure, a, b]
            said = sentence(relation, measure, met.support)
            rows.append((a, rank, b, relation, said, met.similarity, measure))
    return sorted(rows, key=repr)


@pytest.fixture
def made(rows, settings):
    """The lists of some pairs, as long as asked for, of neighbours in so many partitions."""

    def made(pairs, length=4, n_partitions=1, kinds=KINDS):
        section = settings.recommendations.model_copy(update={"list_length": length})
        night = BuildContext(DAY, settings.model_copy(update={"recommendations": section}))
        neighbours = [
            {
                "measure": measure,
                "product_id": a,
                "neighbour_id": b,
                "similarity": met.similarity,
                "support": met.support,
                "expected_support": met.expected,
            }
            for (measure, a, b), met in pairs.items()
        ]
        catalogue = [
            {"product_id": product, "department": department, "category": category}
            for product, (department, category) in kinds.items()
        ]
        sold = [{"product_id": p, "days_since_purchase": 0} for p in KINDS]
        old = {"product_id": NOT_SOLD, "days_since_purchase": 400}
        tables = {
            "features.products": rows("features.products", *sold, old),
            "similarity.neighbours": rows("similarity.neighbours", *neighbours).repartition(
                n_partitions
            ),
            "silver.products": rows("silver.products", *catalogue),
            "silver.stock": rows("silver.stock"),
        }
        found = collected(similar_products(tables, night), *COLUMNS)
        night.release()
        return found

    return made


@pytest.mark.parametrize(("seed", "length", "n_partitions"), [(1, 4, 1), (2, 5, 7), (3, 1, 3)])
def test_lists_equal_the_oracle(made, seed, length, n_partitions):
    pairs = random_pairs(seed)
    expected = oracle(pairs, length)
    assert len({row[3] for row in expected}) == 3 or length == 1
    assert made(pairs, length, n_partitions) == expected


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ((9, 9, 9), (3, 2, 0)),
        ((9, 1, 9), (4, 1, 0)),
        ((1, 9, 9), (1, 4, 0)),
        ((1, 1, 9), (1, 1, 3)),
        ((0, 0, 2), (0, 0, 2)),
        ((0, 9, 0), (0, 5, 0)),
    ],
)
def test_places_are_shared_out(spark, counts, kept):
    relations = ("complement", "substitute", "related")
    pairs = [
        ("p", f"{relation}{n}", relation, "user", 0.5)
        for relation, count in zip(relations, counts, strict=True)
        for n in range(count)
    ]
    texts = ("product_id", "neighbour_id", "relation", "basis")
    schema = ", ".join([*[f"{name} STRING" for name in texts], "similarity DOUBLE"])
    found = collected(listed(spark.createDataFrame(pairs, schema), 5), "rank", "neighbour_id")
    expected = [f"{r}{n}" for r, count in zip(relations, kept, strict=True) for n in range(count)]
    assert found == list(enumerate(expected, 1))


def test_a_pair_of_one_category_bought_together_is_a_complement(made):
    """As flavours of one yoghurt are, which lie in one basket."""
    often = {
        ("basket_cosine", "a", "b"): Met(0.5, 5, 2.0),
        ("user_cosine", "a", "b"): Met(1.0, 9, 1.0),
    }
    assert [row[3] for row in made(often)] == ["complement"]
    by_chance = often | {("basket_cosine", "a", "b"): Met(0.5, 5, 5.0)}
    assert [row[3] for row in made(by_chance)] == ["substitute"]


def test_without_views_category_and_purchases_tell_substitutes(made):
    pairs = {("user_cosine", "a", b): Met(0.5, 5, 2.0) for b in "bd"}
    found = {row[2]: row[3:5] for row in made(pairs)}
    assert found == {
        "b": ("substitute", "an alternative of the same kind, bought by the same 5 customers"),
        "d": ("related", "bought by the same 5 customers"),
    }


def test_without_a_catalogue_views_alone_tell_substitutes(made):
    pairs = {
        ("user_cosine", "a", "b"): Met(0.5, 5, 2.0),
        ("visit_cosine", "a", "d"): Met(1.0, 6, 2.0),
    }
    found = {row[2]: row[3:5] for row in made(pairs, kinds={})}
    assert found == {
        "b": ("related", "bought by the same 5 customers"),
        "d": ("substitute", "an alternative, looked at in the same 6 visits"),
    }


def test_neighbours_that_tell_of_no_chance_count_as_more_than_it(made):
    """Those of an older lake, until they are found anew."""
    pairs = {("basket_cosine", "a", "d"): Met(0.5, 5, None)}
    assert [row[3] for row in made(pairs)] == ["complement"]


def test_a_lake_without_relations_gains_them_by_its_next_night(spark, tmp_path, contracts, rows):
    table, next_day = "gold.similar_products", DAY + timedelta(days=1)
    today = contracts[table]
    older = replace(
        today,
        columns=tuple(c for c in today.columns if c.name != "relation"),
        checks=tuple(c for c in today.checks if c.name != "relation_is_known"),
    )
    for contract, day in ((older, DAY), (today, next_day)):
        lake = Lake(spark, str(tmp_path), {table: contract})
        made = rows(table, {"business_date": day, "relation": "complement"})
        lake.replace_days(table, made.select(*contract.column_names), day, day, run_id="r")
    relations = collected(lake.read(table), "business_date", "relation")
    assert relations == [(DAY, None), (next_day, "complement")]
