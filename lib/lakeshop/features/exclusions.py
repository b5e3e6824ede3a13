"""Products that are no goods: postage, bags, deposits, gift cards.

`shop.exclude_products` names them. They are sold and counted as any other; recommendations,
similarity and forecasts leave them out.
"""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.config.shop import ExcludedProducts
from lakeshop.ml.arrays import Bools

# A letter or digit in regular expressions of Spark, and in those of Python.
OF_SPARK, OF_PYTHON = r"[\p{L}\p{N}]", r"[^\W_]"


def without_excluded(
    rows: DataFrame, products: DataFrame, excluded: ExcludedProducts | None
) -> DataFrame:
    """Leave out the rows of excluded products; nothing is added to a plan where there are none.

    Args:
        rows: have a `product_id`.
        products: the newest version of each product, with `name`, `department` and `category`.
        excluded: what the shop excludes.
    """
    if excluded is None:
        return rows
    if excluded.ids:
        is_named = F.col("product_id").isin(*excluded.ids)
        rows = rows.where(F.coalesce(~is_named, F.lit(True)))
    if not (excluded.categories or excluded.patterns):
        return rows
    matching = products.where(is_excluded(excluded)).select("product_id").distinct()
    return rows.join(F.broadcast(matching), on="product_id", how="left_anti")


def is_excluded(excluded: ExcludedProducts) -> Column:
    """Return whether a product of the catalogue is of an excluded category or name."""
    categories = [category.lower() for category in excluded.categories]
    conditions = [F.lower(name).isin(*categories) for name in ("department", "category")]
    conditions += [F.col("name").rlike(expression(pattern)) for pattern in excluded.patterns]
    return F.array_contains(F.array(*[F.coalesce(c, F.lit(False)) for c in conditions]), True)


def named_in(catalogue: pd.DataFrame, named: ExcludedProducts) -> Bools:
    """Mask of the products that are named, by id, category or name: bool[n]. No Spark here.

    Args:
        catalogue: product_id, name, department and category of n products.
        named: by the rules of `without_excluded`.
    """
    found = catalogue["product_id"].isin(named.ids).to_numpy(dtype=bool)
    categories = {category.lower() for category in named.categories}
    for column in ("department", "category"):
        found |= _each(catalogue[column], lambda text: text.lower() in categories)
    for pattern in named.patterns:
        found |= _each(catalogue["name"], re.compile(expression(pattern, OF_PYTHON)).search)
    return found


def _each(texts: pd.Series, fits: Callable[[str], object]) -> Bools:
    return np.array([isinstance(text, str) and bool(fits(text)) for text in texts], dtype=bool)


def expression(pattern: str, letter: str = OF_SPARK) -> str:
    """The regular expression of a pattern: whole words, `*` for any text, case ignored."""
    parts = [re.escape(part) for part in pattern.strip().split("*")]
    return f"(?iu)(?<!{letter}){'.*'.join(parts)}(?!{letter})"
