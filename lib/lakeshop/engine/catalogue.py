"""All contracts of a lake: of this package, of other packages, and those derived from them."""

from collections.abc import Iterable
from dataclasses import replace
from importlib import resources
from pathlib import Path

from lakeshop.contracts.application import Application
from lakeshop.contracts.derived import models_contract
from lakeshop.contracts.model import Contract, Input
from lakeshop.contracts.odcs import merge_contracts, read_contract, read_contracts
from lakeshop.engine.applications import Applications

METRICS = "ops.metrics"
SCHEMAS = "schemas"  # the folder of contracts in an application's own package


def assemble(
    schemas: Path, applications: Applications, known: Iterable[Application]
) -> dict[str, Contract]:
    """Return the contracts of all tables by name, those of applications that are off among them.

    Args:
        schemas: the folder of this package's contracts.
        applications: those that are on; tables that tell of all have their inputs.
        known: all applications whose tables may lie in the lake.

    Raises:
        ContractError: a contract is not well formed, or a table has two.
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
    others = [
        read_contracts(resources.files(a.package) / SCHEMAS, is_whole=False)
        for a in known
        if not a.package.startswith("lakeshop.")
    ]
    contracts = merge_contracts(own, models, *others)
    contracts[METRICS] = replace(contracts[METRICS], inputs=_inputs_of_evaluations(applications))
    return applications.contracts(contracts)


def _inputs_of_evaluations(applications: Applications) -> tuple[Input, ...]:
    """Return the inputs of all evaluations that are on, each as far back as any reads it."""
    found: dict[str, int | None] = {}
    for application in applications.active:
        for declared in application.evaluation.inputs if application.evaluation else ():
            known = found.get(declared.table, 0)
            days = declared.look_back_days
            found[declared.table] = None if known is None or days is None else max(known, days)
    return tuple(Input(table, days) for table, days in sorted(found.items()))
