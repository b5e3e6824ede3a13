"""Settings of recommendations: terms of the two lists, and their length."""

from collections.abc import Iterator

from pydantic import PositiveInt

from lakeshop.config.base import FrozenModel
from lakeshop.config.settings import Settings


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


class RecommendationSettings(FrozenModel):
    """Parameters of users' lists.

    `leave_out_discontinued` and `leave_out_sold_out` keep such products out of all lists.
    """

    list_length: PositiveInt
    active_days: PositiveInt
    leave_out_discontinued: bool = True
    leave_out_sold_out: bool = True
    new_measure: str
    again: AgainTerms
    new: NewTerms


def faults(settings: Settings) -> Iterator[str]:
    """Name the inconsistencies of the configuration."""
    known = settings.similarity.measures_of_users
    chosen = settings.section(RecommendationSettings).new_measure
    if chosen not in known:
        yield (
            f"recommendations.new_measure should be one of {', '.join(known)}, received "
            f"{chosen!r}; add others to similarity.user_measures"
        )
