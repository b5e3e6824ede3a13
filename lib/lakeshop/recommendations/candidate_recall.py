"""Recall of candidates: the share of what users then bought that was a candidate at all.

No ranking can show more than its candidates hold. By source it says which of them to extend. No
Spark here.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lakeshop.recommendations.lists import LISTS
from lakeshop.recommendations.ranking import HeldOut

ALL = "all"  # sources together


def candidate_recall(held: HeldOut, sources: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Source, list and share of the pairs of user and product bought in the week held out.

    A source that reaches nothing has a share too: 0. A list of which nobody bought anything has
    none.

    Args:
        held: the users held out, with all that they bought then.
        sources: names of the bits of `held.sources`.
    """
    for number, listed in enumerate(LISTS):
        bought = int(held.relevant[:, number].sum())
        mine = held.bought & (held.is_known == (number == 0))
        reached = {ALL: int(mine.sum())}
        for bit, source in enumerate(sources):
            reached[source] = int(np.sum(mine & (held.sources >> bit & 1 > 0)))
        if bought:
            yield from ((source, listed, n / bought) for source, n in reached.items())
