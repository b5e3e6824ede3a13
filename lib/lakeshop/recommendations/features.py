"""Features of a user and a candidate as known on a day: one definition for training and lists.

Counts are logarithms, and most features are ratios: a network of few weights learns from them what
it would need many examples to find. Each belongs to a family, which is what reasons name. No Spark
here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lakeshop.ml.arrays import Bools, Floats, Floats32, Integers
from lakeshop.recommendations.candidates import Candidates
from lakeshop.recommendations.histories import Pairs, Users
from lakeshop.recommendations.scoring import NOTHING_SPEAKS
from lakeshop.recommendations.shelf import Shelf, trend_of
from lakeshop.training.specification import FeatureSpec

NEVER = 400.0  # days


@dataclass(frozen=True, eq=False)
class Batch:
    """Candidates beside what they are made of; every property is float64[n]."""

    users: Users
    shelf: Shelf
    candidates: Candidates
    measures: tuple[str, ...] = field(default=())

    @property
    def user(self) -> Integers:
        """Place of each candidate's user."""
        return self.candidates.user

    @property
    def product(self) -> Integers:
        """Number of each candidate's product."""
        return self.candidates.product

    @cached_property
    def is_known(self) -> Bools:
        """Whether the user bought the product before."""
        return self._place_of(self.users.bought) >= 0

    @cached_property
    def pair(self) -> Mapping[str, Floats]:
        """What the user did with the product, 0 where they never bought it."""
        return self._values_of(self.users.bought, 0.0)

    @cached_property
    def action(self) -> Mapping[str, Floats]:
        """How the user looked at the product, 0 where they did not."""
        return self._values_of(self.users.acted, 0.0)

    @cached_property
    def of_user(self) -> Mapping[str, Floats]:
        """What is known of the user, 0 where it is missing, of a purchase as if long ago."""
        missing = {"days_since_purchase": NEVER}
        return {
            name: np.nan_to_num(values, nan=missing.get(name, 0.0))[self.user]
            for name, values in self.users.values.items()
        }

    @cached_property
    def of_product(self) -> Mapping[str, Floats]:
        """What is known of the product, NaN where it is missing."""
        return {name: values[self.product] for name, values in self.shelf.figures.items()}

    def similarity(self, measure: str) -> Floats:
        """What the user's purchases say of the product; 0 of one that is no target."""
        return self._of_targets(self.candidates.sums[measure])

    def looked_at(self) -> Floats:
        """What the user looked at says of the product."""
        return self._of_targets(self.candidates.looked_at)

    def habit_of(self, group: Integers, sums: str) -> Floats:
        """The user's habit of all products of the candidate's department or category."""
        total = self._group_sums(group, self.users.bought.values[sums])
        return total[self.user, group[self.product]]

    def all_habit(self) -> Floats:
        """The user's habit of all products."""
        bought = self.users.bought
        total = np.bincount(bought.user, bought.values["habit"], self.users.size)
        return np.maximum(total, 1e-9)[self.user]

    def last_of(self, group: Integers) -> Floats:
        """Days since the user last bought anything of the candidate's group."""
        bought = self.users.bought
        last = np.full((self.users.size, int(group.max(initial=0)) + 1), NEVER)
        ages = bought.values["days_since_purchase"]
        np.minimum.at(last, (bought.user, group[bought.product]), ages)
        return last[self.user, group[self.product]]

    @cached_property
    def usual_price(self) -> Floats:
        """Logarithm of the price level of what the user buys."""
        bought = self.users.bought
        log_price = log_of_price(self.shelf.figures["price"])[bought.product]
        weight = bought.values["habit"]
        total = np.bincount(bought.user, weight * log_price, self.users.size)
        weights = np.bincount(bought.user, weight, self.users.size)
        return (total / np.maximum(weights, 1e-9))[self.user]

    def _group_sums(self, group: Integers, values: Floats) -> Floats:
        bought, groups = self.users.bought, int(group.max(initial=0)) + 1
        cells = bought.user * groups + group[bought.product]
        sums = np.bincount(cells, values, self.users.size * groups).astype(np.float64)
        return sums.reshape(self.users.size, groups)

    def _place_of(self, pairs: Pairs) -> Integers:
        """The place of each candidate among pairs, -1 where it is none of them."""
        keys = pairs.user * self.shelf.size + pairs.product
        wanted = self.user * self.shelf.size + self.product
        place = np.minimum(np.searchsorted(keys, wanted), max(keys.size - 1, 0))
        is_there = keys[place] == wanted if keys.size else np.zeros(wanted.size, np.bool_)
        return np.where(is_there, place, -1)

    def _values_of(self, pairs: Pairs, missing: float) -> dict[str, Floats]:
        place = self._place_of(pairs)
        return {name: np.append(values, missing)[place] for name, values in pairs.values.items()}

    def _of_targets(self, sums: Floats) -> Floats:
        place = self.shelf.places[self.product]
        return np.where(place >= 0, sums[self.user, np.maximum(place, 0)], 0.0)


def log_of_price(price: Floats) -> Floats:
    """Logarithm of prices, 0 where there is none."""
    return np.log(np.where(np.nan_to_num(price) > 0, price, 1.0))


def _log_sum(sums: Floats) -> Floats:
    return np.log(np.maximum(sums, 0) + NOTHING_SPEAKS)


Feature = Callable[[Batch], Floats]


def _of_pair(name: str, log: float | None = None) -> Feature:
    """A column of the pair, 0 where the product was never bought, or its logarithm."""
    return lambda b: np.where(
        b.is_known, b.pair[name] if log is None else np.log(b.pair[name] + log), 0.0
    )


def _due(b: Batch) -> Floats:
    """Logarithm of the days since the last purchase in intervals of the user and the product."""
    p = b.pair
    typical = b.of_product["days_between_purchases"]
    span = p["days_since_first_purchase"] - p["days_since_purchase"]
    gap = (span + 2 * typical) / (p["purchase_days"] + 1)
    return np.where(b.is_known, np.log(p["days_since_purchase"] / gap + 0.1), 0.0)


def _visits(b: Batch, age: str) -> Floats:
    """Visits that the user is expected to have made in so many days."""
    u = b.of_user
    days = np.minimum(u["days_since_first_purchase"] + 1, 84.0)
    return b.pair[age] * u["visit_days_long"] / days


def _share_of_visits(b: Batch) -> Floats:
    visits = _visits(b, "days_since_first_purchase")
    return np.where(b.is_known, np.log((b.pair["purchase_days"] + 0.3) / (visits + 2)), 0.0)


def _recent_share_of_visits(b: Batch) -> Floats:
    visits = b.of_user["visit_days_long"]
    return np.where(b.is_known, np.log((b.pair["purchase_days_84"] + 0.1) / (visits + 2)), 0.0)


def _unviewed(b: Batch) -> Floats:
    """Purchase days on which the user did not view the product: it is on their own list.

    0 where the shop delivers no views.
    """
    p = b.pair
    return np.maximum(np.nan_to_num(p["purchase_days"] - p["purchase_days_viewed"]), 0.0)


def _trend(days: int) -> Feature:
    return lambda b: trend_of(b.of_product, days)


def _log1p_of_product(name: str) -> Feature:
    return lambda b: np.log1p(np.nan_to_num(b.of_product[name]))


def _log1p_of_user(name: str) -> Feature:
    return lambda b: np.log1p(np.maximum(b.of_user[name], 0))


def _price_change(b: Batch) -> Floats:
    return np.clip(np.nan_to_num(b.of_product["price_change"]), -0.6, 0.6)


def _others_of_category(sums: str) -> Feature:
    """Logarithm of the habit of the category's other products."""

    def others(b: Batch) -> Floats:
        total = b.habit_of(b.shelf.category, sums) - np.where(b.is_known, b.pair[sums], 0.0)
        return np.log(np.maximum(total, 0) + 0.05)

    return others


def _looked_at_since(b: Batch) -> Floats:
    is_seen = b.action["views"] + b.action["carts"] > 0
    return np.where(is_seen, 1 / (1 + b.action["days_since_action"]), 0.0)


HABIT, TIMING, POPULARITY, PRICE, PROMOTION, SIMILARITY, TASTE, USER, ACTIONS = FAMILIES = (
    "habit", "timing", "popularity", "price", "promotion", "similarity", "taste", "user", "actions",
)  # fmt: skip
FEATURES: dict[str, tuple[str, Feature]] = {
    "is_known": (HABIT, lambda b: b.is_known.astype(np.float64)),
    "habit": (HABIT, _of_pair("habit", 0.02)),
    "recent": (HABIT, _of_pair("recent")),
    "log_recent": (HABIT, _of_pair("recent", 0.02)),
    "times": (HABIT, _of_pair("purchase_days", 1.0)),
    "is_bought_once": (HABIT, lambda b: (b.pair["purchase_days"] == 1).astype(np.float64)),
    "times_3": (HABIT, _of_pair("purchase_days_3")),
    "times_14": (HABIT, _of_pair("purchase_days_14", 1.0)),
    "times_28": (HABIT, _of_pair("purchase_days_28", 1.0)),
    "share_of_visits": (HABIT, _share_of_visits),
    "recent_share_of_visits": (HABIT, _recent_share_of_visits),
    "unviewed": (HABIT, lambda b: np.log1p(_unviewed(b))),
    "unviewed_share": (HABIT, lambda b: _unviewed(b) / (b.pair["purchase_days"] + 1)),
    "repeat_rate": (HABIT, lambda b: np.log(np.maximum(b.of_product["repeat_rate"], 1e-6))),
    "repeat_share": (HABIT, lambda b: b.of_product["repeat_share"]),
    "due": (TIMING, _due),
    "not_due": (TIMING, lambda b: _due(b) ** 2),
    "days_since_purchase": (TIMING, _of_pair("days_since_purchase", 1.0)),
    "days_since_first_purchase": (TIMING, _of_pair("days_since_first_purchase", 1.0)),
    "visits_since_purchase": (
        TIMING,
        lambda b: np.where(b.is_known, np.log1p(_visits(b, "days_since_purchase")), 0.0),
    ),
    "interval": (TIMING, lambda b: np.log(b.of_product["days_between_purchases"])),
    "purchases_28": (POPULARITY, _log1p_of_product("purchase_days_28")),
    "buyers_7": (POPULARITY, _log1p_of_product("buyers_short")),
    "trend": (POPULARITY, _trend(14)),
    "short_trend": (POPULARITY, _trend(3)),
    "age": (POPULARITY, _log1p_of_product("age_days")),
    "days_since_sale": (POPULARITY, _log1p_of_product("days_since_purchase")),
    "price": (PRICE, lambda b: log_of_price(b.of_product["price"])),
    "price_distance": (
        PRICE,
        lambda b: np.abs(log_of_price(b.of_product["price"]) - b.usual_price),
    ),
    "price_change": (PRICE, _price_change),
    "mailer": (PROMOTION, _log1p_of_product("mailer_stores")),
    "display": (PROMOTION, _log1p_of_product("display_stores")),
    "discount_share": (PROMOTION, lambda b: b.of_user["discount_share"]),
    "department_share": (
        TASTE,
        lambda b: np.log(b.habit_of(b.shelf.department, "habit") / b.all_habit() + 0.005),
    ),
    "category_habit": (TASTE, _others_of_category("habit")),
    "category_recent": (TASTE, _others_of_category("recent")),
    "days_since_category": (TASTE, lambda b: np.log1p(b.last_of(b.shelf.category))),
    "activity": (USER, _log1p_of_user("recent_purchases")),
    "visits_7": (USER, _log1p_of_user("visit_days_short")),
    "visits_28": (USER, _log1p_of_user("visit_days_middle")),
    "visits_84": (USER, _log1p_of_user("visit_days_long")),
    "days_since_visit": (USER, _log1p_of_user("days_since_purchase")),
    "products": (USER, _log1p_of_user("products")),
    "views": (ACTIONS, lambda b: np.log1p(b.action["views"])),
    "carts": (ACTIONS, lambda b: np.log1p(b.action["carts"])),
    "looked_at_since": (ACTIONS, _looked_at_since),
    "looked_at_similar": (ACTIONS, lambda b: _log_sum(b.looked_at())),
}
KINDS = ("user_", "basket_", "visit_")  # of measures
GROUPS = ("department", "category")  # codes, embedded by networks


def names_of(measures: Iterable[str]) -> tuple[str, ...]:
    """Inputs of a network, in order: features, sums of each measure, codes of groups."""
    return (*FEATURES, *sorted(measures), *GROUPS)


def are_known(names: Iterable[str]) -> bool:
    """Whether all inputs are of today's code: a champion of another version may have others."""
    others = [name for name in names if name not in FEATURES and name not in GROUPS]
    return all(name.startswith(KINDS) for name in others)


def measures_in(names: tuple[str, ...]) -> tuple[str, ...]:
    """The measures among inputs."""
    return tuple(name for name in names if name not in FEATURES and name not in GROUPS)


def columns_of_pair(names: tuple[str, ...]) -> FeatureSpec:
    """Columns of a network of one pair, of inputs as `names_of` has them."""
    numbers = tuple(name for name in names if name not in GROUPS)
    return FeatureSpec({"features": numbers, "known": ("is_known",), "group": GROUPS}, ())


def families_of(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Places of the inputs of each family; codes belong to taste."""
    found: dict[str, list[int]] = {family: [] for family in FAMILIES}
    for place, name in enumerate(names):
        if name in FEATURES:
            found[FEATURES[name][0]].append(place)
        else:
            found[TASTE if name in GROUPS else SIMILARITY].append(place)
    return found


def features(batch: Batch, names: tuple[str, ...]) -> Floats32:
    """float32[n, inputs]: the inputs of each candidate, all finite."""
    return np.stack([column.astype(np.float32) for column in _columns(batch, names)], axis=1)


def _columns(batch: Batch, names: tuple[str, ...]) -> Iterator[Floats]:
    for name in names:
        if name in FEATURES:
            yield FEATURES[name][1](batch)
        elif name in GROUPS:
            yield batch.shelf.codes[name][batch.product].astype(np.float64)
        elif name in batch.candidates.sums:
            yield _log_sum(batch.similarity(name))
        else:  # a measure that the night no longer has
            yield np.full(batch.user.size, np.log(NOTHING_SPEAKS))
