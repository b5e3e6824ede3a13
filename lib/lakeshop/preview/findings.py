"""What looks wrong in the first rows of a drop: pure functions of a sample, in words."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date

from lakeshop.features.proposals import proposed_exclusions
from lakeshop.preview.samples import Sample
from lakeshop.silver.clean import IDENTIFIERS
from lakeshop.silver.delivered_files import equal_rows_warning
from lakeshop.silver.drift import LETTERS_SHOWN, NAMES_SHOWN, UNLIKE, known_columns

SHOWN = 5
SHARE = 0.2  # of the rows that one person has
FEWEST = 50  # rows in which a share means anything
AS_NUMBER = re.compile(r"\d+\.0+|\d(\.\d+)?[eE]\+?\d+")
IDS = ("transaction_id", "order_id", "product_id", "user_id", "store_id")

Finding = Callable[[Sample], Iterator[str]]


def findings(sample: Sample) -> list[str]:
    """All that looks wrong in a sample, the worst first."""
    return [text for finding in FINDINGS for text in finding(sample)]


def missing_columns(sample: Sample) -> Iterator[str]:
    """Columns that the mapping reads and the drop lacks."""
    if sample.missing and sample.delivered:
        yield (
            f"the mapping reads {', '.join(sample.missing)}, which the drop lacks; it has "
            f"{', '.join(_named(sample, sample.delivered))}"
        )


def rejected_rows(sample: Sample) -> Iterator[str]:
    """Reasons of rows that would be quarantined, the commonest first."""
    counted = Counter(reason for reasons in sample.reasons for reason in reasons)
    for reason, number in counted.most_common(SHOWN):
        row = next(n for n, reasons in enumerate(sample.reasons) if reason in reasons)
        yield f"{number} of {len(sample.reasons)} rows: {reason}{_example(sample, reason, row)}"


def _example(sample: Sample, reason: str, row: int) -> str:
    """The text that a reason is about, unless it is a person's."""
    column = re.match(r"(?:wrong type|missing): (\w+)", reason)
    if column is None or column[1] in IDENTIFIERS or column[1] not in sample.texts:
        return ""
    text = sample.texts[column[1]][row]
    return f", such as {text!r}" if isinstance(text, str) else ""


def empty_columns(sample: Sample) -> Iterator[str]:
    """Mapped columns without any value."""
    if len(sample.values):
        empty = [str(c) for c in sample.values if sample.values[c].isna().all()]
        if empty:
            yield f"always empty: {', '.join(empty)}"


def new_columns(sample: Sample) -> Iterator[str]:
    """Columns of the drop that nothing is made of."""
    if sample.new:
        names = ", ".join(_named(sample, sample.new))
        yield f"not mapped: {names}; map them, or list them under `ignored`"


def ids_as_numbers(sample: Sample) -> Iterator[str]:
    """Ids that went through a spreadsheet or a float."""
    for name in IDS:
        if name in sample.values:
            odd = sample.values[name].dropna().astype(str)
            odd = odd[odd.str.fullmatch(AS_NUMBER)]
            if len(odd):
                shown = "" if name in IDENTIFIERS else f", such as {odd.iloc[0]}"
                yield (
                    f"{name} looks like a number that a spreadsheet rewrote, in {len(odd)} of "
                    f"{len(sample.values)} rows{shown}; deliver ids as texts"
                )


def shared_account(sample: Sample) -> Iterator[str]:
    """One id of a person that bears a large share of the rows."""
    if "user_id" in sample.texts and sample.name != "users":
        users = sample.texts["user_id"].dropna()
        if len(users) >= FEWEST:
            share = users.value_counts().iloc[0] / len(users)
            if share > SHARE:
                yield (
                    f"one user_id has {share:.0%} of the rows: is it a person? If not, list it "
                    "under shop.shared_accounts"
                )


def other_days(sample: Sample) -> Iterator[str]:
    """Times of events that lie far from the day of the drop."""
    if "occurred_at" in sample.values:
        texts = sample.values["occurred_at"].dropna().astype(str).str[:10]
        days = texts[texts.map(_is_day)]
        far = days[
            abs(days.map(lambda day: date.fromisoformat(day).toordinal()) - sample.day.toordinal())
            > 1
        ]
        if len(days) and len(far) > len(days) / 2:
            yield (
                f"occurred_at is {far.iloc[0]} in a drop of {sample.day}, and so far off in "
                f"{len(far)} of {len(days)} rows: look at its format, or at the path's date"
            )


def _is_day(text: str) -> bool:
    """Return whether a text is a day: Spark also knows the year 0 and those of five digits."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def candidates_to_exclude(sample: Sample) -> Iterator[str]:
    """Products that are no goods, by their names."""
    if sample.name == "products" and "name" in sample.values:
        named = sample.values["name"].dropna().drop_duplicates().tolist()
        found = proposed_exclusions(named)
        if found:
            yield (
                f"no goods, by their names: {_listed(found)}; list such products under "
                "shop.exclude_products, and no one is recommended them"
            )


def several_currencies(sample: Sample) -> Iterator[str]:
    """More than one currency."""
    if "currency" in sample.values:
        found = sample.values["currency"].dropna().value_counts()
        if len(found) > 1:
            counted = ", ".join(f"{name} in {rows} rows" for name, rows in found.items())
            yield f"more than one currency: {counted}; lines of all but the shop's are left out"


def conflicts(sample: Sample) -> Iterator[str]:
    """Keys that several rows of other content bear."""
    key = [name for name in sample.key if name in sample.values]
    if not key or set(sample.key) - set(sample.values):
        return
    whole = sample.values.drop_duplicates()
    again = whole[whole.duplicated(key, keep=False)].dropna(subset=key)
    if len(again):
        first = " ".join(again[key].iloc[0])
        shown = "" if set(key) & set(IDENTIFIERS) else f", such as {first}"
        yield (
            f"{len(again)} rows share {', '.join(key)} with a row of other content{shown}: make "
            "the id of several columns, or say what counts by on_conflict"
        )


def equal_rows(sample: Sample) -> Iterator[str]:
    """Rows that count once, where equal ones may each count."""
    key = [name for name in sample.key if name in sample.values]
    if sample.are_events and len(key) == len(sample.key):
        equal = int(sample.values.dropna(subset=key).duplicated().sum())
        yield from equal_rows_warning(equal, sample.name, key, sample.entity)


def _named(sample: Sample, names: Iterable[str]) -> list[str]:
    """Names of columns as they may be shown: a row in a header's place may hold persons' data."""
    if sample.delivered.isdisjoint(known_columns(sample.entity)):
        return [UNLIKE]
    return [name[:LETTERS_SHOWN] for name in sorted(names)][:NAMES_SHOWN]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


FINDINGS: tuple[Finding, ...] = (
    missing_columns,
    rejected_rows,
    empty_columns,
    other_days,
    conflicts,
    equal_rows,
    ids_as_numbers,
    several_currencies,
    shared_account,
    candidates_to_exclude,
    new_columns,
)
