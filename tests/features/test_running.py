"""Running sums against loops over all lines, on histories small enough for many clashes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeshop.features import running
from lakeshop.features.windows import (
    DAY_MICROS,
    FOREVER,
    HISTORY_DAYS,
    IS_FRAUD,
    IS_HISTORY,
    IS_TARGET,
    KEPT_DAYS,
    NULL,
    codes_of,
    histories_of,
    order_of,
    with_ranks,
)
from lakeshop.fraud.features import FEATURES
from lakeshop.fraud.terms import Prior

EVENT = st.tuples(
    st.integers(0, 2),  # entity
    st.sampled_from([0, 1, 2, 3, 7, 89, 90, 91, 97, 98, 99, 120]),  # day sold
    st.sampled_from([0, 0, 0, 12]),  # hour
    st.sampled_from([0, 0, 1, 2, 7, 8, 30]),  # days late
    st.sampled_from([IS_HISTORY, IS_HISTORY | IS_TARGET, IS_TARGET]),
    st.integers(0, 9),  # value
    st.sampled_from([NULL, 1, 2, 3]),  # member
    st.sampled_from([None, None, (0, None), (1, 3), (5, 6), (40, None)]),  # known, until: after
)


def rows_of(events):
    """Columns of the lines, and of their frauds beside them."""
    columns = []
    for entity, day, hour, late, flags, value, member, fraud in events:
        common = [entity, (day * 24 + hour) * (DAY_MICROS // 24), day + late]
        columns.append([*common, flags, value, member, NULL, NULL])
        if fraud is not None and flags & IS_HISTORY:
            until = FOREVER if fraud[1] is None else day + fraud[1]
            columns.append([*common, IS_FRAUD, value, member, day + fraud[0], until])
    names = ("entity", "time", "delivered", "flags", "value", "member", "known", "until")
    table = np.array(columns, np.int64).reshape(-1, len(names))
    return {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(names)}


def made(events):
    """The histories and their rows as dicts, in the same order."""
    rows = rows_of(events)
    places = np.arange(rows["time"].size)
    histories = histories_of(with_ranks(rows), places, codes_of(rows["entity"]))
    each = [{name: int(rows[name][at]) for name in rows} for at in histories.order]
    return histories, each


def before(each, row):
    """Rows known to a row: rows that happened earlier and were delivered no later."""
    return [
        other
        for other in each
        if other["entity"] == row["entity"]
        and other["time"] < row["time"]
        and row["delivered"] - KEPT_DAYS <= other["delivered"] <= row["delivered"]
    ]


def lines_within(each, row, days):
    since = row["time"] - days * DAY_MICROS
    return [
        other
        for other in before(each, row)
        if other["flags"] & IS_HISTORY and other["time"] >= since
    ]


def frauds_known(each, row, days):
    return [
        other
        for other in before(each, row)
        if other["flags"] & IS_FRAUD
        and row["delivered"] - days < other["known"] <= row["delivered"] < other["until"]
    ]


def queried(values, each):
    """The values of the rows that ask, all that is defined."""
    return [v for v, row in zip(values.tolist(), each, strict=True) if row["flags"] & IS_TARGET]


def right(of_row, each):
    return [of_row(row) for row in each if row["flags"] & IS_TARGET]


@settings(deadline=None)  # the first example reads machine code from the disk
@given(st.lists(EVENT, max_size=30))
def test_sums_counts_maxima_and_last_times(events):
    histories, each = made(events)
    value = histories.rows["value"]
    sums = histories.sums((1, 7, 90), np.ones_like(value), value)
    for window, days in enumerate((1, 7, 90)):
        assert queried(sums[:, window, 0], each) == right(
            lambda row, days=days: len(lines_within(each, row, days)), each
        )
        assert queried(sums[:, window, 1], each) == right(
            lambda row, days=days: sum(o["value"] for o in lines_within(each, row, days)), each
        )
    assert queried(histories.maxima(value), each) == right(
        lambda row: max((o["value"] for o in lines_within(each, row, HISTORY_DAYS)), default=-1),
        each,
    )
    assert queried(histories.last_times(), each) == right(
        lambda row: max((o["time"] for o in lines_within(each, row, HISTORY_DAYS)), default=NULL),
        each,
    )


@settings(deadline=None)
@given(st.lists(EVENT, max_size=30))
def test_members_and_frauds(events):
    histories, each = made(events)

    def members(row):
        return len({o["member"] for o in lines_within(each, row, HISTORY_DAYS)} - {NULL})

    assert queried(histories.members("member"), each) == right(members, each)
    for days in (7, 90):
        assert queried(histories.frauds(days), each) == right(
            lambda row, days=days: len(frauds_known(each, row, days)), each
        )


@settings(deadline=None)
@given(st.lists(EVENT, max_size=20), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(events, draw):
    shuffled = list(events)
    draw.shuffle(shuffled)

    def found(some):
        histories, each = made(some)
        counts = histories.counts(7, 90).tolist()
        return sorted((sorted(row.items()), count) for row, count in zip(each, counts, strict=True))

    assert found(shuffled) == found(events)


@given(st.lists(st.integers(0, 2**62), max_size=20), st.integers(1, 2**62))
def test_orders_of_small_and_large_keys(keys, most):
    keys = np.array(keys, np.int64) % most
    assert order_of(keys).tolist() == np.argsort(keys, kind="stable").tolist()


def test_first_places_of_windows():
    times = np.array([0, 1, 1, 5, 0, 3], np.int64)
    entities = np.array([0, 0, 0, 0, 4, 4]), np.array([4, 4, 4, 4, 2, 2])
    assert running.first_within(entities, times, 0).tolist() == [0, 1, 1, 3, 4, 5]
    assert running.first_within(entities, times, 4).tolist() == [0, 0, 0, 1, 4, 4]
    assert running.first_after(entities, times, 0).tolist() == [1, 3, 3, 4, 5, 6]
    assert running.first_after(entities, times, 4).tolist() == [3, 4, 4, 4, 6, 6]


def test_a_hot_entity_is_not_quadratic():
    """100,000 lines of one store, all of one user and delivered on one day, some very late."""
    n = 100_000
    lines = {
        "time": np.arange(n, dtype=np.int64) * 60_000_000,
        "delivered": np.full(n, 80),
        "flags": np.full(n, IS_HISTORY | IS_TARGET),
        "store": np.ones(n, np.int64),
        "user": np.ones(n, np.int64),
    }
    lines["delivered"][::3] = 90
    until = np.full(n, NULL)  # nothing was taken back
    rows = with_ranks(lines | {"known": lines["time"], "until": until})
    found = dict(
        zip(FEATURES.names("store"), FEATURES.columns("store", rows, Prior(50, 0.005)), strict=True)
    )
    on_time = np.arange(n) % 3 != 0
    seen_before = np.where(on_time, np.cumsum(on_time) - on_time, np.arange(n))
    day = 24 * 60
    first = np.maximum(np.arange(n) - day, 0)
    expected = seen_before - np.where(on_time, (np.cumsum(on_time) - on_time)[first], first)
    assert found["store_count_1"].tolist() == expected.tolist()
