"""Types of columns: what a contract may name, and how the standard, Spark and SQL call them.

All of them can be read at Delta's reader version 1.
"""

import re
from collections.abc import Mapping

from pyspark.sql import types as T

from lakeshop.config.validation import column_faults
from lakeshop.errors import ContractError

_SIMPLE: Mapping[str, tuple[T.DataType, str]] = {
    "STRING": (T.StringType(), "string"),
    "BOOLEAN": (T.BooleanType(), "boolean"),
    "INT": (T.IntegerType(), "integer"),
    "BIGINT": (T.LongType(), "integer"),
    "DOUBLE": (T.DoubleType(), "number"),
    "DATE": (T.DateType(), "date"),
    "TIMESTAMP": (T.TimestampType(), "timestamp"),
    "BINARY": (T.BinaryType(), "string"),
}
KEYS_OF_MAPS = frozenset({"STRING", "INT", "BIGINT", "DATE"})
LONGEST = 1000  # letters: a type that nobody nests deeper than Python may
_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}),\s*(\d{1,2})\)")
_NESTED = re.compile(r"(ARRAY|MAP|STRUCT)<(.+)>")
_FIELD = re.compile(r"\s*(\w+)\s*:\s*(.+)", re.ASCII)


def spark_type(text: str) -> T.DataType:
    """The Spark type that a contract's `physicalType` names.

    Raises:
        ContractError: the type is none that Lakeshop's tables may use.
    """
    found = _parsed(text) if len(text) <= LONGEST else None
    if found is None:
        msg = (
            f"physicalType should be one of {', '.join(_SIMPLE)}, DECIMAL(p,s) of at most "
            "38 digits, ARRAY<type>, MAP<key,type> or STRUCT<name: type, ...>, a map's key one of "
            f"{', '.join(sorted(KEYS_OF_MAPS))} and no map in its values. "
            f"Received {text[:100]!r}; other types are not readable by every consumer."
        )
        raise ContractError(msg)
    return found


def _parsed(text: str) -> T.DataType | None:
    if text in _SIMPLE:
        return _SIMPLE[text][0]
    if decimal := _DECIMAL.fullmatch(text):
        precision, scale = int(decimal[1]), int(decimal[2])
        return T.DecimalType(precision, scale) if max(1, scale) <= precision <= 38 else None
    if nested := _NESTED.fullmatch(text):
        parts = _parts(nested[2])
        return {"ARRAY": _array, "MAP": _map, "STRUCT": _struct}[nested[1]](parts)
    return None


def _array(parts: list[str]) -> T.DataType | None:
    element = _parsed(parts[0]) if len(parts) == 1 else None
    return None if element is None else T.ArrayType(element)


def _map(parts: list[str]) -> T.DataType | None:
    if len(parts) != 2 or parts[0] not in KEYS_OF_MAPS:
        return None
    value = _parsed(parts[1])
    # Where maps are compared their entries are sorted, and those of a map within have no order.
    if value is None or holds(value, T.MapType):
        return None
    return T.MapType(_SIMPLE[parts[0]][0], value)


def _struct(parts: list[str]) -> T.DataType | None:
    fields = [found for part in parts if (found := _FIELD.fullmatch(part))]
    kinds = [_parsed(field[2]) for field in fields]
    names = [field[1].lower() for field in fields]
    if len(fields) != len(parts) or list(column_faults(names)):
        return None
    named = [T.StructField(f[1], k) for f, k in zip(fields, kinds, strict=True) if k is not None]
    return T.StructType(named) if len(named) == len(parts) else None


def _parts(text: str) -> list[str]:
    """The types between the commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def holds(kind: T.DataType, part: type[T.DataType]) -> bool:
    """Return whether a type is of a kind, or contains one: a map somewhere, or a text."""
    return isinstance(kind, part) or any(holds(inner, part) for inner in inner_types(kind))


def inner_types(kind: T.DataType) -> list[T.DataType]:
    """The types that a type is made of; none of a simple one."""
    if isinstance(kind, T.ArrayType):
        return [kind.elementType]
    if isinstance(kind, T.MapType):
        return [kind.keyType, kind.valueType]
    return [field.dataType for field in kind.fields] if isinstance(kind, T.StructType) else []


def logical_type(text: str) -> str:
    """The standard's `logicalType` that belongs to a `physicalType`."""
    if text in _SIMPLE:
        return _SIMPLE[text][1]
    if text.startswith("DECIMAL"):
        return "number"
    return "array" if text.startswith("ARRAY") else "object"


def sql_type(kind: T.DataType) -> str:
    """A type as a statement of SQL has it; fields keep their letters."""
    if isinstance(kind, T.ArrayType):
        return f"ARRAY<{sql_type(kind.elementType)}>"
    if isinstance(kind, T.MapType):
        return f"MAP<{sql_type(kind.keyType)},{sql_type(kind.valueType)}>"
    if isinstance(kind, T.StructType):
        fields = (f"`{field.name}`: {sql_type(field.dataType)}" for field in kind.fields)
        return f"STRUCT<{', '.join(fields)}>"
    return kind.simpleString().upper()
