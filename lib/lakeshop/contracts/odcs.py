"""The contracts in `schemas/<layer>/<table>.yaml`, read into frozen values.

A contract follows the Open Data Contract Standard 3.1. Column types, DDL, table
properties, checks, inputs with their look-back, the README's table list and the data
dictionary all come from here; nothing else in Lakeshop declares a column type.

What the standard has no word for stands under its `customProperties`:

- `rows`: how rows are filed. `delivery` as delivered on a business date; `event` unique
  by key within the look-back; `version` a changed version of an entity; `aggregate` sums
  per business date; `snapshot` the state known on a business date; `log` appended records.
- `inputs`: the tables a table is computed from, each with `lookBackDays` (absent means all
  days up to the business date). The engine hands a table's builder nothing else.
- `latestTwin`: the newest business date is also published as `<table>_latest`.
- `schedule`: the days of a snapshot: `daily` (the default) for the business date, `training`
  for the newest training day, `both` where trainers read what nights read too.
- `delivers`: what a shop's rows of an entity are of, in words: the contracts of bronze and
  quarantine follow from that of silver (`lakeshop.contracts.derived`).
- `application`: who makes the table; each of features, similarity and gold names it.
- `retainLatestPer`: columns; of each of their values the newest row outlives the retention.
- `retainWhileIn`: tables in which the key keeps a row from the retention.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pyspark.sql import types as T

from lakeshop.config.base import read_document
from lakeshop.config.validation import column_faults, predicate_faults
from lakeshop.contracts.derived import SILVER, derived_contracts
from lakeshop.contracts.model import BY_DAY, DAILY, SCHEDULES, Check, Column, Contract, Input
from lakeshop.errors import ContractError

Place = Traversable | Path

ROW_KINDS = BY_DAY | {"snapshot", "log"}
ON_FAILURE = frozenset({"quarantine", "fail", "warn"})
MADE_BY_APPLICATIONS = frozenset({"features", "similarity", "gold"})

_SIMPLE_TYPES: Mapping[str, tuple[T.DataType, str]] = {
    "STRING": (T.StringType(), "string"),
    "BOOLEAN": (T.BooleanType(), "boolean"),
    "INT": (T.IntegerType(), "integer"),
    "BIGINT": (T.LongType(), "integer"),
    "DOUBLE": (T.DoubleType(), "number"),
    "DATE": (T.DateType(), "date"),
    "TIMESTAMP": (T.TimestampType(), "timestamp"),
    "BINARY": (T.BinaryType(), "string"),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_ARRAY = re.compile(r"ARRAY<(.+)>")


def spark_type(text: str) -> T.DataType:
    """The Spark type that a contract's `physicalType` names.

    Raises:
        ContractError: the type is none that Lakeshop's tables may use.
    """
    if text in _SIMPLE_TYPES:
        return _SIMPLE_TYPES[text][0]
    if (decimal := _DECIMAL.fullmatch(text)) and 0 < int(decimal[1]) <= 38:
        precision, scale = int(decimal[1]), int(decimal[2])
        if scale <= precision:
            return T.DecimalType(precision, scale)
    if array := _ARRAY.fullmatch(text):
        return T.ArrayType(spark_type(array[1]))
    msg = (
        f"physicalType should be one of {', '.join(_SIMPLE_TYPES)}, DECIMAL(p,s) of at most "
        f"38 digits or ARRAY<type>. "
        f"Received {text!r}; other types are not readable by every consumer."
    )
    raise ContractError(msg)


def logical_type(text: str) -> str:
    """The standard's `logicalType` that belongs to a `physicalType`."""
    if text in _SIMPLE_TYPES:
        return _SIMPLE_TYPES[text][1]
    return "number" if _DECIMAL.fullmatch(text) else "array"


def read_contracts(folder: Place, *, is_whole: bool = True) -> dict[str, Contract]:
    """All contracts of a folder `schemas`, by table name, in the order of the names.

    Those of bronze and quarantine are among them: they follow from silver's.

    Args:
        folder: holds `<layer>/<table>.yaml`; it may lie within a package, even a zipped one.
        is_whole: inputs are looked for here. Else `merge_contracts` does it later.

    Raises:
        ContractError: no contract was found, or one is not well formed; all faults at once.
    """
    written: list[Contract] = []
    faults: list[str] = []
    for layer, file in _files(folder):
        try:
            written.append(read_contract(file, layer))
        except ContractError as error:
            faults.append(str(error))
    if not written and not faults:
        faults.append(f"Contracts should lie in {folder}/<layer>/<table>.yaml. Received none.")
    if faults:
        raise ContractError("\n".join(faults))
    sets = ({c.name: c} for c in (*written, *derived_contracts(written)))
    return merge_contracts({}, *sets) if is_whole else _merged({}, *sets)


def merge_contracts(
    base: Mapping[str, Contract], *others: Mapping[str, Contract]
) -> dict[str, Contract]:
    """Sets of contracts as one, such as those of a package beside Lakeshop's own.

    Raises:
        ContractError: a table is declared twice, or reads one that no set has.
    """
    contracts = _merged(base, *others)
    faults = [
        f"{contract.name}: input {declared.table} should be a table with a contract. "
        "Received none; write it, or read another table."
        for contract in contracts.values()
        for declared in contract.inputs
        if declared.table not in contracts
    ]
    if faults:
        raise ContractError("\n".join(faults))
    return contracts


def _merged(*sets: Mapping[str, Contract]) -> dict[str, Contract]:
    merged: dict[str, Contract] = {}
    faults = []
    for contracts in sets:
        for name, contract in contracts.items():
            if name in merged:
                faults.append(
                    f"{name} should have one contract. Received {_told(merged[name])} and "
                    f"{_told(contract)}; give one of them another name."
                )
            merged[name] = contract
    if faults:
        raise ContractError("\n".join(faults))
    return dict(sorted(merged.items()))


def _told(contract: Contract) -> str:
    origin = contract.derived_from and f", from {contract.derived_from}"
    return f"one of {contract.owner}{origin or ''} ({contract.about})"


def _files(folder: Place) -> Iterator[tuple[str, Place]]:
    """Layers and files of contracts; what lies in a zip knows no patterns."""
    for layer in _sorted(folder):
        for file in _sorted(layer):
            if file.name.endswith(".yaml"):
                yield layer.name, file


def _sorted(folder: Place) -> list[Place]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []


def read_contract(file: Place, layer: str) -> Contract:
    """One contract, which must bear the name of its place: `<layer>/<table>.yaml`.

    Raises:
        ContractError: the file is not well formed; all faults in one text.
    """
    document = _read_yaml(file)
    try:
        faults = list(_faults(document, layer, file.name.removesuffix(".yaml")))
        contract = None if faults else _contract(document)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        msg = f"{file.name}: should have all parts of the standard. Wrong or missing: {error}."
        raise ContractError(msg) from None
    if contract is None:
        raise ContractError("\n".join(f"{file.name}: {fault}" for fault in faults))
    return contract


def _read_yaml(path: Place) -> dict[str, Any]:
    try:
        document = read_document(path)
    except (FileNotFoundError, ValueError) as error:
        msg = f"{path.name}: should be YAML. Received: {error}"
        raise ContractError(msg) from None
    if not isinstance(document, dict):
        msg = f"{path.name}: should hold keys and values. Received {type(document).__name__}."
        raise ContractError(msg)
    return document


def _contract(document: dict[str, Any]) -> Contract:
    table = document["schema"][0]
    properties = table["properties"]
    custom = {entry["property"]: entry["value"] for entry in document["customProperties"]}
    keyed = [p for p in properties if p.get("primaryKey")]
    return Contract(
        name=document["name"],
        grain=table["dataGranularityDescription"],
        about=" ".join(document["description"]["purpose"].split()),
        owner=document["team"]["name"],
        rows=custom["rows"],
        key=tuple(p["name"] for p in sorted(keyed, key=lambda p: p["primaryKeyPosition"])),
        columns=tuple(_column(p) for p in properties),
        partition_by=tuple(p["name"] for p in properties if p.get("partitioned")),
        checks=tuple(_check(q) for q in table.get("quality", ())),
        inputs=tuple(_input(entry) for entry in custom.get("inputs", ())),
        look_back_days=custom.get("lookBackDays"),
        retention_days=_retention_days(document),
        has_latest_twin=bool(custom.get("latestTwin", False)),
        schedule=str(custom.get("schedule", DAILY)),
        retain_latest_per=_retain_latest_per(custom, keyed),
        retain_while_in=tuple(custom.get("retainWhileIn", ())),
        application=custom.get("application"),
        delivers=custom.get("delivers"),
    )


def _retain_latest_per(custom: Mapping[str, Any], key: list[dict[str, Any]]) -> tuple[str, ...]:
    """Of an entity the newest version is what is known of it, however old."""
    if custom["rows"] == "version" and "retainWhileIn" not in custom:
        return tuple(p["name"] for p in key)
    return tuple(custom.get("retainLatestPer", ()))


def _input(entry: Mapping[str, Any]) -> Input:
    return Input(
        table=entry["table"],
        look_back_days=entry.get("lookBackDays"),
        all_versions=entry.get("versions") == "all",
    )


def _column(entry: Mapping[str, object]) -> Column:
    return Column(
        name=str(entry["name"]),
        type=spark_type(str(entry["physicalType"])),
        required=bool(entry.get("required", False)),
        personal=entry.get("classification") == "personal",
        about=" ".join(str(entry["description"]).split()),
    )


def _check(entry: Mapping[str, object]) -> Check:
    return Check(
        name=str(entry["name"]),
        holds=" ".join(str(entry["implementation"]).split()),
        on_failure=str(entry["severity"]),
        about=str(entry["description"]),
    )


def _retention_days(document: Mapping[str, object]) -> int:
    terms = document["slaProperties"]
    assert isinstance(terms, list)
    return int(next(term["value"] for term in terms if term["property"] == "retention"))


def _faults(document: Mapping[str, object], layer: str, stem: str) -> Iterator[str]:
    """What Lakeshop asks of a contract beyond the standard's own schema."""
    name = f"{layer}.{stem}"
    if document.get("name") != name:
        yield f"name should be {name}, from its place. Received {document.get('name')!r}."
    custom = {e["property"]: e["value"] for e in _list(document.get("customProperties"))}
    if custom.get("rows") not in ROW_KINDS:
        yield f"rows should be one of {sorted(ROW_KINDS)}. Received {custom.get('rows')!r}."
    if custom.get("schedule", DAILY) not in SCHEDULES:
        yield f"schedule should be one of {', '.join(SCHEDULES)}. Received {custom['schedule']!r}."
    if layer == SILVER and not custom.get("delivers"):
        yield "delivers should say what the rows are of. Received nothing; add some words."
    if layer in MADE_BY_APPLICATIONS and not custom.get("application"):
        yield "application should name who makes the table. Received none; add it."
    if not any(t.get("property") == "retention" for t in _list(document.get("slaProperties"))):
        yield "slaProperties should state a retention in days."
    for table in _list(document.get("schema")):
        for column in _list(table.get("properties")):
            yield from _column_faults(column)
        yield from column_faults([str(c["name"]) for c in _list(table.get("properties"))])
        yield from column_faults([str(c["name"]) for c in _list(table.get("quality"))])
        for check in _list(table.get("quality")):
            yield from predicate_faults(str(check["name"]), str(check["implementation"]))
            if check.get("severity") not in ON_FAILURE:
                yield f"severity of {check.get('name')} should be one of {sorted(ON_FAILURE)}."


def _column_faults(column: Mapping[str, object]) -> Iterator[str]:
    physical = str(column.get("physicalType"))
    try:
        spark_type(physical)
    except ContractError as error:
        yield f"{column.get('name')}: {error}"
        return
    if column.get("logicalType") != logical_type(physical):
        yield (
            f"{column.get('name')}: logicalType should be {logical_type(physical)} for {physical}. "
            f"Received {column.get('logicalType')!r}."
        )
    if not column.get("description"):
        yield f"{column.get('name')}: description should say what the column means."


def _list(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []
