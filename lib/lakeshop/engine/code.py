"""Digests of the code that makes a table: its module, what that imports, and its contract.

A comment in an application changes the tables of that application alone. The packages that every
table passes through (engine, storage, contracts) count always.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

from lakeshop.config.settings import Settings
from lakeshop.contracts.model import Contract
from lakeshop.engine.applications import Applications

OF_ALL = ("engine", "storage", "contracts")
OF_LAYERS = {
    "bronze": "lakeshop.bronze.ingest",
    "silver": "lakeshop.silver.clean",
    "quarantine": "lakeshop.silver.clean",
    "restricted": "lakeshop.silver.clean",
}
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([\w.]+))",
    re.MULTILINE,
)
_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class CodeDigests:
    """The digest of each table's code, computed once."""

    def __init__(
        self, contracts: Mapping[str, Contract], applications: Applications, settings: Settings
    ) -> None:
        self._contracts = contracts
        self._applications = applications
        self._settings = settings
        self._known: dict[str, str] = {}

    def __call__(self, table: str) -> str:
        """Return the digest of a table's code; `table:application` of one evaluation in it."""
        if table not in self._known:
            name, _, evaluated = table.partition(":")
            contract = self._contracts[name]
            modules = sorted(_closure(frozenset(self._modules(contract, evaluated))))
            digest = hashlib.sha256(repr(contract).encode())
            for module in modules:
                digest.update(f"{module}\n{_source(module)}".encode())
            self._known[table] = digest.hexdigest()[:16]
        return self._known[table]

    def _modules(self, contract: Contract, evaluated: str) -> Iterator[str]:
        """Name the modules that a table's code begins with; of figures, one application's."""
        for package in OF_ALL:
            names = (entry.name for entry in resources.files(f"lakeshop.{package}").iterdir())
            yield from (f"lakeshop.{package}.{n[:-3]}" for n in names if n.endswith(".py"))
        owner = self._applications.owner(contract)
        places: Iterable[str] = ()
        if owner is not None:
            places = (owner.builder(contract.name), *self._applications.extensions(contract.name))
            section = (self._settings.model_extra or {}).get(owner.name)
            if section is not None:
                yield from _named_in(section.model_dump())
        elif contract.name == "ops.metrics":
            evaluations = [a for a in self._applications.active if evaluated in {"", a.name}]
            places = [a.evaluation.function for a in evaluations if a.evaluation]
        elif (layer := contract.name.partition(".")[0]) in OF_LAYERS:
            yield OF_LAYERS[layer]
        yield from (place.partition(":")[0] for place in places)


def _named_in(value: object) -> Iterator[str]:
    """Name the modules that a configuration names, as package.module:function."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _named_in(part)
    elif isinstance(value, str) and _PLACE.fullmatch(value):
        yield value.partition(":")[0]


@cache
def _closure(modules: frozenset[str]) -> frozenset[str]:
    """Return the modules and all that they import, of their own packages and of Lakeshop."""
    roots = {"lakeshop", *(module.partition(".")[0] for module in modules)}
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or _spec(module) is None:
            continue
        found.add(module)
        if module.partition(".")[0] in roots and not _is_package(module):
            waiting.extend(m for m in _imports(module) if m.partition(".")[0] in roots)
    return frozenset(found)


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Name the modules that a module imports, anywhere in it; attributes are left out."""
    names: list[str] = []
    for match in _IMPORT.finditer(_source(module)):
        origin, imported, plain = match.groups()
        if plain:
            names.append(plain)
            continue
        names.append(origin)
        if _is_package(origin):
            parts = re.sub(r"[()]|#[^\n]*", " ", imported).split(",")
            names += [f"{origin}.{part.split()[0]}" for part in parts if part.split()]
    return tuple(names)


@cache
def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError):
        return None


def _is_package(module: str) -> bool:
    spec = _spec(module)
    return spec is not None and spec.submodule_search_locations is not None


@cache
def _source(module: str) -> str:
    spec = _spec(module)
    get_source = getattr(spec.loader, "get_source", None) if spec else None
    return (get_source(module) if get_source else None) or ""
