"""A shop's own columns, formats and constants, read as the entity's columns.

All delivered values are text here. A value is looked up by its origin in the shop's configuration,
and `typed` casts it to the contract's type. It is NULL where the text does not fit: the row is then
rejected with a reason instead of failing the run.
"""

import csv
import re
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.config.shop import DATE, ColumnMapping, Entity
from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.contracts.model import Column as ContractColumn
from lakeshop.errors import ConfigError
from lakeshop.sources.json_rows import CORRUPT, json_fields, unread, with_objects
from lakeshop.sources.records import csv_fields
from lakeshop.storage.attempt import VALUE, attempted

TEXT = "text"
FAILED = "failed_columns"
MALFORMED = "is_malformed"
KEYS = "delivered_columns"
UNREAD = "unread_columns"
_DELIVERED = "_delivered"
_TRIED = "_tried"
_DATED = r"^\s*\d{4}-\d{1,2}-\d{1,2}"
_ZONED = r"[ T]\d{1,2}[\d:.]*\s*[A-Za-z+-]"  # something follows the time of day
_LITERAL = re.compile("'[^']*'")  # in a pattern of Spark
_ZONE_IN_FORMAT = re.compile("[VzOXxZ]")
_BLANK = " \t\r\n"
_WHOLE = r"^([+-]?\d+)\.0*$"  # a whole number, written as a fraction
_SEPARATOR = "|"  # between the parts of an id


def assert_mapped(entity: str, delivered: Entity, contract: Contract, derived: set[str]) -> None:
    """The shop should map columns of the contract only, and all that it requires.

    Raises:
        ConfigError: a column is unknown, a required one has no origin, or a generated one is no id.
    """
    known = set(contract.column_names)
    unknown = sorted(set(delivered.columns) - known)
    needed = {column.name for column in contract.columns if column.required} - derived
    missing = sorted(needed - set(delivered.columns))
    if unknown or missing:
        msg = (
            f"shop.entities.{entity}.columns should map the columns of {contract.name}. "
            f"Unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}."
        )
        raise ConfigError(msg)
    _assert_ids_are_of_no_person(entity, delivered, contract)
    generated = [name for name, origin in delivered.columns.items() if origin.generated]
    ids = contract.key if contract.rows == "event" and len(contract.key) == 1 else ()
    if not set(generated) <= set(ids):
        msg = (
            f"shop.entities.{entity}.columns should generate the ids of events alone "
            f"({', '.join(ids) or f'{entity} has none'}). Received generated: true of "
            f"{', '.join(sorted(generated))}. Name the column that holds it, or several (columns)."
        )
        raise ConfigError(msg)


def _assert_ids_are_of_no_person(entity: str, delivered: Entity, contract: Contract) -> None:
    """Refuse an id that would carry the shop's own id of a person past bronze.

    Raises:
        ConfigError: a column of a person is part of an id.
    """
    personal = {column.name for column in contract.columns if column.personal}
    of_persons = {n for n, origin in delivered.columns.items() if n in personal}
    held = set(source_columns(delivered.columns[name] for name in of_persons))
    for name, origin in delivered.columns.items():
        found = held & set(origin.columns or ()) if name not in personal else set()
        if found:
            msg = (
                f"shop.entities.{entity}.columns.{name} should be made of columns that name no "
                f"person. Received {', '.join(sorted(found))}; leave it out, or have the id "
                "generated."
            )
            raise ConfigError(msg)


def with_text(rows: DataFrame, entity: Entity) -> DataFrame:
    """Add `delivered_columns`, `is_malformed`, `text`, `failed_columns` and `unread_columns`.

    `text` has the texts by the entity's columns, and that of its condition as `where`: NULL where
    one is absent, blank or one of `null_values`. Failed are the columns whose expression cannot be
    computed for the row; their text is NULL too. The delivered columns are the names in a CSV's
    header or a row's object, NULL where there is none, and those that the file's name gives. Unread
    are the shop's columns that hold more than is read of them, or stand twice in a CSV's header.
    """
    fields = _own_columns(rows, entity)
    origins = entity.origins
    tried = {c: attempted(o.expression) for c, o in origins.items() if o.expression}
    held = F.struct(F.lit(None).alias("_"), *[each.alias(c) for c, each in tried.items()])
    texts = [
        F.col(_TRIED)[c][VALUE] if c in tried else _text(origin) for c, origin in origins.items()
    ]
    failed = [F.when(F.col(_TRIED)[c].isNull(), F.lit(c)) for c in tried]
    return fields.withColumn(_TRIED, held).select(
        f"{_DELIVERED}.*",
        MALFORMED,
        F.struct(*[text.alias(c) for c, text in zip(origins, texts, strict=True)]).alias(TEXT),
        _present(failed).alias(FAILED),
        UNREAD,
    )


def _own_columns(rows: DataFrame, entity: Entity) -> DataFrame:
    """The shop's own columns alone, so that an expression can name them freely.

    Beside them stand the delivered row and what is known of it.
    """
    names = source_columns(entity.origins.values())
    of_name = entity.name_columns
    of_row = [name for name in names if name not in of_name]
    if entity.format == "csv":
        headers = _headers(rows)
        read = _with_parsed(rows, headers, entity)
        parsed, keys, more = _csv_fields(headers, of_row, entity)
    else:
        read = with_objects(rows, of_row, entity)
        parsed, keys = json_fields(read, of_row, entity)
        plain = {origin.column for origin in entity.origins.values()}
        are_unread = {n: unread(F.col("_p")[n], is_plain=n in plain) for n in of_row}
        more = _present([F.when(is_more, F.lit(n)) for n, is_more in are_unread.items()])
    if of_name:
        keys = F.concat(keys, F.array_except(F.array(*map(F.lit, of_name)), keys))
    delivered = F.struct(*rows.columns, keys.alias(KEYS))
    row, file = F.col("_p"), F.col(_DELIVERED)["source_file"]
    values = {n: _of_file_name(file, n, entity) if n in of_name else row[n] for n in names}
    # Spark accepts a truncated object in a list as a whole one; its names are NULL then.
    is_malformed = row.isNull() | row[CORRUPT].isNotNull() | F.col(_DELIVERED)[KEYS].isNull()
    return read.select(delivered.alias(_DELIVERED), parsed.alias("_p")).select(
        _DELIVERED,
        is_malformed.alias(MALFORMED),
        more.alias(UNREAD),
        *[_meant(value, entity).alias(name) for name, value in values.items()],
    )


def _present(names: list[Column]) -> Column:
    return F.array_compact(F.array(*names, F.lit(None).cast("string")))


def _meant(text: Column, entity: Entity) -> Column:
    """A trimmed text, NULL where it means nothing."""
    trimmed = F.nullif(F.trim(text, F.lit(_BLANK)), F.lit(""))
    if not entity.null_values:
        return trimmed
    return F.when(~trimmed.isin(*entity.null_values), trimmed)


def _of_file_name(file: Column, name: str, entity: Entity) -> Column:
    """What a file's name says where the entity's path or history has the name in braces."""
    found = [
        F.regexp_extract(file, names.expression(), names.columns.index(name) + 1)
        for names in entity.names
        if name in names.columns
    ]
    return F.coalesce(*[F.nullif(text, F.lit("")) for text in found])


def source_columns(origins: Iterable[ColumnMapping]) -> list[str]:
    """The shop's own columns that the origins read, by name."""
    names: set[str] = set()
    for origin in origins:
        names.update([origin.column] if origin.column else origin.columns or origin.reads)
    return sorted(names - {DATE})


def _text(origin: ColumnMapping) -> Column:
    if origin.column is not None:
        return _column(origin.column)
    if origin.columns is not None:
        return _joined([_part(name) for name in origin.columns])
    return F.lit(origin.constant).cast("string")


def _column(name: str) -> Column:
    return F.col(f"`{name.replace('`', '``')}`")


def _part(name: str) -> Column:
    return F.col(_DELIVERED)[BUSINESS_DATE].cast("string") if name == DATE else _column(name)


def _joined(parts: Iterable[Column]) -> Column:
    """One text of several, NULL where one is; a separator within a part is escaped."""
    escaped = (F.regexp_replace(part, r"[\\|]", r"\\$0") for part in parts)
    one, *others = escaped
    return F.concat(one, *[text for other in others for text in (F.lit(_SEPARATOR), other)])


def typed(text: Column, origin: ColumnMapping, column: ContractColumn) -> Column:
    """The text as the contract's type, NULL where it does not fit."""
    kind = column.type
    if isinstance(kind, T.IntegerType | T.LongType):
        return F.regexp_replace(text, _WHOLE, "$1").try_cast(kind)
    if not isinstance(kind, T.TimestampType | T.DateType):
        return text.try_cast(kind)
    if origin.format:
        stamp = F.try_to_timestamp(text, F.lit(origin.format))
        has_zone = F.lit(bool(_ZONE_IN_FORMAT.search(_LITERAL.sub("", origin.format))))
    else:
        # A text without a date would be cast to a time of today, "2026" to its first day.
        stamp = F.when(text.rlike(_DATED), text).try_cast(kind)
        has_zone = text.rlike(_ZONED)
    # A year of five digits is a typing error, and no time zone can be applied to it.
    years = F.lit("0001-01-01"), F.lit("9999-12-31 23:59:59.999999")
    stamp = F.when(stamp.between(*years), stamp)
    if isinstance(kind, T.DateType):
        return stamp.cast("date")
    if origin.zone is None:
        return stamp
    return F.when(has_zone, stamp).otherwise(F.to_utc_timestamp(stamp, origin.zone))


def _struct(names: Iterable[str]) -> T.StructType:
    return T.StructType([T.StructField(name, T.StringType()) for name in (*names, CORRUPT)])


def _headers(rows: DataFrame) -> list[str]:
    """Headers that occur, of those that could be one: a shop may change its columns."""
    found = rows.where(F.col("header").isNotNull()).select("header").distinct().collect()
    return sorted(row["header"] for row in found)


def _with_parsed(rows: DataFrame, headers: list[str], entity: Entity) -> DataFrame:
    """Add the fields of each row by the columns of its header, a column for each header.

    Within one expression Spark would parse a row once for each field that is read.
    """
    options = {
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": CORRUPT,
        "sep": entity.separator,
        "quote": entity.quote,
        "escape": entity.escape or entity.quote,
    }
    found = {}
    for number, header in enumerate(headers):
        width = len(_fields_of(header, entity))
        schema = ", ".join([*[f"_{n} STRING" for n in range(width)], f"{CORRUPT} STRING"])
        parsed = F.from_csv(_without_end(width, entity), schema, options)
        found[_parsed(number)] = F.when(F.col("header") == header, parsed)
    return rows.withColumns(found) if found else rows


def _parsed(number: int) -> str:
    return f"_parsed_{number}"


def _fields_of(header: str, entity: Entity) -> list[str]:
    """The names in a header; none where it could be no header, so that its rows are malformed."""
    try:
        return csv_fields(header, entity)
    except csv.Error:
        return []


def _csv_fields(
    headers: list[str], names: list[str], entity: Entity
) -> tuple[Column, Column, Column]:
    """The fields by name, the names that a row has, and those that its header has twice."""
    parsers, keys, twice = [], [], set[str]()
    for number, header in enumerate(headers):
        delivered = _fields_of(header, entity)
        if not delivered:
            continue
        twice |= {name for name in names if delivered.count(name) > 1}
        # By position: a header may hold any text, even the same name twice (the first counts).
        places = {name: f"_{place}" for place, name in reversed(list(enumerate(delivered)))}
        parsed, absent = F.col(_parsed(number)), F.lit(None).cast("string")
        struct = F.struct(
            *[(parsed[places[n]] if n in places else absent).alias(n) for n in names],
            parsed[CORRUPT].alias(CORRUPT),
        )
        is_mine = F.col("header") == header
        parsers.append(F.when(is_mine, struct))
        keys.append(F.when(is_mine, F.array(*map(F.lit, delivered))))
    more = _present([F.when(_is_twice(name), F.lit(name)) for name in sorted(twice)])
    if not parsers:
        return F.lit(None).cast(_struct(names)), F.lit(None).cast("array<string>"), more
    return F.coalesce(*parsers), F.coalesce(*keys), more


def _is_twice(name: str) -> Column:
    """True where a header has a name twice: the first is read."""
    return F.size(F.filter(F.col(_DELIVERED)[KEYS], lambda key: key == F.lit(name))) > 1


def _without_end(width: int, entity: Entity) -> Column:
    """A CSV's row without the separator at its end that its header lacks."""
    raw = F.col("raw")
    is_longer = raw.endswith(entity.separator) & (csv_width(raw, entity) == width + 1)
    return F.when(is_longer, F.left(raw, F.length(raw) - 1)).otherwise(raw)


def csv_width(record: Column, entity: Entity) -> Column:
    """Number of fields of a record."""
    quote = re.escape(entity.quote)
    plain = F.regexp_replace(record, f"{quote}[^{quote}]*{quote}", "")
    return F.length(plain) - F.length(F.replace(plain, F.lit(entity.separator), F.lit(""))) + 1
