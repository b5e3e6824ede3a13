"""Declarations of features: name, family, computation and sentence of each in one object."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from lakeshop.features.windows import Rows
from lakeshop.fraud.terms import Prior, Term, columns_read, evaluated
from lakeshop.ml.arrays import Floats


class FeatureRow:
    """Inputs of one line, by column."""

    def __init__(self, values: Mapping[str, float | None]) -> None:
        self._values = values

    def get(self, column: str) -> float | None:
        """The value as a number; None where it is missing, not finite or not among the inputs."""
        value = self._values.get(column)
        return float(value) if value is not None and math.isfinite(value) else None

    def above(self, column: str, least: float) -> float | None:
        """The value where it is above `least`, else None."""
        value = self.get(column)
        return value if value is not None and value > least else None


class Rank(IntEnum):
    """Precedence of a sentence within its family, the most telling first."""

    EVIDENCE = 0
    UNUSUAL = 1
    PLAIN = 2


@dataclass(frozen=True)
class Sentence:
    """A reason in words: `text` of the feature's value and of the line, None where none holds.

    A value that is missing or not above `above` has no sentence.
    """

    text: Callable[[float, FeatureRow], str | None]
    rank: Rank = Rank.PLAIN
    above: float = -math.inf


@dataclass(frozen=True)
class LineFeature:
    """A feature of the line alone, as SQL over silver.transactions and `shop_time`.

    Features of one family share their contribution to a score, and give one reason.
    """

    name: str
    family: str
    compute: str
    sentence: Sentence | None = None


@dataclass(frozen=True)
class Feature:
    """A feature from a history: `compute` gets its terms in their order, float64[n_targets] each.

    NaN is NULL. A term is NaN where the row lacks the entity, and comparisons with NaN are false.
    """

    name: str
    family: str
    terms: tuple[Term, ...]
    compute: Callable[..., Floats] = lambda term: term
    sentence: Sentence | None = None


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All features, in the order of the table's columns.

    Raises:
        ValueError: two features have one name.
    """

    line: tuple[LineFeature, ...]
    histories: Mapping[str, tuple[Feature, ...]]

    def __post_init__(self) -> None:
        """Refuse a name that is declared twice."""
        twice = sorted({name for name in self.inputs if self.inputs.count(name) > 1})
        if twice:
            msg = f"a feature should be declared once. Received {twice} twice. Rename one."
            raise ValueError(msg)

    def __iter__(self) -> Iterator[LineFeature | Feature]:
        """Iterate over the declarations."""
        yield from self.line
        for features in self.histories.values():
            yield from features

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of all features: the inputs of the models."""
        return tuple(feature.name for feature in self)

    def names(self, *histories: str) -> tuple[str, ...]:
        """Names of the features of some histories."""
        return tuple(feature.name for name in histories for feature in self.histories[name])

    def columns_read(self, history: str) -> set[str]:
        """Raw columns that a history's features need, its own column among them."""
        terms = [term for feature in self.histories[history] for term in feature.terms]
        return {history}.union(*map(columns_read, terms))

    def columns(self, history: str, rows: Rows, prior: Prior) -> list[Floats]:
        """Each feature of a history at the target rows, in the declared order."""
        features = self.histories[history]
        terms = [term for feature in features for term in feature.terms]
        values = evaluated(terms, history, rows, prior)
        return [feature.compute(*[values[t] for t in feature.terms]) for feature in features]

    @cached_property
    def families(self) -> Mapping[str, tuple[LineFeature | Feature, ...]]:
        """Features by family, those with the most telling sentences first."""
        by_family: dict[str, list[LineFeature | Feature]] = {}
        for feature in self:
            by_family.setdefault(feature.family, []).append(feature)
        return {name: tuple(sorted(some, key=_rank)) for name, some in by_family.items()}

    @cached_property
    def _family_of(self) -> Mapping[str, str]:
        return {feature.name: feature.family for feature in self}

    def family_of(self, column: str) -> str:
        """The family of an input; an input without declaration is a family of its own name."""
        return self._family_of.get(column, column)

    def players_of(
        self, columns: Sequence[str]
    ) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
        """Families of a model's inputs, and the places of each family's inputs.

        Args:
            columns: of the model's input, in its order.
        """
        places: dict[str, list[int]] = {}
        for place, column in enumerate(columns):
            places.setdefault(self.family_of(column), []).append(place)
        return tuple(places), tuple(tuple(of_family) for of_family in places.values())


def _rank(feature: LineFeature | Feature) -> Rank:
    return Rank.PLAIN if feature.sentence is None else feature.sentence.rank


def number(value: float) -> str:
    """The value with two decimals, without any where it is whole."""
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"


def counted(value: float, noun: str) -> str:
    """A number and its noun."""
    return f"{number(value)} {noun if value == 1 else noun + 's'}"


def counting(noun: str, tail: str) -> Callable[[float, FeatureRow], str]:
    """The text "2 nouns tail" of a count."""
    return lambda value, _: f"{counted(value, noun)} {tail}"


def stating(text: str) -> Callable[[float, FeatureRow], str]:
    """A text without numbers."""
    return lambda value, line: text
