"""Whether two methods found the same neighbours, up to ties at the end of a list."""

from collections.abc import Mapping

import numpy as np

from benchmarks.child import Answer

RELATIVE = 1e-9

Scores = dict[int, float]


def disagreement(ours: Answer, other: Answer) -> str | None:
    """What differs first, in words; None where nothing does.

    Args:
        ours: columns item, neighbour, similarity of the sampled items.
        other: the same, of another method.
    """
    mine, theirs = _by_item(ours), _by_item(other)
    if not mine:
        return "ours has no neighbours of the sampled items"
    if mine.keys() != theirs.keys():
        return f"neighbours of {len(theirs)} items instead of {len(mine)}"
    for item, scores in mine.items():
        fault = _fault(scores, theirs[item])
        if fault is not None:
            return f"item {item}: {fault}"
    return None


def _by_item(answer: Answer) -> Mapping[int, Scores]:
    columns = (answer[name].tolist() for name in ("item", "neighbour", "similarity"))
    found: dict[int, Scores] = {}
    for item, neighbour, similarity in zip(*columns, strict=True):
        found.setdefault(item, {})[neighbour] = similarity
    return found


def _fault(ours: Scores, other: Scores) -> str | None:
    if len(ours) != len(other):
        return f"{len(other)} neighbours instead of {len(ours)}"
    ranked = [np.sort(list(scores.values()))[::-1] for scores in (ours, other)]
    if not np.allclose(*ranked, rtol=RELATIVE, atol=0):
        apart = np.max(np.abs(ranked[0] / ranked[1] - 1))
        return f"similarities differ by up to {apart:.1e} of their size"
    least = ranked[0][-1] * (1 + RELATIVE)  # what ties with the last one may be another
    for neighbour in ours.keys() | other.keys():
        both = ours.get(neighbour), other.get(neighbour)
        if None in both and max(filter(None, both)) > least:
            return f"neighbour {neighbour} is {both[1]} instead of {both[0]}"
        if None not in both and not np.isclose(*both, rtol=RELATIVE, atol=0):
            return f"neighbour {neighbour} is {both[1]} instead of {both[0]}"
    return None
