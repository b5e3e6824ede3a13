"""All contracts of a lake: of this package, of other packages, and those derived from them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

from lakeshop.contracts.application import Application
from lakeshop.contracts.derived import models_contract
from lakeshop.contracts.model import Contract, Input
from lakeshop.contracts.odcs import merge_contracts, read_contract, read_contracts
from lakeshop.engine.applications import LAYERS, Applications
from lakeshop.engine.run import METRICS
from lakeshop.errors import ConfigError, ContractError

SCHEMAS = "schemas"  # the folder of contracts in an application's own package


def assemble(
    schemas: Path, applications: Applications, known: Iterable[Application]
) -> dict[str, Contract]:
    """Return the contracts of all tables by name, those of applications that are off among them.

    Args:
        schemas: the folder of this package's contracts.
        applications: those that are on; tables about all have their inputs.
        known: all applications whose tables may lie in the lake.

    Raises:
        ConfigError: the package of an application is not there.
        ContractError: a contract is not well formed, a table has two, or one that is read none.
    """
    known = list(known)
    template = read_contract(schemas / "models.yaml")
    own = read_contracts(schemas, is_whole=False)
    models = {
        contract.name: contract
        for a in known
        if a.models is not None
        for contract in [models_contract(template, a.name, a.models.inputs)]
    }
    others = [_contracts_of(a) for a in known if not a.package.startswith("lakeshop.")]
    contracts = merge_contracts(own, models, *others)
    _assert_owners_known({a.name for a in known} | set(applications.by_name), contracts)
    _assert_evaluations_known(known, contracts)
    contracts[METRICS] = replace(contracts[METRICS], inputs=_inputs_of_evaluations(applications))
    return applications.contracts(contracts)


def _contracts_of(application: Application) -> dict[str, Contract]:
    """Return the contracts in the package of an application.

    Raises:
        ConfigError: there is no such package.
        ContractError: a contract is not well formed, or of another application or layer.
    """
    try:
        place = resources.files(application.package)
    except (ModuleNotFoundError, TypeError) as error:
        msg = (
            f"The package of {application.name} should be the folder of its modules. Received "
            f"{application.package}: {error}; ship it by --py-files, or correct the name."
        )
        raise ConfigError(msg) from error
    contracts = read_contracts(place / SCHEMAS, is_whole=False)
    faults = []
    for contract in contracts.values():
        layer = contract.name.partition(".")[0]
        if contract.application is None:
            continue
        if contract.application != application.name:
            faults.append(
                f"{contract.name}: application should be {application.name}, whose package it "
                f"lies in. Received {contract.application}."
            )
        if layer not in LAYERS:
            faults.append(
                f"{contract.name}: the layer should be one of {', '.join(LAYERS)}. Received "
                f"{layer}; move the file to the folder of another layer."
            )
    if faults:
        raise ContractError("\n".join(faults))
    return contracts


def _assert_owners_known(names: Collection[str], contracts: Mapping[str, Contract]) -> None:
    """Refuse contracts of applications that there are not: nobody would make their tables."""
    faults = [
        f"{contract.name}: application should be one of {', '.join(sorted(names))}. Received "
        f"{contract.application}; correct the name."
        for contract in contracts.values()
        if contract.application not in (None, *names)
    ]
    if faults:
        raise ContractError("\n".join(faults))


def _assert_evaluations_known(
    known: Iterable[Application], contracts: Mapping[str, Contract]
) -> None:
    """Refuse evaluations that read tables without contracts."""
    faults = [
        f"The evaluation of {a.name} should read tables with contracts. Received {declared.table}; "
        "write its contract, or read another table."
        for a in known
        if a.evaluation
        for declared in a.evaluation.inputs
        if declared.table not in contracts
    ]
    if faults:
        raise ContractError("\n".join(faults))


def _inputs_of_evaluations(applications: Applications) -> tuple[Input, ...]:
    """Return the inputs of all evaluations that are on, each as far back as any reads it."""
    found: dict[str, int | None] = {}
    for application in applications.active:
        for declared in application.evaluation.inputs if application.evaluation else ():
            known = found.get(declared.table, 0)
            days = declared.look_back_days
            found[declared.table] = None if known is None or days is None else max(known, days)
    return tuple(Input(table, days) for table, days in sorted(found.items()))
