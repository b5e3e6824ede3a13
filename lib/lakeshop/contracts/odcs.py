"""The contracts in `schemas/<layer>/<table>.yaml`, read into frozen values.

A contract follows the Open Data Contract Standard 3.1. Column types, DDL, table
properties, checks, inputs with their look-back, the tables of docs/tables.md and the data
dictionary all come from here; nothing else in Lakeshop declares a column type.

What the standard has no word for stands under its `customProperties`:

- `rows`: how rows are filed. `delivery` as delivered on a business date; `event` unique
  by key within the look-back; `version` a changed version of an entity; `aggregate` sums
  per business date; `snapshot` the state known on a business date; `log` appended records.
- `inputs`: the tables a table is computed from, each with `lookBackDays` (absent means all
  days up to the business date). The engine hands a table's builder nothing else. With
  `days: newest` it is the newest day within the look-back alone.
- `latestTwin`: the newest business date is also published as `<table>_latest`.
- `schedule`: the days of a snapshot: `daily` (the default) for the business date, `training`
  for the newest training day, `both` where trainers read what nights read too, `weekly` for
  the newest training day on which the inputs had rows, else for the business date.
- `delivers`: what a shop's rows of an entity are of, in words: the contracts of bronze and
  quarantine follow from that of silver (`lakeshop.contracts.derived`).
- `application`: who makes the table; each of features, similarity and gold names it.
- `retainLatestPer`: columns; of each of their values the newest row outlives the retention.
- `retainWhileIn`: tables in which the key keeps a row from the retention.
"""

from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, TypeVar

from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    Team,
)
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from lakeshop.config.base import FrozenModel, read_document
from lakeshop.config.validation import column_faults, predicate_faults
from lakeshop.contracts.derived import SILVER, derived_contracts
from lakeshop.contracts.model import DAILY, Check, Column, Contract, Input
from lakeshop.contracts.types import logical_type, spark_type
from lakeshop.errors import ContractError

Place = Traversable | Path

ON_FAILURE = frozenset({"quarantine", "fail", "warn"})
MADE_BY_APPLICATIONS = frozenset({"features", "similarity", "gold"})

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V")


class InputTerms(FrozenModel):
    """A table that another one is computed from."""

    model_config = ConfigDict(alias_generator=to_camel)

    table: str
    look_back_days: NonNegativeInt | None = None
    versions: Literal["all"] | None = None
    days: Literal["newest"] | None = None


class CustomTerms(FrozenModel):
    """Terms that the standard lacks."""

    model_config = ConfigDict(alias_generator=to_camel)

    rows: Literal["delivery", "event", "version", "aggregate", "snapshot", "log"]
    inputs: list[InputTerms] = Field(default_factory=list)
    look_back_days: NonNegativeInt | None = None
    latest_twin: bool = False
    schedule: Literal["daily", "training", "both", "weekly"] = DAILY
    application: str | None = None
    delivers: str | None = None
    retain_latest_per: list[str] = Field(default_factory=list)
    retain_while_in: list[str] = Field(default_factory=list)


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
                    f"{name} should have one contract. Received {_origin(merged[name])} and "
                    f"{_origin(contract)}; give one of them another name."
                )
            merged[name] = contract
    if faults:
        raise ContractError("\n".join(faults))
    return dict(sorted(merged.items()))


def _origin(contract: Contract) -> str:
    derived = f", from {contract.derived_from}" if contract.derived_from else ""
    return f"one of {contract.owner}{derived} ({contract.about})"


def _files(folder: Place) -> Iterator[tuple[str, Place]]:
    """Layers and files of contracts; what lies in a zip knows no patterns."""
    for layer in _sorted(folder):
        for file in _sorted(layer):
            if file.name.endswith(".yaml"):
                yield layer.name, file


def _sorted(folder: Place) -> list[Place]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []


def read_contract(file: Place, layer: str = "") -> Contract:
    """One contract, which must bear the name of its place: `<layer>/<table>.yaml`.

    A template, which lies in no layer, bears the name of its file.

    Raises:
        ContractError: the file is not well formed; all faults in one text.
    """
    stem = file.name.removesuffix(".yaml")
    found = _read_yaml(file)
    faults: list[str] = []
    document = _modelled(OpenDataContractStandard, found, found, faults)
    if document is not None:
        custom = _custom(document, faults)
        faults += _faults(document, f"{layer}.{stem}" if layer else stem)
        if custom is not None:
            faults += _faults_of_terms(custom, layer)
    if faults or document is None or custom is None:
        raise ContractError("\n".join(f"{file.name}: {fault}" for fault in faults))
    return _contract(document, custom)


def _read_yaml(file: Place) -> dict[str, Any]:
    try:
        document = read_document(file)
    except (FileNotFoundError, ValueError) as error:
        msg = f"{file.name}: should be YAML. Received: {error}"
        raise ContractError(msg) from None
    if not isinstance(document, dict):
        msg = f"{file.name}: should hold keys and values. Received {type(document).__name__}."
        raise ContractError(msg)
    return document


# -- what is wrong --------------------------------------------------------------------------------


def _modelled(
    model: type[M], values: Mapping[str, Any], written: object, faults: list[str]
) -> M | None:
    """Values as a model has them, with no key that it does not know; else its faults."""
    try:
        return model.model_validate(values, strict=True, extra="forbid")
    except ValidationError as error:
        faults += [_told(fault, written) for fault in error.errors()]
        return None


def _told(fault: ErrorDetails, written: object) -> str:
    place, received = _place(fault["loc"], written), f"Received {fault['input']!r:.100}."
    if fault["type"] == "missing":
        return f"{place} should be stated. Received none; add it."
    if fault["type"] == "extra_forbidden":
        return f"{place} should be a key that is known. {received} Correct it or leave it out."
    if fault["type"] == "literal_error":
        return f"{place} should be one of {fault['ctx']['expected']}. {received}"
    return f"{place}: {fault['msg'].replace('Input should', 'should', 1)}. {received}"


def _place(steps: tuple[int | str, ...], written: object) -> str:
    """Return the place of a fault; an entry of a list is named by its `name`, if it has one."""
    words, at = [], written
    for step in steps:
        inner: object = None
        if isinstance(at, dict):
            inner = at.get(step)
        elif isinstance(at, list) and isinstance(step, int):
            inner = at[step]
        named = inner if isinstance(inner, dict) and isinstance(step, int) else {}
        words.append(str(named.get("name") or named.get("property") or step)[:100])
        at = inner
    return ".".join(words)


def _custom(document: OpenDataContractStandard, faults: list[str]) -> CustomTerms | None:
    entries = document.customProperties or []
    faults += column_faults([entry.property or "" for entry in entries])
    values = {str(entry.property): entry.value for entry in entries}
    return _modelled(CustomTerms, values, values, faults)


def _faults_of_terms(custom: CustomTerms, layer: str) -> Iterator[str]:
    if layer == SILVER and not custom.delivers:
        yield "delivers should say what the rows are of. Received nothing; add some words."
    if layer in MADE_BY_APPLICATIONS and not custom.application:
        yield "application should name who makes the table. Received none; add it."


def _faults(document: OpenDataContractStandard, name: str) -> Iterator[str]:
    """Yield faults that the standard's own schema allows."""
    if document.name != name:
        yield f"name should be {name}, from its place. Received {document.name!r:.100}."
    if document.description is None or not document.description.purpose:
        yield "description should have a purpose. Received none; say what the table holds."
    if not isinstance(document.team, Team) or not document.team.name:
        yield "team should have a name. Received none; say who owns the table."
    retention = _retention(document)
    if not isinstance(retention, int) or isinstance(retention, bool):
        yield f"slaProperties should state a retention in days. Received {retention!r:.100}."
    tables = document.schema_ or []
    if len(tables) != 1:
        yield f"schema should have one table. Received {len(tables)}."
    for table in tables:
        yield from _table_faults(table)


def _table_faults(table: SchemaObject) -> Iterator[str]:
    columns, checks = table.properties or [], table.quality or []
    if not table.dataGranularityDescription:
        yield "dataGranularityDescription should say what a row is of. Received none; add it."
    if not columns:
        yield "properties should be the table's columns. Received none; add them."
    yield from column_faults([column.name or "" for column in columns])
    for column in columns:
        yield from _column_faults(column)
    yield from column_faults([check.name or "" for check in checks])
    for check in checks:
        yield from _check_faults(check)


def _column_faults(column: SchemaProperty) -> Iterator[str]:
    name, physical = column.name, str(column.physicalType)
    if column.primaryKey and column.primaryKeyPosition is None:
        yield f"{name}: primaryKeyPosition should be stated of a key. Received none; add it."
    if not column.description:
        yield f"{name}: description should say what the column means. Received none; add it."
    try:
        spark_type(physical)
    except ContractError as error:
        yield f"{name}: {error}"
        return
    if column.logicalType != logical_type(physical):
        yield (
            f"{name}: logicalType should be {logical_type(physical)} for {physical}. "
            f"Received {column.logicalType!r:.100}."
        )


def _check_faults(check: DataQuality) -> Iterator[str]:
    if not isinstance(check.implementation, str):
        received = check.implementation
        yield f"{check.name}: implementation should be a predicate. Received {received!r:.100}."
    else:
        yield from predicate_faults(str(check.name), check.implementation)
    if check.severity not in ON_FAILURE:
        kinds = ", ".join(sorted(ON_FAILURE))
        yield (
            f"severity of {check.name} should be one of {kinds}. Received {check.severity!r:.100}."
        )
    if not check.description:
        yield f"{check.name}: description should say what the check demands. Received none; add it."


# -- what is right ---------------------------------------------------------------------------------


def _contract(document: OpenDataContractStandard, custom: CustomTerms) -> Contract:
    """The contract of a document that has no fault: what is asked of one is there."""
    table = _given(document.schema_)[0]
    properties = _given(table.properties)
    keyed = sorted(
        (p for p in properties if p.primaryKey), key=lambda p: _given(p.primaryKeyPosition)
    )
    key = tuple(_given(p.name) for p in keyed)
    assert isinstance(document.team, Team)
    return Contract(
        name=_given(document.name),
        grain=_given(table.dataGranularityDescription),
        about=" ".join(_given(_given(document.description).purpose).split()),
        owner=_given(document.team.name),
        rows=custom.rows,
        key=key,
        columns=tuple(map(_column, properties)),
        partition_by=tuple(_given(p.name) for p in properties if p.partitioned),
        checks=tuple(map(_check, table.quality or ())),
        inputs=tuple(
            Input(i.table, i.look_back_days, i.versions == "all", i.days == "newest")
            for i in custom.inputs
        ),
        look_back_days=custom.look_back_days,
        retention_days=int(str(_retention(document))),
        has_latest_twin=custom.latest_twin,
        schedule=custom.schedule,
        retain_latest_per=_retain_latest_per(custom, key),
        retain_while_in=tuple(custom.retain_while_in),
        application=custom.application,
        delivers=custom.delivers,
    )


def _retain_latest_per(custom: CustomTerms, key: tuple[str, ...]) -> tuple[str, ...]:
    """Of an entity the newest version is what is known of it, however old."""
    is_version = custom.rows == "version" and not custom.retain_while_in
    return key if is_version else tuple(custom.retain_latest_per)


def _column(entry: SchemaProperty) -> Column:
    return Column(
        name=_given(entry.name),
        type=spark_type(_given(entry.physicalType)),
        required=bool(entry.required),
        personal=entry.classification == "personal",
        about=" ".join(_given(entry.description).split()),
    )


def _check(entry: DataQuality) -> Check:
    return Check(
        name=_given(entry.name),
        holds=" ".join(str(entry.implementation).split()),
        on_failure=_given(entry.severity),
        about=_given(entry.description),
    )


def _retention(document: OpenDataContractStandard) -> object:
    terms = document.slaProperties or []
    return next((term.value for term in terms if term.property == "retention"), None)


def _given(value: V | None) -> V:
    assert value is not None
    return value
