"""Whether two methods found the same neighbours, up to ties at the end of a list."""

from collections.abc import Mapping

import numpy as np

from benchmarks.child import Answer

RELATIVE = 1e-9

Scores = dict[int, float]


def disagreement(right: Answer, found: Answer, *, of_all: bool = True) -> str | None:
    """What differs first, in words; None where nothing does.

    Args:
        right: columns item, neighbour, similarity of some items.
        found: the same, of another method.
        of_all: whether it should be of the same items, else of those and others.
    """
    wanted, received = _by_item(right), _by_item(found)
    if not wanted:
        return "nothing to compare with"
    if not received.keys() >= wanted.keys() or (of_all and received.keys() > wanted.keys()):
        return f"neighbours of {len(received)} items instead of {len(wanted)}"
    for item, scores in wanted.items():
        fault = _fault(scores, received[item])
        if fault is not None:
            return f"item {item}: {fault}"
    return None


def _by_item(answer: Answer) -> Mapping[int, Scores]:
    columns = (answer[name].tolist() for name in ("item", "neighbour", "similarity"))
    found: dict[int, Scores] = {}
    for item, neighbour, similarity in zip(*columns, strict=True):
        found.setdefault(item, {})[neighbour] = similarity
    return found


def _fault(right: Scores, found: Scores) -> str | None:
    if len(right) != len(found):
        return f"{len(found)} neighbours instead of {len(right)}"
    ranked = [np.sort(list(scores.values()))[::-1] for scores in (right, found)]
    if not np.allclose(*ranked, rtol=RELATIVE, atol=0):
        apart = np.max(np.abs(ranked[0] / ranked[1] - 1))
        return f"similarities differ by up to {apart:.1e} of their size"
    least = ranked[0][-1] * (1 + RELATIVE)  # what ties with the last one may be another
    for neighbour in right.keys() | found.keys():
        both = right.get(neighbour), found.get(neighbour)
        if None in both and max(filter(None, both)) > least:
            return f"neighbour {neighbour} is {both[1]} instead of {both[0]}"
        if None not in both and not np.isclose(*both, rtol=RELATIVE, atol=0):
            return f"neighbour {neighbour} is {both[1]} instead of {both[0]}"
    return None
