"""Values that may mean something else than they say: told of as warnings, with an example.

No row is rejected for them here. Ids that went through a float stay as they are, and an amount with
the wrong separator has its reason, or its rounding. A night without any has no further pass.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.config.shop import Entity
from lakeshop.contracts.model import Column as ContractColumn
from lakeshop.contracts.model import Contract
from lakeshop.sources.json_rows import ITEM
from lakeshop.sources.mapping import MALFORMED, TEXT, UNREAD, source_columns

ODDITIES = "_oddities"
_LETTERS_SHOWN = 40
_EXPONENT = r"^[+-]?\d+([.,]\d+)?[eE]\+\d+$"
_FLOAT = r"^\d+\.0$"
_COMMA = r"^[+-]?[\d.]*\d,\d+$"
_THOUSANDS = r"^[+-]?\d{1,3}\.\d{3}$"


@dataclass(frozen=True)
class Oddity:
    """Something odd about one column: where a row shows it, and what to say of it.

    Attributes:
        key: its name.
        holds: true for a row that shows it.
        about: the warning, with {n} rows and an {example}.
        example: the text to show one of, or None where it may be a person's.
        beside: the key of another oddity, without which this one means nothing.
    """

    key: str
    holds: Column
    about: str
    example: Column | None = None
    beside: str | None = None


def with_oddities(rows: DataFrame, entity: Entity, contract: Contract) -> DataFrame:
    """Add what is odd about a row: an array of keys with their examples, mostly empty."""
    found = []
    for odd in _oddities(entity, contract):
        example = F.lit(None) if odd.example is None else F.left(odd.example, F.lit(_LETTERS_SHOWN))
        pair = F.struct(F.lit(odd.key).alias("key"), example.cast("string").alias("example"))
        found.append(F.when(odd.holds, pair))
    none = F.lit(None).cast("struct<key:string,example:string>")
    return rows.withColumn(ODDITIES, F.array_compact(F.array(*found, none)))


def oddity_warnings(rows: DataFrame, entity: Entity, contract: Contract) -> Iterator[str]:
    """What to tell of rows that were looked at by `with_oddities`."""
    pairs = rows.where(F.size(ODDITIES) > 0).select(F.explode(ODDITIES).alias("odd"))
    counts = pairs.groupBy("odd.key").agg(F.count("*").alias("n"), F.min("odd.example")).collect()
    found = {row["key"]: (row["n"], row[2]) for row in counts}
    for odd in _oddities(entity, contract):
        if odd.key in found and odd.beside in {None, *found}:
            n, example = found[odd.key]
            yield odd.about.format(n=n, example=example)
    names = [c.name for c in contract.columns if f"thousands {c.name}" in found]
    alone = [name for name in names if f"comma {name}" not in found]
    for name in _without_decimals(rows, alone):
        n, example = found[f"thousands {name}"]
        yield (
            f"{name}: {n} values such as {example} are read with a decimal point, all others are "
            "whole numbers; if the point is for thousands, map it by an expression without it"
        )


def _without_decimals(rows: DataFrame, names: list[str]) -> list[str]:
    """Columns in which no value but those that look like thousands has decimals or one digit."""
    if not names:
        return []
    found = []
    for name in names:
        value = F.abs(F.col(name))
        is_odd = F.array_contains(F.col(ODDITIES)["key"], f"thousands {name}") & (value >= 1)
        is_whole = (value == 0) | ((value >= 10) & (value == F.floor(value)))
        fits = F.bool_and(F.when(value.isNotNull(), is_odd | is_whole))
        found.append((fits & (F.count_if(~is_odd & (value >= 10)) > 0)).alias(name))
    (fitting,) = rows.agg(*found).collect()
    return [name for name in names if fitting[name]]


def _oddities(entity: Entity, contract: Contract) -> list[Oddity]:
    of_columns = [
        odd
        for column in contract.columns
        if (origin := entity.columns.get(column.name)) is not None and origin.constant is None
        for odd in _of_column(column)
    ]
    return [*_of_form(entity), *_of_unread(entity), *of_columns]


def _of_form(entity: Entity) -> Iterable[Oddity]:
    if entity.format != "parquet":
        yield Oddity(
            "encoding",
            F.col("fault").startswith("line should be UTF-8"),
            "encoding: {n} rows are not UTF-8; say which `encoding` the files have, such as cp1252",
        )
    if entity.lines is not None:
        is_read = ~F.col(MALFORMED) & F.col("fault").isNull()
        yield Oddity(
            "lines",
            is_read & F.col(ITEM).isNull(),
            f"lines: {{n}} rows have nothing in {entity.lines}; they are left out",
        )


def _of_unread(entity: Entity) -> Iterable[Oddity]:
    if entity.format == "csv":
        for name in source_columns(entity.origins.values()):
            yield Oddity(
                f"twice {name}",
                F.array_contains(UNREAD, name),
                f"{name}: stands twice in the header of {{n}} rows, and the first is read; name "
                "the columns apart",
            )
        return
    for name in source_columns(entity.origins.values()):
        yield Oddity(
            f"unread {name}",
            F.array_contains(UNREAD, name),
            f"{name}: {{n}} rows hold an array or an object of which the rest is not read; set "
            f"`lines: {name}` to read the array's other elements as rows, or name a field of the "
            f"object, such as {name}.id",
        )


def _of_column(column: ContractColumn) -> Iterable[Oddity]:
    """What a text of a column may be; what is cheap to see stands first."""
    text, name = F.col(TEXT)[column.name], column.name
    if isinstance(column.type, T.StringType) and name.endswith("_id"):
        shown = None if column.personal else text
        such = "" if column.personal else ", such as {example}"
        yield Oddity(
            f"exponent {name}",
            text.contains("+") & text.rlike(_EXPONENT),
            f"{name}: {{n}} ids look like numbers that a spreadsheet has cut{such}; deliver them "
            "as texts",
            shown,
        )
        yield Oddity(
            f"float {name}",
            text.endswith(".0") & text.rlike(_FLOAT),
            f"{name}: {{n}} ids look like whole numbers that went through a float{such}; deliver "
            "them as texts, or cut the end off by an expression",
            shown,
        )
    if isinstance(column.type, T.DecimalType):
        comma = f"comma {name}"
        yield Oddity(
            comma,
            text.contains(",") & text.rlike(_COMMA),
            f"{name}: {{n}} values have a comma, such as {{example}}, and are rejected; if it is "
            f"the decimal separator, map {name} by an expression that replaces it",
            text,
        )
        yield Oddity(
            f"thousands {name}",
            (F.substring(text, -4, 1) == ".") & text.rlike(_THOUSANDS),
            f"{name}: {{n}} values such as {{example}} are read with a decimal point, others have "
            "a decimal comma; they may be a thousand times as much",
            text,
            beside=comma,
        )
