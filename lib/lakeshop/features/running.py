"""Running sums over the lines of entities: one sort serves all windows, and nothing is quadratic.

Lines are sorted by entity and time; a line's place is its index in this order. Days are processed
in the order of delivery. A line ENTERs on the day it becomes known and LEAVEs when it is too old. A
QUERY computes the features of a line. A late line is therefore in no window of lines delivered
before it. Sums are kept in binary indexed trees (Fenwick 1994), maxima in segment trees, one per
entity within one flat array: a step costs the logarithm of the entity's lines. Sums are integers,
so that their order does not matter.

All functions take `first` and `size`, int64[n]: the place of the first line of each line's entity,
and its number of lines. Arguments come checked.
"""

import numpy as np

from lakeshop.ml.arrays import Integers
from lakeshop.ml.numeric import compiled

Entities = tuple[Integers, Integers]  # first, size
Steps = tuple[Integers, Integers]  # places, and ENTER, LEAVE or QUERY

ENTER, LEAVE, QUERY = 1, -1, 0
NONE = -1


@compiled
def first_within(entities: Entities, times: Integers, length: int) -> Integers:
    """The first place of each line's entity with a time of `times - length` or later."""
    first, _ = entities
    found, place = np.empty(times.size, np.int64), 0
    for line in range(times.size):
        place = max(place, first[line])
        while times[place] < times[line] - length:
            place += 1
        found[line] = place
    return found


@compiled
def first_after(entities: Entities, times: Integers, length: int) -> Integers:
    """The first place of each line's entity later than `times + length`, or the entity's end."""
    first, size = entities
    found, place = np.empty(times.size, np.int64), 0
    for line in range(times.size):
        end, place = first[line] + size[line], max(place, line)
        while place < end and times[place] <= times[line] + length:
            place += 1
        found[line] = place
    return found


@compiled
def windowed_sums(
    steps: Steps, entities: Entities, starts: Integers, ends: Integers, values: Integers
) -> Integers:
    """Sums over the lines present at each query.

    Args:
        steps: see `Steps`; a line enters with its values and leaves with them.
        entities: first and size.
        starts: int64[n_windows, n], the first place of each window.
        ends: int64[n], the exclusive end of all windows of a line.
        values: int64[n, n_values].

    Returns:
        int64[n, n_windows, n_values], 0 for lines without a query.
    """
    (places, kinds), (first, size) = steps, entities
    (n, n_values), n_windows = values.shape, starts.shape[0]
    tree = np.zeros((n, n_values), np.int64)
    sums = np.zeros((n, n_windows, n_values), np.int64)
    for step in range(places.size):
        line, kind = places[step], kinds[step]
        if kind != QUERY:
            _add(tree, (first[line], size[line], line), kind, values)
            continue
        for window in range(n_windows):
            if starts[window, line] < ends[line]:
                _add_sums(tree, (first[line], ends[line]), 1, sums, (line, window))
                _add_sums(tree, (first[line], starts[window, line]), -1, sums, (line, window))
    return sums


@compiled
def windowed_maxima(
    steps: Steps, entities: Entities, starts: Integers, ends: Integers, values: Integers
) -> Integers:
    """As `windowed_sums` for one window: the largest of values that are 0 or more.

    Returns:
        int64[n], NONE for lines without a query or with an empty window.
    """
    (places, kinds), (first, size) = steps, entities
    tree = np.full(2 * values.size, NONE)
    maxima = np.full(values.size, NONE)
    for step in range(places.size):
        line, kind = places[step], kinds[step]
        root, leaves = 2 * first[line], size[line]
        if kind != QUERY:
            node = line - first[line] + leaves
            tree[root + node] = values[line] if kind == ENTER else NONE
            while node > 1:
                node //= 2
                tree[root + node] = max(tree[root + 2 * node], tree[root + 2 * node + 1])
            continue
        left, right = starts[line] - first[line] + leaves, ends[line] - first[line] + leaves
        while left < right:
            if left % 2:
                maxima[line] = max(maxima[line], tree[root + left])
                left += 1
            if right % 2:
                right -= 1
                maxima[line] = max(maxima[line], tree[root + right])
            left, right = left // 2, right // 2
    return maxima


@compiled
def last_before(steps: Steps, entities: Entities, starts: Integers, ends: Integers) -> Integers:
    """The last present place within each queried line's window, or NONE."""
    (places, kinds), (first, size) = steps, entities
    tree = np.zeros(starts.size, np.int64)
    found = np.full(starts.size, NONE)
    for step in range(places.size):
        line, kind = places[step], kinds[step]
        if kind != QUERY:
            _count(tree, first[line], size[line], line, kind)
            continue
        rank = _rank(tree, first[line], ends[line])
        if rank:
            place = _find(tree, first[line], size[line], rank)
            if place >= starts[line]:
                found[line] = place
    return found


@compiled
def distinct_members(
    steps: Steps,
    entities: Entities,
    reach: tuple[Integers, Integers, Integers],
    pairs: tuple[Entities, Integers, Integers],
) -> Integers:
    """Number of members that each queried line's entity had in the window before it.

    A line counts for its member from just after it until the member's next line or the end of the
    window's length, whichever is first. Each member therefore counts once at any time.

    Args:
        steps: of lines with a member.
        entities: first and size.
        reach: `ends`; the first place after a line's time; the first one after its time and the
            length.
        pairs: first and size of each (entity, member), by place among the pairs; the place among
            the pairs of each line; the line at each place.

    Returns:
        int64[n], 0 for lines without a query.
    """
    (places, kinds), (first, size) = steps, entities
    ends, after, expires = reach
    (pair_first, pair_size), place_of, line_at = pairs
    counts, seen = np.zeros(ends.size, np.int64), np.zeros(line_at.size, np.int64)
    members = np.zeros(ends.size, np.int64)
    for step in range(places.size):
        line, kind = places[step], kinds[step]
        start, length = first[line], size[line]
        if kind == QUERY:
            members[line] = _rank(counts, start, ends[line] + 1)
            continue
        own = place_of[line]
        head, lines = pair_first[own], pair_size[own]
        rank = _rank(seen, head, own)
        after_own = rank + (kind == LEAVE)
        until = expires[line]
        if after_own < _rank(seen, head, head + lines):
            until = min(until, after[line_at[_find(seen, head, lines, after_own + 1)]])
        if rank:
            before = expires[line_at[_find(seen, head, lines, rank)]]
            _count(counts, start, length, min(before, until), kind)
            _count(counts, start, length, min(before, after[line]), -kind)
        _count(counts, start, length, after[line], kind)
        _count(counts, start, length, until, -kind)
        _count(seen, head, lines, own, kind)
    return members


@compiled
def _add(tree: Integers, where: tuple[int, int, int], sign: int, values: Integers) -> None:
    """Add a line's values, times the sign."""
    first, size, line = where
    node = line - first + 1
    while node <= size:
        for column in range(values.shape[1]):
            tree[first + node - 1, column] += sign * values[line, column]
        node += node & -node


@compiled
def _add_sums(
    tree: Integers, where: tuple[int, int], sign: int, sums: Integers, cell: tuple[int, int]
) -> None:
    """Add the sum of all cells before the place, times the sign, to a cell of the sums."""
    (first, place), (line, window) = where, cell
    node = place - first
    while node > 0:
        for column in range(tree.shape[1]):
            sums[line, window, column] += sign * tree[first + node - 1, column]
        node -= node & -node


@compiled
def _count(tree: Integers, first: int, size: int, place: int, value: int) -> None:
    node = place - first + 1
    while node <= size:
        tree[first + node - 1] += value
        node += node & -node


@compiled
def _rank(tree: Integers, first: int, place: int) -> int:
    """Sum of all cells before the place."""
    node, total = place - first, 0
    while node > 0:
        total += tree[first + node - 1]
        node -= node & -node
    return total


@compiled
def _find(tree: Integers, first: int, size: int, rank: int) -> int:
    """The place that the running count first reaches the rank at; it must reach it."""
    step, node = 1, 0
    while 2 * step <= size:
        step *= 2
    while step > 0:
        if node + step <= size and tree[first + node + step - 1] < rank:
            node += step
            rank -= tree[first + node - 1]
        step //= 2
    return first + node
