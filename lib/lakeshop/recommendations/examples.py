"""Examples of past nights: candidates as they were known then, and what was bought after.

An origin is a night some weeks before the training day. What it knew is read from that night's
tables, or made from daily sums where the lake has no such night: the same rows, by the same
builders. Neighbours are those of the oldest origin, which know no later purchase of any example.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import latest_versions
from lakeshop.features.product_days import LOOK_BACK_DAYS
from lakeshop.features.products import products
from lakeshop.features.user_products import purchase_days, user_products
from lakeshop.features.users import users
from lakeshop.ml.arrays import Bools, Floats32, Integers
from lakeshop.ml.hashing import draws_of
from lakeshop.recommendations.candidates import Candidates, candidates
from lakeshop.recommendations.features import (
    GROUPS,
    Batch,
    columns_of_pair,
    features,
    names_of,
)
from lakeshop.recommendations.histories import users_in
from lakeshop.recommendations.pairs import (
    Known,
    in_slices,
    shelf,
    shelf_rows,
    user_rows,
)
from lakeshop.recommendations.settings import RecommendationSettings, stride_days
from lakeshop.similarity.neighbours import neighbours
from lakeshop.training.shards import RECORD
from lakeshop.training.specification import FeatureSpec

ORIGIN = "origin"
LIST = f"user_id STRING, {ORIGIN} DATE, {RECORD} ARRAY<FLOAT>"
HELD_OUT = (
    "user_id STRING, again INT, new INT, inputs BINARY, products BINARY, bought BINARY, "
    "is_known BINARY, sources BINARY"
)
SHARE_OF_BOUGHT = 0.5  # of a list at most: the other pairs were not bought
PARTS = 2**31  # of all users
NO_PAIR = -1.0  # target of an empty place


@dataclass(frozen=True)
class Origin:
    """A past night: what it knew, and the products that each user bought in the days after it."""

    known: Known
    after: DataFrame  # user_id, after ARRAY<STRING>


def origins(tables: Tables, night: BuildContext) -> list[Origin]:
    """The nights that examples are of, the newest first; fewer in a young shop."""
    options, horizon = night.settings.section(RecommendationSettings), _horizon(night)
    stride = stride_days(horizon)
    days = [
        night.day - timedelta(days=horizon + stride * n) for n in range(options.learning.origins)
    ]
    first = tables["features.user_product_days"].agg(F.min(BUSINESS_DATE)).first()
    since = first[0] if first is not None else None
    days = [day for day in days if since is not None and day >= since + timedelta(days=horizon)]
    if len(days) < 2:
        return []
    nearest = neighbours_on(days[-1], tables, night)
    return [
        Origin(known_on(day, nearest, tables, night), _after(day, tables, horizon)) for day in days
    ]


def _horizon(night: BuildContext) -> int:
    return night.settings.evaluation.horizon_days


def _after(day: date, tables: Tables, horizon: int) -> DataFrame:
    days = tables["features.user_product_days"]
    is_after = F.col("event_date").between(
        F.lit(day + timedelta(days=1)), F.lit(day + timedelta(days=horizon))
    )
    bought = purchase_days(days.where(is_after)).select("user_id", "product_id").distinct()
    return bought.groupBy("user_id").agg(F.array_sort(F.collect_list("product_id")).alias("after"))


def known_on(day: date, nearest: DataFrame, tables: Tables, night: BuildContext) -> Known:
    """What a night knew."""
    then, context = _as_of(day, tables), _context(day, night)
    habits = _of_night("features.user_products", day, tables)
    habits = night.cache(user_products(then, context)) if habits is None else habits
    then = {**then, "features.user_products": habits}
    found = {}
    for name, builder in (("features.users", users), ("features.products", products)):
        rows = _of_night(name, day, tables)
        found[name] = builder(then, context) if rows is None else rows
    return Known(day, habits, found["features.users"], found["features.products"], nearest)


def neighbours_on(day: date, tables: Tables, night: BuildContext) -> DataFrame:
    """The neighbours of a night, found where the lake has none."""
    rows = _of_night("similarity.neighbours", day, tables)
    if rows is not None:
        return rows
    assert night.lake is not None, "a training has a lake"
    contract = night.lake.contract("similarity.neighbours")
    then = replace(_context(day, night), contract=contract)
    return night.cache(neighbours(_as_of(day, tables), then).withColumn(BUSINESS_DATE, F.lit(day)))


def _of_night(table: str, day: date, tables: Tables) -> DataFrame | None:
    rows = tables[table].where(F.col(BUSINESS_DATE) == F.lit(day))
    return None if rows.isEmpty() else rows


def _context(day: date, night: BuildContext) -> BuildContext:
    # What it caches is released with the night; what it would say of a table is not of this one.
    return replace(night, day=day, first=None, contract=None, warnings=[], failures=[], notices=[])


def _as_of(day: date, tables: Tables) -> dict[str, DataFrame]:
    """The daily tables as they were known on a day, within the look-back."""
    since, business_date = day - timedelta(days=LOOK_BACK_DAYS), F.col(BUSINESS_DATE)
    daily = ("features.user_product_days", "features.product_days", "silver.transactions")
    found = {
        name: tables[name].where(business_date.between(F.lit(since), F.lit(day))) for name in daily
    }
    known = {
        name: tables[name].where(business_date <= F.lit(day))
        for name in ("silver.promotions", "silver.products", "silver.stock")
    }
    catalogue = latest_versions(known["silver.products"], ["product_id"])
    return found | known | {"silver.products": catalogue}


def lists(origin: Origin, tables: Tables, night: BuildContext, share: float) -> DataFrame:
    """A list of pairs of a share of the users who came, in the order of the network's columns."""
    options = night.settings.section(RecommendationSettings)
    size, day = options.learning.list_size, origin.known.day
    is_chosen = _is_of(share, day)

    def listed(some: Labelled) -> pa.RecordBatch:
        records = []
        for user, cut in zip(some.ids, some.cuts(), strict=True):
            x, bought = some.inputs[cut], some.bought[cut]
            if bought.any():
                chosen = sampled(bought, size, f"{day} {user}")
                records.append((user, record_of(x[chosen], bought[chosen], size)))
        columns = {
            "user_id": pa.array([user for user, _ in records], pa.string()),
            ORIGIN: pa.array([day] * len(records), pa.date32()),
            RECORD: pa.array([record for _, record in records], pa.list_(pa.float32())),
        }
        return pa.RecordBatch.from_pydict(columns)

    return _candidates(origin, tables, night, is_chosen, listed, LIST)


def _is_of(share: float, day: date) -> Column:
    """True for a share of the users, however small it is in a large shop."""
    hashed = F.pmod(F.xxhash64("user_id", F.lit(f"{day}")), F.lit(PARTS))
    return hashed < int(PARTS * share)


def sampled(bought: Bools, size: int, seed: str) -> Integers:
    """At most `size` places: those bought, up to half of the list, and others drawn by a seed."""
    draw = draws_of(seed)
    yes = draw.permutation(np.flatnonzero(bought))[: int(size * SHARE_OF_BOUGHT)]
    no = draw.permutation(np.flatnonzero(~bought))[: size - yes.size]
    return np.concatenate([yes, no])


def record_of(x: Floats32, bought: Bools, size: int) -> Floats32:
    """A list as the record of a network, in the order of `columns_of_list`.

    The numbers of each place, then the codes of the groups of each, then the target of each.
    """
    padded = np.zeros((size, x.shape[1]), np.float32)
    padded[: len(x)] = x
    target = np.full(size, NO_PAIR, np.float32)
    target[: len(x)] = bought
    n = x.shape[1] - len(GROUPS)
    return np.concatenate([padded[:, :n].ravel(), padded[:, n:].ravel(), target])


def columns_of_list(names: tuple[str, ...], size: int) -> FeatureSpec:
    """Columns of a network of a list of pairs, by place."""
    inputs = {
        part: tuple(f"{name}.{place}" for place in range(size) for name in columns)
        for part, columns in columns_of_pair(names).inputs.items()
    }
    return FeatureSpec(inputs, tuple(f"bought.{place}" for place in range(size)))


def held_out(origin: Origin, tables: Tables, night: BuildContext, share: float) -> DataFrame:
    """All candidates of a share of the users who came, a row per user, as bytes."""
    day = origin.known.day
    is_chosen = _is_of(share, day)

    def whole(some: Labelled) -> pa.RecordBatch:
        of_pairs: dict[str, NDArray[Any]] = {
            "inputs": some.inputs,
            "products": some.found.product,
            "bought": some.bought,
            "is_known": some.is_known,
            "sources": some.found.sources,
        }
        cuts = some.cuts()
        columns = {
            "user_id": pa.array(some.ids, pa.string()),
            "again": pa.array(some.relevant[:, 0], pa.int32()),
            "new": pa.array(some.relevant[:, 1], pa.int32()),
            **{
                name: pa.array([values[cut].tobytes() for cut in cuts], pa.binary())
                for name, values in of_pairs.items()
            },
        }
        return pa.RecordBatch.from_pydict(columns)

    return _candidates(origin, tables, night, is_chosen, whole, HELD_OUT)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Candidates of a batch of users, in their order.

    Attributes:
        found: the candidates.
        inputs: of the network, float32[n, inputs].
        bought: whether each was bought in the days after.
        is_known: whether the user had bought it before.
        relevant: products of the shelf that each user bought then, candidates or not, int64[u, 2]:
            of those bought before, and of others.
        ids: of the users.
    """

    found: Candidates
    inputs: Floats32
    bought: Bools
    is_known: Bools
    relevant: Integers
    ids: list[str]

    def cuts(self) -> list[slice]:
        """The candidates of each user."""
        starts = np.searchsorted(self.found.user, np.arange(len(self.ids) + 1))
        return [slice(a, b) for a, b in itertools.pairwise(starts.tolist())]


Rows = Callable[[Labelled], pa.RecordBatch]


def _candidates(
    origin: Origin, tables: Tables, night: BuildContext, is_chosen: Column, rows: Rows, schema: str
) -> DataFrame:
    """Candidates with features and labels of the chosen users who came, as `rows` has them."""
    options, day = night.settings.section(RecommendationSettings), origin.known.day
    rows_of_shelf = shelf_rows(origin.known, _as_of(day, tables), night)
    found_shelf = shelf(rows_of_shelf, origin.known, night)
    shared = tables["features.user_product_days"].sparkSession.sparkContext.broadcast(found_shelf)
    most = night.settings.features.preferred_departments
    chosen = origin.after.where(is_chosen)
    some = replace(
        origin.known, habits=origin.known.habits.join(chosen, on="user_id", how="left_semi")
    )

    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = shared.value
        names = names_of(known.weights)
        for batch in in_slices(batches):
            users_ = users_in(batch, known, most)
            found = candidates(users_, known, options, day)
            pairs = Batch(users_, known, found)
            bought, relevant = _labels(batch["after"], pairs)
            yield rows(
                Labelled(
                    found,
                    features(pairs, names),
                    bought,
                    pairs.is_known,
                    relevant,
                    users_.ids.to_pylist(),
                )
            )

    return user_rows(some, tables, night).join(chosen, on="user_id").mapInArrow(make, schema)


def _labels(after: pa.ListArray, pairs: Batch) -> tuple[Bools, Integers]:
    """Which candidates were bought after, and how many products of the shelf each user bought.

    The second is int64[users, 2]: of products bought before, and of others.
    """
    found, size = pairs.candidates, pairs.shelf.size
    lengths = pc.list_value_length(after).fill_null(0).to_numpy(zero_copy_only=False)
    user = np.repeat(np.arange(lengths.size), lengths)
    product = pairs.shelf.catalogue.numbers(after.flatten())
    keys = user[product >= 0] * size + product[product >= 0]
    before = pairs.users.bought
    is_new = ~np.isin(keys, before.user * size + before.product)
    relevant = np.bincount(2 * (keys // size) + is_new, minlength=2 * lengths.size).reshape(-1, 2)
    return np.isin(found.user * size + found.product, keys), relevant
