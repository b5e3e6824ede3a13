"""Settings of recommendations: terms of the two lists, their length, and the shop's rules."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from lakeshop.config.base import FrozenModel, Share
from lakeshop.config.settings import Settings
from lakeshop.config.shop import Name, NamePattern, later
from lakeshop.config.training import NetworkConfig


class AgainTerms(FrozenModel):
    """Weights of the log-odds that a product bought before is bought again."""

    constant: float
    habit: float
    recent: float
    repeat_rate: float
    bought_once: float
    not_due: float
    trend: float
    mailer: float
    activity: float


class NewTerms(FrozenModel):
    """Weights of the log-odds that a product never bought before is bought."""

    constant: float
    similarity: float
    popularity: float
    trend: float
    mailer: float
    activity: float


class CandidateSettings(FrozenModel):
    """Bounds of a user's candidates, by source.

    `again` of what was bought before; `main` neighbours by `new_measure`; `per_source` neighbours
    by any other measure, and products looked at; `per_department` popular, trending and new ones
    of each preferred department; `drawn` ones that are explored. `targets` are the most bought
    products, which neighbours may propose.
    """

    again: PositiveInt
    main: PositiveInt
    per_source: PositiveInt
    per_department: PositiveInt
    drawn: NonNegativeInt
    targets: PositiveInt
    action_days: PositiveInt


class LearningSettings(FrozenModel):
    """What the networks of a user's lists learn from.

    `origins` earlier nights, a week apart, of which the newest is held out; at most `pairs` pairs
    of `list_size` to a list, and the lists of at most `validation_users` users held out. Networks
    compete, the simplest first. One that adds to the prior terms adds a share of what it learned,
    chosen among `damping`.
    """

    origins: Annotated[int, Field(ge=2)]
    pairs: PositiveInt
    list_size: PositiveInt
    validation_users: PositiveInt
    damping: Annotated[tuple[Share, ...], Field(min_length=1)] = later((0.7, 1.0))
    networks: Mapping[str, NetworkConfig]


class ChosenProducts(FrozenModel):
    """Products by id, by department or category, by words of the name.

    Categories and patterns mean the same as those of `shop.exclude_products`.
    """

    products: tuple[Name, ...] = ()
    categories: tuple[Name, ...] = ()
    patterns: tuple[NamePattern, ...] = ()


class AlwaysShown(FrozenModel):
    """A product that has a place of its own in a list.

    In `new` every user sees it, in `again` those who bought it.
    """

    product: Name
    list: Literal["again", "new"]
    place: PositiveInt


class Boost(ChosenProducts):
    """A factor of the odds of some products.

    They are the products named, or all; with `stock_above` only those with more units in stock.
    """

    departments: tuple[Name, ...] = ()
    stock_above: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    odds: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @property
    def named(self) -> tuple[str, ...]:
        """Ids, categories, departments and patterns."""
        return (*self.products, *self.categories, *self.departments, *self.patterns)

    @model_validator(mode="before")
    @classmethod
    def _margins_are_unknown(cls, value: object) -> object:
        if isinstance(value, dict) and "margin_above" in value:
            msg = (
                "should have no margin_above, as no table holds margins yet, received "
                f"{value['margin_above']!r}; name the products or categories of high margin"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _says_which(self) -> "Boost":
        if not self.named and self.stock_above is None:
            msg = (
                "should say which products it boosts, received none; state products, "
                "categories, departments, patterns or stock_above"
            )
            raise ValueError(msg)
        return self


class AtMost(FrozenModel):
    """Products of one category, brand or department in one list, at most."""

    category: PositiveInt | None = None
    brand: PositiveInt | None = None
    department: PositiveInt | None = None


class ShopRules(FrozenModel):
    """What the shop wants of its lists, whatever the scores are."""

    never: ChosenProducts = ChosenProducts()
    always: tuple[AlwaysShown, ...] = ()
    boost: tuple[Boost, ...] = ()
    at_most: AtMost = AtMost()

    @model_validator(mode="after")
    def _places_are_free(self) -> "ShopRules":
        for key in ("place", "product"):
            stated = [(shown.list, getattr(shown, key)) for shown in self.always]
            twice = sorted({pair for pair in stated if stated.count(pair) > 1})
            if twice:
                named = ", ".join(f"{value} of {name}" for name, value in twice)
                msg = f"should name each {key} of a list once under always, received twice: {named}"
                raise ValueError(msg)
        both = sorted({shown.product for shown in self.always} & set(self.never.products))
        if both:
            msg = f"should name a product under always or never, received both: {', '.join(both)}"
            raise ValueError(msg)
        return self


class Exploration(FrozenModel):
    """The share of the list `new` that goes to explored candidates, at its end."""

    share: Share = 0.0


class RecommendationSettings(FrozenModel):
    """Parameters of users' lists.

    `again` and `new` are the terms of a shop that has not learned its own yet.
    `leave_out_discontinued` and `leave_out_sold_out` keep such products out of all lists. Of what
    `variety` says is too much alike, the rest comes after all others of a list.
    """

    list_length: PositiveInt
    active_days: PositiveInt
    leave_out_discontinued: bool = True
    leave_out_sold_out: bool = True
    new_measure: str
    candidates: CandidateSettings
    learning: LearningSettings
    again: AgainTerms
    new: NewTerms
    explore: Exploration = later(Exploration())
    variety: AtMost = later(AtMost())
    rules: ShopRules = later(ShopRules())

    @model_validator(mode="after")
    def _places_are_within_the_list(self) -> "RecommendationSettings":
        beyond = [shown.place for shown in self.rules.always if shown.place > self.list_length]
        if beyond:
            msg = (
                f"should have places of rules.always from 1 to list_length, {self.list_length}, "
                f"received {', '.join(map(str, beyond))}"
            )
            raise ValueError(msg)
        return self


LEARNED_DAYS = 35  # that the inputs of a training reach back to the oldest of its nights
WEEK = 7


def stride_days(horizon: int) -> int:
    """Days from one night that teaches to the next: what is bought after each is apart."""
    return WEEK * -(-horizon // WEEK)


def faults(settings: Settings) -> Iterator[str]:
    """Name the inconsistencies of the configuration."""
    horizon = settings.evaluation.horizon_days
    origins = settings.section(RecommendationSettings).learning.origins
    reach = horizon + stride_days(horizon) * (origins - 1)
    if reach > LEARNED_DAYS:
        yield (
            f"recommendations.learning.origins should let nights reach back {LEARNED_DAYS} days at "
            f"most, received {origins} nights, {reach} days by evaluation.horizon_days {horizon}; "
            "name fewer"
        )
    known = settings.similarity.measures_of_users
    section = settings.section(RecommendationSettings)
    chosen = section.new_measure
    if chosen not in known:
        yield (
            f"recommendations.new_measure should be one of {', '.join(known)}, received "
            f"{chosen!r}; add others to similarity.user_measures"
        )
    by_stock = [boost for boost in section.rules.boost if boost.stock_above is not None]
    if by_stock and "stock" not in settings.shop.entities:
        yield (
            "recommendations.rules.boost should have no stock_above where the shop delivers no "
            f"stock, received {by_stock[0].stock_above:g}; map the entity stock under shop"
        )
