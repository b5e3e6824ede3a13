"""The derived columns of user actions."""

from datetime import date, datetime

from lakeshop.silver.entities import USER_ACTIONS_DERIVED, CleaningContext, user_actions


def test_actions_get_the_shops_day_and_nothing_else_changes(spark):
    columns = "action_id STRING, occurred_at TIMESTAMP"
    rows = [("a", datetime(2026, 3, 11, 3, 59, 59)), ("b", datetime(2026, 3, 11, 4)), ("c", None)]
    actions = spark.createDataFrame(rows, columns)
    found = user_actions(actions, CleaningContext({}, "America/New_York"))
    assert set(found.columns) - set(actions.columns) == USER_ACTIONS_DERIVED == {"event_date"}
    days = (date(2026, 3, 10), date(2026, 3, 11), None)
    assert sorted(map(tuple, found.collect())) == [
        (*row, day) for row, day in zip(rows, days, strict=True)
    ]
