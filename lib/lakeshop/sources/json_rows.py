"""Rows of JSON: their fields by name, fields of objects within, and arrays that are opened.

A dotted name such as `customer.id` is a field of an object within, unless the row has a field of
just that name. With `lines: items` a row is an order, each element of its array `items` becomes a
row, and `items.sku` is a field of the element; `items.#` is its number, from 1.
"""

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.config.shop import Entity

CORRUPT = "_corrupt_record"
ELEMENT, ITEM, OPENED = "_element", "source_item", "_opened"
_ARRAY, _ROW, _ROW_OF_ELEMENT = "_elements", "_row", "_row_of_element"
NUMBER = "#"
_NUMBER = r"^-?\d+(\.\d+)?(E\d+)?$"


def with_elements(rows: DataFrame, entity: Entity) -> DataFrame:
    """Open the array that the entity's `lines` name: one row per element, in no certain order.

    Adds the element as JSON, its number from 1, and how many rows its record became beyond one, at
    the first of them and 0 else. A record without elements stays one row; its number is NULL.
    """
    if entity.lines is None or ELEMENT in rows.columns:
        return rows
    opened = _with_arrays(rows, entity.lines).select(
        *rows.columns, _ARRAY, F.posexplode_outer(_ARRAY).alias(ITEM, ELEMENT)
    )
    more = F.when(F.col(ITEM) == 0, F.size(_ARRAY) - 1).otherwise(0)
    return opened.withColumns({OPENED: more, ITEM: F.col(ITEM) + 1}).drop(_ARRAY)


def with_first_element(rows: DataFrame, entity: Entity) -> DataFrame:
    """Add the first element alone, as `with_elements` would."""
    if entity.lines is None:
        return rows
    first = F.get(_ARRAY, F.lit(0))
    return (
        _with_arrays(rows, entity.lines)
        .withColumn(ELEMENT, first)
        .withColumn(ITEM, F.when(F.col(ELEMENT).isNotNull(), F.lit(1)))
        .drop(_ARRAY)
    )


def _with_arrays(rows: DataFrame, lines: str) -> DataFrame:
    """Add the elements as texts; an object that stands for itself is one, as is anything else."""
    parsed = rows.withColumn(_ROW, _objects("raw", _tops([lines])))
    objects = parsed.withColumn(_ROW, _only(_ROW, "raw"))
    texts = objects.withColumn(_ARRAY, _within(F.col(_ROW), [lines])[lines])
    text = F.col(_ARRAY)
    as_array = F.when(text.startswith("["), text).otherwise(F.concat(F.lit("["), text, F.lit("]")))
    elements = F.from_json(as_array, T.ArrayType(T.StringType()))
    found = F.coalesce(elements, F.when(text.isNotNull(), F.array(text)))
    return texts.withColumn(_ARRAY, found).drop(_ROW)


def with_objects(rows: DataFrame, names: list[str], entity: Entity) -> DataFrame:
    """Add what `json_fields` reads the named fields of: each row parsed once."""
    of_row, of_element = _by_object(names, entity)
    texts = {_ROW: ("raw", _tops(of_row))}
    if entity.lines and ELEMENT in rows.columns:
        texts[_ROW_OF_ELEMENT] = ELEMENT, _tops(_inner(of_element, entity))
    # As columns of their own: within one expression Spark would parse a row once per use.
    lists = rows.withColumns({name: _objects(*text) for name, text in texts.items()})
    return lists.withColumns({name: _only(name, text) for name, (text, _) in texts.items()})


def json_fields(rows: DataFrame, names: list[str], entity: Entity) -> tuple[Column, Column]:
    """A struct of the named fields and the corrupt record, and the names that a row has.

    Both are NULL for a row that is not one object.

    Args:
        rows: as from `with_objects`, for the same names.
        names: of the fields.
        entity: names the array that was opened.
    """
    of_row, of_element = _by_object(names, entity)
    row = F.col(_ROW)
    found = _within(row, of_row)
    keys, corrupt = F.json_object_keys("raw"), row[CORRUPT]
    keys = F.concat(keys, F.array_except(_present(found, of_row), keys))
    if entity.lines and ELEMENT in rows.columns:
        start, inner, element = (
            f"{entity.lines}.",
            _inner(of_element, entity),
            F.col(_ROW_OF_ELEMENT),
        )
        within = _within(element, inner) | {NUMBER: F.col(ITEM).cast("string")}
        found |= {n: within[n.removeprefix(start)] for n in of_element}
        is_broken = F.col(ITEM).isNotNull() & (element.isNull() | element[CORRUPT].isNotNull())
        corrupt = F.coalesce(corrupt, F.when(is_broken, F.col("raw")))
        own = F.concat(F.json_object_keys(ELEMENT), F.array(F.lit(NUMBER)))
        of_it = F.transform(own, lambda key: F.concat(F.lit(start), key))
        of_it = F.concat(of_it, F.array_except(_present(found, of_element), of_it))
        keys = F.concat(keys, F.coalesce(of_it, F.array().cast("array<string>")))
    else:
        found |= {n: F.lit(None).cast("string") for n in of_element}
    struct = F.struct(*[integral(found[n]).alias(n) for n in names], corrupt.alias(CORRUPT))
    return F.when(row.isNotNull(), struct), keys


def _present(found: dict[str, Column], names: Iterable[str]) -> Column:
    """The dotted ones of these names that a row has a value for."""
    dotted = [F.when(found[n].isNotNull(), F.lit(n)) for n in names if "." in n]
    return F.array_compact(F.array(*dotted, F.lit(None).cast("string")))


def integral(text: Column) -> Column:
    """A number without a fraction as JSON has it without one: 1234.0 is 1234.

    A text that looks like one stays: it stands in quotes somewhere in the row.
    """
    # So wide that both are compared without a loss.
    value = text.try_cast("decimal(30,6)")
    whole = value.cast("decimal(24,0)")
    is_text = F.col("raw").contains(F.concat(F.lit('"'), text, F.lit('"')))
    looks_so = (text.endswith(".0") | text.contains("E")) & text.rlike(_NUMBER)
    return F.when(looks_so & ~is_text & (value == whole), whole.cast("string")).otherwise(text)


def is_array(raw: str) -> Column:
    """True for a row that is an array, or the begin of one, in place of an object."""
    return F.ltrim(F.col(raw)).startswith("[")


def unread(text: Column, *, is_plain: bool) -> Column:
    """True where a value is more than what is read of it: an array of objects, or an object.

    Args:
        text: the value.
        is_plain: whether it is read as it is, and not by an expression.
    """
    more = text.startswith("[{") & (F.json_array_length(text) > 1)
    return F.coalesce(more | text.startswith("{") if is_plain else more, F.lit(False))


def prefixes(names: Iterable[str]) -> set[str]:
    """The names of the objects around dotted names."""
    return {
        ".".join(steps[:n])
        for name in names
        for steps in [name.split(".")]
        for n in range(1, len(steps))
    }


def _tops(names: Iterable[str]) -> list[str]:
    """The names, and the outermost objects of dotted ones."""
    return sorted({*names, *(name.partition(".")[0] for name in names)})


def _by_object(names: list[str], entity: Entity) -> tuple[list[str], list[str]]:
    """The names of the row's own fields, and of its elements'."""
    of_element = [n for n in names if entity.lines and n.startswith(f"{entity.lines}.")]
    return [n for n in names if n not in of_element], of_element


def _inner(of_element: list[str], entity: Entity) -> list[str]:
    return [name.removeprefix(f"{entity.lines}.") for name in of_element]


def _objects(text: str, names: list[str]) -> Column:
    """An object, read as a list: Spark would drop everything after the first object."""
    fields = [T.StructField(name, T.StringType()) for name in (*names, CORRUPT)]
    listed = F.concat(F.lit("["), F.col(text), F.lit("]"))
    return F.from_json(listed, T.ArrayType(T.StructType(fields)), {"mode": "PERMISSIVE"})


def _only(objects: str, text: str) -> Column:
    is_one = (F.size(objects) == 1) & F.rtrim(F.col(text)).endswith("}")
    return F.when(is_one, F.get(objects, F.lit(0)))


def _within(row: Column, names: Iterable[str]) -> dict[str, Column]:
    """The fields of an object by name: its own, or those of objects within."""
    inner: dict[str, list[str]] = {}
    for name in names:
        top, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(top, []).append(rest)
    found = {name: row[name] for name in names}
    for top, rests in inner.items():
        fields = [T.StructField(name, T.StringType()) for name in _tops(rests)]
        parsed = F.from_json(F.when(row[top].startswith("{"), row[top]), T.StructType(fields))
        for rest, value in _within(parsed, rests).items():
            name = f"{top}.{rest}"
            found[name] = F.coalesce(row[name], value)
    return found
