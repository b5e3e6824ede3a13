"""The rules of the shop, from its settings and its catalogue, for the products of a night.

They are made on the driver, once a night; `lists` follows them in tasks.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lakeshop.config.shop import ExcludedProducts
from lakeshop.features.exclusions import named_in
from lakeshop.ml.arrays import Bools, Floats, Ids
from lakeshop.recommendations.filling import NO_RULE, Cap
from lakeshop.recommendations.lists import LISTS, FixedPlaces, ProductGroups, Rules
from lakeshop.recommendations.settings import (
    AlwaysShown,
    Boost,
    ChosenProducts,
    RecommendationSettings,
)

SHOWN = 3  # of the names of a boost


def groups_of(catalogue: pd.DataFrame) -> ProductGroups:
    """The groups of the products of a catalogue, numbered by its rows.

    Args:
        catalogue: department, category and brand of each product.
    """
    codes = (pd.factorize(catalogue[name])[0] for name in ("department", "category", "brand"))
    return ProductGroups(*[code.astype(np.int64) for code in codes])


def rules_of(
    settings: RecommendationSettings, catalogue: pd.DataFrame, stock: pd.DataFrame | None = None
) -> Rules:
    """The rules of the settings for the products of a catalogue; its rows number them.

    Args:
        settings: have the rules and the explored share.
        catalogue: product_id, name, department, category, brand and `is_offered`, each product
            once.
        stock: product_id and units of products that were counted; others have none.

    Raises:
        ValueError: a boost is by stock, and there is none.
    """
    stated = settings.rules
    caps, soft = (
        [(level, most) for level, most in of_levels if most is not None]
        for of_levels in (stated.at_most, settings.variety)
    )
    names = [
        *[f"always {shown.product}" for shown in stated.always],
        *[_boost_name(boost) for boost in stated.boost],
        *[f"at most {most} per {level}" for level, most in caps],
        *[f"variety, {most} per {level}" for level, most in soft],
    ]
    n_always, n_boosts = len(stated.always), len(stated.boost)
    # What is sold out or discontinued has no place, whoever gave it one.
    never = _chosen(catalogue, stated.never) | ~catalogue["is_offered"].to_numpy(dtype=bool)
    always = _fixed_places(stated.always, catalogue["product_id"], never)
    units = _units(catalogue, stock, stated.boost)
    boosted = [_boosted(catalogue, boost, units) for boost in stated.boost]
    unmatched = [
        *_unmatched(catalogue, stated.never),
        *[names[rule] for rule in range(n_always) if rule not in always.rule],
        *[
            name
            for name, mask in zip(names[n_always:], boosted, strict=False)
            if not (mask & ~never).any()
        ],
    ]
    boost, boosted_by = _sums(boosted, stated.boost, len(catalogue), n_always)
    return Rules(
        names=tuple(names),
        unmatched=tuple(unmatched),
        never=never,
        boost=boost,
        boosted_by=boosted_by,
        always=always,
        caps=tuple(
            Cap(level, most, n_always + n_boosts + number, is_soft=number >= len(caps))
            for number, (level, most) in enumerate([*caps, *soft])
        ),
        explored_share=settings.explore.share,
    )


def _boost_name(boost: Boost) -> str:
    """Such as `boost beer, wine` or `boost beer with stock above 100`."""
    more = "" if len(boost.named) <= SHOWN else f" and {len(boost.named) - SHOWN} more"
    words = [", ".join(boost.named[:SHOWN]) + more] if boost.named else []
    if boost.stock_above is not None:
        words.append(f"stock above {boost.stock_above:g}")
    return f"boost {' with '.join(words)}"


def as_excluded(chosen: ChosenProducts) -> ExcludedProducts:
    """Products of a rule as `features.exclusions` reads them."""
    return ExcludedProducts(
        ids=chosen.products, categories=chosen.categories, patterns=chosen.patterns
    )


def hidden_of(settings: RecommendationSettings, catalogue: pd.DataFrame) -> Bools:
    """Mask of the products that the shop never shows: bool[n]."""
    return _chosen(catalogue, settings.rules.never)


def _chosen(catalogue: pd.DataFrame, chosen: ChosenProducts) -> Bools:
    return named_in(catalogue, as_excluded(chosen))


def _unmatched(catalogue: pd.DataFrame, never: ChosenProducts) -> list[str]:
    """The categories and patterns that fit no product; a product that is not here is not shown."""
    alone = {
        **{name: ChosenProducts(categories=(name,)) for name in never.categories},
        **{name: ChosenProducts(patterns=(name,)) for name in never.patterns},
    }
    return [f"never {name}" for name, one in alone.items() if not _chosen(catalogue, one).any()]


def _fixed_places(always: Sequence[AlwaysShown], ids: pd.Series, never: Bools) -> FixedPlaces:
    """The fixed places of the products that may be shown, by list and place."""
    numbers = {product: number for number, product in enumerate(ids)}
    rows = sorted(
        (LISTS.index(shown.list), shown.place, numbers[shown.product], rule)
        for rule, shown in enumerate(always)
        if shown.product in numbers and not never[numbers[shown.product]]
    )
    listed, place, product, rule = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return FixedPlaces(product, listed, place, rule.astype(np.int32))


def _units(catalogue: pd.DataFrame, stock: pd.DataFrame | None, boosts: Sequence[Boost]) -> Floats:
    """Units in stock by product, 0 where nothing was counted.

    Raises:
        ValueError: a boost is by stock, and there is none.
    """
    if stock is not None:
        counted = stock.set_index("product_id")["units"]
        return catalogue["product_id"].map(counted).fillna(0).to_numpy(dtype=np.float64)
    by_stock = [_boost_name(boost) for boost in boosts if boost.stock_above is not None]
    if by_stock:
        msg = (
            f"Rules of the shop should have the units in stock for {by_stock[0]!r}. Received "
            "none; pass them as `stock`."
        )
        raise ValueError(msg)
    return np.zeros(len(catalogue))


def _boosted(catalogue: pd.DataFrame, boost: Boost, units: Floats) -> Bools:
    """Mask of the products that a boost is of."""
    found = np.ones(len(catalogue), dtype=bool)
    if boost.named:
        departments = {name.lower() for name in boost.departments}
        of_department = catalogue["department"].astype("string").str.lower().isin(departments)
        found = _chosen(catalogue, boost) | of_department.to_numpy(dtype=bool)
    if boost.stock_above is not None:
        found = found & (units > boost.stock_above)
    return found


def _sums(
    boosted: Sequence[Bools], boosts: Sequence[Boost], n_products: int, first: int
) -> tuple[Floats, Ids]:
    """Summed logarithms of the factors by product, and the strongest rule: the first of equals."""
    total, strongest = np.zeros(n_products), np.zeros(n_products)
    rule = np.full(n_products, NO_RULE, dtype=np.int32)
    for number, (mask, boost) in enumerate(zip(boosted, boosts, strict=True)):
        added = np.where(mask, math.log(boost.odds), 0.0)
        is_stronger = np.abs(added) > strongest
        rule[is_stronger], strongest[is_stronger] = first + number, np.abs(added[is_stronger])
        total += added
    return total, rule
