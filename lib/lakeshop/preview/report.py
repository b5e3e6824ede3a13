"""A sample, and the night to come, in lines for a person."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from lakeshop.config.shop import ColumnMapping
from lakeshop.events import in_words
from lakeshop.preview.findings import findings
from lakeshop.preview.samples import Sample
from lakeshop.silver.clean import IDENTIFIERS

WIDTH = 28  # of a text that is shown
HIDDEN = "(a person's, not shown)"


def lines_of(sample: Sample) -> Iterator[str]:
    """The drop, what each of our columns became, and what looks wrong."""
    accepted = sum(not reasons for reasons in sample.reasons)
    more = f" and {len(sample.files) - 1} more files" if len(sample.files) > 1 else ""
    yield (
        f"{sample.name}: {sample.files[0]}{more}, {len(sample.reasons):,} rows looked at, "
        f"{accepted:,} fit"
    )
    titles = "".join(f"{title:<{WIDTH + 2}}" for title in ("from", "delivered", "becomes"))
    yield f"  {'column':<18}{titles}empty"
    for column in map(str, sample.texts):
        text, value = _example(sample, column)
        empty = sample.values[column].isna().mean() if len(sample.values) else 1.0
        cells = [_origin(sample.entity.columns[column]), text, value]
        shown = "".join(f"{_cut(cell):<{WIDTH + 2}}" for cell in cells)
        yield f"  {column:<18}{shown}{empty:>5.0%}"
    for finding in findings(sample):
        yield f"  ! {finding}"


def _origin(origin: ColumnMapping) -> str:
    if origin.constant is not None:
        return f"always {origin.constant!r}"
    if origin.columns is not None:
        return " + ".join(origin.columns)
    return origin.expression or origin.column or "generated"


def _example(sample: Sample, column: str) -> tuple[str, str]:
    """A delivered text, and what it became; of the first row that has one."""
    if column in IDENTIFIERS:
        return HIDDEN, HIDDEN
    texts = sample.texts[column].dropna()
    if texts.empty:
        return "", ""
    value = sample.values[column][texts.index[0]]
    return texts.iloc[0], value if isinstance(value, str) else "nothing"


def _cut(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= WIDTH else f"{shown[: WIDTH - 1]}…"


def night_of(days: Mapping[str, Sequence[date]], made: Iterable[str]) -> Iterator[str]:
    """The tables and days that a night would make, a line per layer and days.

    Args:
        days: of each table, the days that are to be made.
        made: tables that the night leaves as they are.
    """
    grouped: dict[tuple[str, str], list[str]] = {}
    for table, of_table in days.items():
        layer, _, name = table.partition(".")
        grouped.setdefault((layer, in_words(of_table[0], of_table[-1])), []).append(name)
    for (layer, when), names in grouped.items():
        yield f"  {layer:<12}{when:<26}{', '.join(names)}"
    if left := list(made):
        yield f"  as they are: {', '.join(left)}"
