"""Contracts that follow from another one: an entity's delivered and rejected rows, and models.

An entity is what a shop delivers. Its silver contract is the only one that is written, so that
a new entity takes that contract and its cleaning. What applications learn has one template.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pyspark.sql import types as T

from lakeshop.contracts.model import BUSINESS_DATE, Column, Contract, Input

BRONZE, QUARANTINE, SILVER, MODELS = "bronze", "quarantine", "silver", "models"
REJECTED_DAYS = 90  # time enough to mend a source

_TEXT, _NUMBER, _TEXTS = T.StringType(), T.LongType(), T.ArrayType(T.StringType())


def _stated(name: str, kind: T.DataType, about: str) -> Column:
    return Column(name, kind, required=True, personal=False, about=about)


def _personal(name: str, about: str) -> Column:
    return Column(name, _TEXT, required=False, personal=True, about=about)


DELIVERED = (
    _stated("source_file", _TEXT, "delivered file, below the landing folder"),
    _stated(
        "source_line",
        _NUMBER,
        "line in the file from 1, or row of a Parquet file; 0 stands for a file that cannot be "
        "read",
    ),
    _personal(
        "raw", "the row as delivered; a Parquet row as JSON; NULL for a file that cannot be read"
    ),
    _personal(
        "header", "header of the CSV file the row came from; a person's row where the file has none"
    ),
    _personal("fault", "why the line or file cannot be read"),
)
REJECTED = (
    _stated("source_file", _TEXT, "delivered file, below the landing folder"),
    _stated("source_line", _NUMBER, "line in the file, 0 for the whole file"),
    _personal("raw", "the row as delivered"),
    _stated("reasons", _TEXTS, "all that is wrong with the row"),
    _stated("run_id", _TEXT, "the run that rejected it"),
)


def is_entity(contract: Contract) -> bool:
    """Return whether a contract is of a delivered entity: its clean events or versions."""
    return contract.name.startswith(f"{SILVER}.") and contract.rows in {"event", "version"}


def entities(contracts: Iterable[Contract]) -> list[str]:
    """The names of what shops may deliver."""
    return sorted(c.name.removeprefix(f"{SILVER}.") for c in contracts if is_entity(c))


def derived_contracts(contracts: Iterable[Contract]) -> Iterator[Contract]:
    """The contracts of bronze and quarantine, from those of silver."""
    for contract in contracts:
        if is_entity(contract):
            yield delivered(contract)
            yield rejected(contract)


def delivered(silver: Contract) -> Contract:
    """The contract of an entity's rows as they came, kept as long as the clean ones."""
    return _of_rows(
        silver,
        BRONZE,
        grain="one row per delivered row",
        about=f"Delivered rows of {silver.delivers}, raw, with file and line.",
        columns=DELIVERED,
        retention_days=silver.retention_days,
    )


def rejected(silver: Contract) -> Contract:
    """The contract of an entity's rows that do not fit, with the reasons."""
    bronze = _name(silver, BRONZE)
    return _of_rows(
        silver,
        QUARANTINE,
        grain="one row per rejected row",
        about=f"Rows of {bronze} that were rejected, with all reasons.",
        columns=REJECTED,
        retention_days=REJECTED_DAYS,
        inputs=(Input(bronze, look_back_days=0),),
    )


def models_contract(template: Contract, application: str, inputs: tuple[Input, ...]) -> Contract:
    """The contract of the models that one application trains.

    Args:
        template: that of `schemas/models.yaml`.
        application: who trains them.
        inputs: what its training reads, beside the models of its earlier days.
    """
    name = f"{MODELS}.{application}"
    return replace(
        template,
        name=name,
        application=application,
        inputs=(*inputs, Input(name, look_back_days=None)),
        derived_from=template.name,
    )


def _of_rows(
    silver: Contract,
    layer: str,
    *,
    grain: str,
    about: str,
    columns: tuple[Column, ...],
    retention_days: int,
    inputs: tuple[Input, ...] = (),
) -> Contract:
    filed = next(column for column in silver.columns if column.name == BUSINESS_DATE)
    return Contract(
        name=_name(silver, layer),
        grain=grain,
        about=about,
        owner=silver.owner,
        rows="delivery",
        key=(),
        columns=(filed, *columns),
        partition_by=(),
        checks=(),
        inputs=inputs,
        look_back_days=None,
        retention_days=retention_days,
        has_latest_twin=False,
        derived_from=silver.name,
    )


def _name(silver: Contract, layer: str) -> str:
    return f"{layer}.{silver.name.removeprefix(f'{SILVER}.')}"
