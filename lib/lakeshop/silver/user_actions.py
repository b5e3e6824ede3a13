"""silver.user_actions: one row per action of a user (view, search, cart, coupon ...)."""

from pyspark.sql import DataFrame

from lakeshop.silver.events import Surroundings, with_event_date

DERIVED = {"event_date"}


def user_actions(actions: DataFrame, around: Surroundings) -> DataFrame:
    """Typed actions with their event date."""
    return actions.transform(with_event_date, around.zone)
