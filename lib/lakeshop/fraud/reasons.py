"""Why a line was given its score, in sentences with the line's own numbers. Plain Python.

What a sentence is about is decided by contributions; how it is said, by the values. Of each family
the first statement that holds is said: the most telling first, a plain one last.
"""

from collections.abc import Mapping

from lakeshop.fraud.statements import STATEMENTS, FeatureRow, Values, number

MIN_CONTRIBUTION = 1e-9  # of a contribution
LEAST_SHARE = 0.05  # of the largest: what hardly counted is no reason


def reasons(values: Values, contributions: Mapping[str, float], k: int = 3) -> list[str]:
    """At most k sentences, of the families that contributed most to a higher score.

    Args:
        values: the line's inputs by column, None or NaN where missing.
        contributions: of each family, as of `lakeshop.fraud.families.players_of`; NaN counts as 0.
            Families that made the line less suspicious, or hardly more (a twentieth of what the
            first did), or of which nothing can be said, give none.
        k: sentences.
    """
    line = FeatureRow(values)
    positive = {
        family: value for family, value in contributions.items() if value > MIN_CONTRIBUTION
    }
    least = LEAST_SHARE * max(positive.values(), default=0.0)
    ranked = sorted((-value, family) for family, value in positive.items() if value >= least)
    said = (sentence(family, line) for _, family in ranked)
    return [text for text in said if text is not None][:k]


def sentence(family: str, line: FeatureRow) -> str | None:
    """What there is to say of a family; None where the line has no value of it."""
    for statement in STATEMENTS.get(family, ()):
        text = statement(line)
        if text is not None:
            return text
    value = line.get(family)
    return None if value is None else f"{family.replace('_', ' ')} is {number(value)}"
