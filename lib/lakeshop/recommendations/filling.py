"""Lists that are filled from queues of rows, the next row of all lists at once.

No Spark here, and no loop over rows: a step looks at one row of each list that has room.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lakeshop.ml.arrays import Bools, Floats, Ids, Integers

NO_RULE = -1


@dataclass(frozen=True)
class Cap:
    """The most rows of one code in a list, and the number of the rule that says so.

    `level` names the codes: category, brand or department. A soft cap gives way where a list would
    stay short.
    """

    level: str
    most: int
    rule: int
    is_soft: bool = False


@dataclass(frozen=True, eq=False)
class Queue:
    """Rows by list, best first; by list the next row, the end, and the first cap that bound.

    `cursor` and `moved_by` change as the queue is emptied.
    """

    rows: Integers
    cursor: Integers
    end: Integers
    moved_by: Ids


def queue_of(keys: tuple[Integers, Floats, Integers], is_in: Bools, n_lists: int) -> Queue:
    """Queue the rows of a mask by list, by log-odds from the highest, then by product.

    Args:
        keys: list, log-odds and product of each row.
        is_in: mask of the rows.
        n_lists: lists, numbered from 0.
    """
    rows = np.flatnonzero(is_in)
    of_list, log_odds, product = (key[rows] for key in keys)
    order = np.lexsort((product, -log_odds, of_list))
    bounds = np.searchsorted(of_list[order], np.arange(n_lists + 1))
    moved_by = np.full(n_lists, NO_RULE, dtype=np.int32)
    return Queue(rows[order], bounds[:-1].copy(), bounds[1:], moved_by)


class Filling:
    """Lists at work: `size` counts their rows, and `moved_by` has the cap that moved a row up."""

    def __init__(
        self, n_lists: int, length: int, caps: Sequence[Cap], codes: Sequence[Integers], n_rows: int
    ) -> None:
        """Begin with empty lists.

        Args:
            n_lists: lists, numbered from 0.
            length: rows of a list at most.
            caps: what binds.
            codes: of each cap the codes of all rows; no cap binds a code below 0.
            n_rows: rows in all.
        """
        self.size = np.zeros(n_lists, dtype=np.int64)
        self.moved_by: Ids = np.full(n_rows, NO_RULE, dtype=np.int32)
        self._caps = list(zip(caps, codes, strict=True))
        self._held = [np.full((n_lists, length), -1, dtype=np.int64) for _ in caps]

    def add(self, lists: Integers, rows: Integers) -> None:
        """Add a row to each of some lists, whatever the caps say."""
        for held, (_, codes) in zip(self._held, self._caps, strict=True):
            held[lists, self.size[lists]] = codes[rows]
        self.size[lists] += 1

    def fill(self, queue: Queue, until: Integers, *, is_strict: bool = True) -> Integers:
        """Move rows of a queue to the lists until each has the size `until`, or no row is left.

        Args:
            queue: rows by list.
            until: the size of each list.
            is_strict: soft caps bind too.

        Returns:
            The rows, those of one list in the order of the queue.
        """
        found = [np.empty(0, dtype=np.int64)]
        lists = np.arange(self.size.size)
        while True:
            has_room = (self.size[lists] < until[lists]) & (queue.cursor[lists] < queue.end[lists])
            lists = lists[has_room]
            if not lists.size:
                return np.concatenate(found)
            rows = queue.rows[queue.cursor[lists]]
            queue.cursor[lists] += 1
            binding = self._binding(lists, rows, is_strict=is_strict)
            is_first = (binding != NO_RULE) & (queue.moved_by[lists] == NO_RULE)
            queue.moved_by[lists[is_first]] = binding[is_first]
            is_free = binding == NO_RULE
            self.add(lists[is_free], rows[is_free])
            self.moved_by[rows[is_free]] = queue.moved_by[lists[is_free]]
            found.append(rows[is_free])

    def _binding(self, lists: Integers, rows: Integers, *, is_strict: bool) -> Ids:
        """The rule of the first cap that keeps a row out of its list."""
        binding = np.full(rows.size, NO_RULE, dtype=np.int32)
        for held, (cap, codes) in zip(self._held, self._caps, strict=True):
            if cap.is_soft and not is_strict:
                continue
            code = codes[rows]
            same = np.count_nonzero(held[lists] == code[:, None], axis=1)
            is_full = (code >= 0) & (same >= cap.most)
            binding[is_full & (binding == NO_RULE)] = cap.rule
        return binding
