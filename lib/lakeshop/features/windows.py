"""History of an entity as known at the delivery of a line, over windows before the line.

Two clocks hold. A line is in the history of later lines within the window that were delivered no
earlier than it, and at most KEPT_DAYS later: the look-back of a run. A line that is itself
delivered more than KEPT_DAYS - HISTORY_DAYS late sees a shorter history.

A fraud counts from the day it became known until a later label revokes it. Its windows are of the
days since it became known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from lakeshop.features import running
from lakeshop.features.running import ENTER, LEAVE, QUERY
from lakeshop.ml.arrays import Bools, Integers

Rows = Mapping[str, Integers]  # equally long columns

NULL = int(np.iinfo(np.int64).min)
HISTORY_DAYS = 90
KEPT_DAYS = 97
FOREVER = 2**31 - 1  # day of revocation of frauds that are never revoked
DAY_MICROS = 86_400_000_000  # microseconds

# Bits of the column `flags`. A fraud is a row beside that of its line.
IS_TARGET, IS_HISTORY, IS_FRAUD, HAS_COUPON = 1, 2, 4, 8


def is_flagged(rows: Rows, bits: int) -> Bools:
    """Mask of the rows with any of the bits set."""
    flagged: Bools = (rows["flags"] & bits) != 0
    return flagged


class LazyRows(dict[str, Integers]):
    """The rows at some places; each column is taken on first access."""

    def __init__(self, rows: Rows, places: Integers) -> None:
        super().__init__()
        self._rows, self._places = rows, places

    def __missing__(self, name: str) -> Integers:
        """Take the column."""
        self[name] = self._rows[name][self._places]
        return self[name]


def with_ranks(rows: Rows) -> Rows:
    """Add `by_time`, the places in the order of time, and `rank`, each row's place in that."""
    by_time = np.argsort(rows["time"])
    rank = np.empty_like(by_time)
    rank[by_time] = np.arange(by_time.size)
    return {**rows, "by_time": by_time, "rank": rank}


def codes_of(values: Integers) -> Integers:
    """Codes of the values from 0 on, in no particular order."""
    codes: Integers = pa.array(values).dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes


def places_of_targets(rows: Rows, entity: str) -> tuple[Integers, Integers]:
    """Places of rows with a known entity that has a target line, and the entities' codes."""
    known = np.flatnonzero(rows[entity] != NULL)
    codes = codes_of(rows[entity][known])
    targets = np.zeros(known.size, np.bool_)
    targets[codes[is_flagged(rows, IS_TARGET)[known]]] = True
    matters = targets[codes]
    return known[matters], codes[matters]


def order_of(keys: Integers) -> Integers:
    """The stable order of keys of 0 or more; sorting numbers is faster than sorting places."""
    n = keys.size
    if n and int(keys.max()) >= 2**63 // n - 1:
        return np.argsort(keys, kind="stable")
    both = keys * n + np.arange(n)
    both.sort()
    places: Integers = both % max(n, 1)
    return places


@dataclass(frozen=True, eq=False)
class EntityHistories:
    """Rows in the order of entity and time.

    `rows` are in that order; `order` int64[n] holds their former places; `entities` are first and
    size of each row's entity (see `running`).
    """

    rows: Rows
    order: Integers
    entities: running.Entities

    @cached_property
    def ends(self) -> Integers:
        """The exclusive end of each row's windows: rows of the same time are excluded."""
        return running.first_within(self.entities, self.rows["time"], 0)

    def starts(self, *days: int) -> Integers:
        """The first place of each row's windows of so many days, int64[n_windows, n]."""
        times = self.rows["time"]
        return np.stack([running.first_within(self.entities, times, d * DAY_MICROS) for d in days])

    def steps(self, enters: Integers, since: Integers, until: Integers) -> running.Steps:
        """Order of entries, exits and queries, entity by entity and day by day.

        Args:
            enters: places of the rows that enter.
            since: their first day.
            until: their day of exit, exclusive.
        """
        targets = np.flatnonzero(is_flagged(self.rows, IS_TARGET))
        if not targets.size:
            return targets, targets
        queried_on = self.rows["delivered"][targets]
        last, earliest = (
            queried_on.max(),
            min(queried_on.min(), since.min(initial=queried_on.min())),
        )
        in_time, goes = (since <= last) & (since < until), until <= last
        goes &= in_time
        places = np.concatenate([enters[in_time], enters[goes], targets])
        days = np.concatenate([since[in_time], until[goes], queried_on]) - earliest
        kinds = np.repeat([ENTER, LEAVE, QUERY], [in_time.sum(), goes.sum(), targets.size])
        key = (self.entities[0][places] * (last - earliest + 1) + days) * 2 + (kinds == QUERY)
        order = order_of(key)
        return places[order], kinds[order]

    @cached_property
    def _lines(self) -> tuple[Integers, Integers, Integers]:
        """Places, first and last day of the lines that are history."""
        lines = np.flatnonzero(is_flagged(self.rows, IS_HISTORY))
        since, gone = self.rows["delivered"][lines], self.rows["until"][lines]
        kept = since + KEPT_DAYS + 1
        return lines, since, np.where(gone == NULL, kept, np.minimum(gone, kept))

    @cached_property
    def line_steps(self) -> running.Steps:
        """Steps of the lines that are history."""
        return self.steps(*self._lines)

    def sums(self, days: Sequence[int], *values: Integers) -> Integers:
        """Sums of lines' values over windows of event time, int64[n, n_windows, n_values]."""
        return running.windowed_sums(
            self.line_steps, self.entities, self.starts(*days), self.ends, np.stack(values, axis=1)
        )

    def counts(self, *days: int) -> Integers:
        """Lines within windows of event time, int64[n, n_windows]."""
        return self.sums(days, np.ones(self.order.size, np.int64))[:, :, 0]

    def maxima(self, values: Integers) -> Integers:
        """The largest value of the whole history, which is 0 or more, or -1 without one."""
        starts = self.starts(HISTORY_DAYS)[0]
        return running.windowed_maxima(self.line_steps, self.entities, starts, self.ends, values)

    def last_times(self) -> Integers:
        """Time of the last line before, in microseconds; NULL without one."""
        starts = self.starts(HISTORY_DAYS)[0]
        places = running.last_before(self.line_steps, self.entities, starts, self.ends)
        return np.where(places >= 0, self.rows["time"][places], NULL)

    def frauds(self, days: int) -> Integers:
        """Earlier lines known to be frauds for less than so many days, int64[n]."""
        places = np.flatnonzero(is_flagged(self.rows, IS_FRAUD))
        known, gone = self.rows["known"][places], self.rows["until"][places]
        delivered = self.rows["delivered"][places]
        until = np.minimum(np.minimum(gone, known + days), delivered + KEPT_DAYS + 1)
        steps = self.steps(places, np.maximum(known, delivered), until)
        starts, ones = self.entities[0][None, :], np.ones((self.order.size, 1), np.int64)
        return running.windowed_sums(steps, self.entities, starts, self.ends, ones)[:, 0, 0]

    def members(self, member: str) -> Integers:
        """Number of different members in the history, int64[n]; NULL is none."""
        lines, since, until = self._lines
        has_member = self.rows[member][lines] != NULL
        steps = self.steps(lines[has_member], since[has_member], until[has_member])
        times, (first, _) = self.rows["time"], self.entities
        pair = codes_of(first * (self.order.size + 1) + codes_of(self.rows[member]))
        order = order_of(pair)  # and time, since these rows are in its order
        pairs = _entities(pair[order])
        place_of = np.empty_like(order)
        place_of[order] = np.arange(order.size)
        after = running.first_after(self.entities, times, 0)
        expires = running.first_after(self.entities, times, HISTORY_DAYS * DAY_MICROS)
        reach = (self.ends, after, expires)
        return running.distinct_members(steps, self.entities, reach, (pairs, place_of, order))


def histories_of(rows: Rows, places: Integers, codes: Integers) -> EntityHistories:
    """The rows at some places, by entity and time.

    Args:
        rows: columns `time` (microseconds), `delivered` (days), `flags`, of frauds `known`,
            `until` (days; of lines the day on which they were taken back, or NULL), and the columns
            of `with_ranks`.
        places: int64[n].
        codes: int64[n], the entity of each.
    """
    n = rows["rank"].size
    by_code = np.sort(codes * n + rows["rank"][places])  # fits: n is below 2^31
    order = rows["by_time"][by_code % max(n, 1)]
    return EntityHistories(LazyRows(rows, order), order, _entities(by_code // max(n, 1)))


def _entities(codes: Integers) -> running.Entities:
    """Place of the first row and number of rows of each row's entity, the codes being sorted."""
    n = codes.size
    firsts = np.flatnonzero(np.diff(codes, prepend=-1))
    sizes = np.diff(np.append(firsts, n))
    return np.repeat(firsts, sizes), np.repeat(sizes, sizes)
