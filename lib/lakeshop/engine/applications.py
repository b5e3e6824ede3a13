"""The applications that a shop wants: chosen, checked, and the tables that they need."""

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lakeshop.config.base import FrozenModel
from lakeshop.config.settings import Settings
from lakeshop.config.training import networks_within
from lakeshop.contracts.application import Application, resolve
from lakeshop.contracts.model import Contract
from lakeshop.errors import ConfigError

PLAIN = re.compile("[a-z][a-z0-9_]*")
LAYERS = ("similarity", "features", "models", "ops", "gold")  # as they wait for each other


@dataclass(frozen=True)
class Applications:
    """The applications that are on, and the packages that they share.

    Attributes:
        shared: packages of tables that several applications read.
        active: the applications that are on, each after those that it needs.
    """

    shared: tuple[Application, ...]
    active: tuple[Application, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Application]:
        """Shared packages and applications by name."""
        return {a.name: a for a in (*self.shared, *self.active)}

    def wanted(self, contracts: Mapping[str, Contract]) -> list[str]:
        """Name the tables that are built: those of applications, and what they read.

        Tables that others wait for come first.
        """
        own = [t for a in self.active for t, c in contracts.items() if c.application == a.name]
        found = dict.fromkeys(own)
        waiting = list(own)
        while waiting:
            for declared in contracts[waiting.pop()].inputs:
                owner = contracts[declared.table].application
                if owner in self.by_name and declared.table not in found:
                    found[declared.table] = None
                    waiting.append(declared.table)
        names = list(self.by_name)

        def place(table: str) -> tuple[int, int, str]:
            owner = contracts[table].application or ""
            return LAYERS.index(table.partition(".")[0]), names.index(owner), table

        return sorted(found, key=place)

    def contracts(self, contracts: Mapping[str, Contract]) -> dict[str, Contract]:
        """Return contracts whose inputs of applications that are off are marked as off."""
        on = {*self.by_name, None}
        return {
            name: replace(
                contract,
                inputs=tuple(
                    replace(i, is_off=contracts[i.table].application not in on)
                    for i in contract.inputs
                ),
            )
            for name, contract in contracts.items()
        }

    def owner(self, contract: Contract) -> Application | None:
        """Return the application that makes a table; None where the machine room does."""
        return self.by_name.get(contract.application or "")

    def extensions(self, table: str) -> list[str]:
        """Name the functions of applications that are on which add rows to a table."""
        return [a.extensions[table] for a in self.active if table in a.extensions]


def find(names: Sequence[str] | None, known: Sequence[Application]) -> list[Application]:
    """Return the known applications, and those of other packages that are named.

    Args:
        names: what the configuration says under `applications`; None where it says nothing.
        known: the applications of this package.

    Raises:
        ConfigError: a name is unknown, or stands for no application.
    """
    found = {a.name: a for a in known}
    faults = []
    for name in names or ():
        if ":" in name:
            other = resolve(name)
            if not isinstance(other, Application):
                faults.append(f"{name} is no Application")
            elif other.name in found:
                faults.append(f"{name} bears the name of another application, {other.name}")
            elif not _is_free(other.name):
                faults.append(f"{name} bears the name {other.name!r}, which is no free, plain one")
            else:
                found[other.name] = other
        elif name not in found:
            faults.append(f"{name!r} is unknown")
    if faults:
        msg = (
            f"applications should name some of {', '.join(sorted(a.name for a in known))}, or one "
            f"of another package as package.module:NAME. Received: {'; '.join(faults)}."
        )
        raise ConfigError(msg)
    return list(found.values())


def _is_free(name: str) -> bool:
    """Return whether an application may bear a name: tables and a section bear it too."""
    return PLAIN.fullmatch(name) is not None and name not in Settings.model_fields


def section_classes(applications: Iterable[Application]) -> dict[str, type[FrozenModel]]:
    """Return the classes of the applications' sections by name.

    Raises:
        ConfigError: there is no such class, or it is of another kind.
    """
    found = {a.name: resolve(a.settings) for a in applications if a.settings}
    for name, kind in found.items():
        if not (isinstance(kind, type) and issubclass(kind, FrozenModel)):
            msg = (
                f"The settings of {name} should be a class after FrozenModel. Received "
                f"{reprlib.repr(kind)}; derive it from that of lakeshop.config.base."
            )
            raise ConfigError(msg)
    return found


def choose(
    settings: Settings, known: Sequence[Application], shared: Sequence[Application]
) -> Applications:
    """Return the applications that a shop wants.

    Without `applications` these are all whose needs the shop meets.

    Raises:
        ConfigError: an application needs an entity or an application that the shop lacks, or the
            configuration of one does not fit together.
    """
    found = {a.name: a for a in find(settings.applications, known)}
    entities = set(settings.shop.entities)
    if settings.applications is None:
        chosen = _satisfied(known, entities)
    else:
        names = [n if n in found else resolve(n).name for n in settings.applications]
        chosen = [found[name] for name in dict.fromkeys(names)]
    on = {a.name for a in chosen}
    missing = [
        f"{a.name} needs {need}, which is no "
        f"{'application that is on' if need in found else 'entity that the shop maps'}"
        for a in chosen
        for need in a.needs
        if need not in on | entities
    ]
    known_sections = {*Settings.model_fields, *found}
    missing += [
        f"{a.name} reads the section {section}, which there is not"
        for a in chosen
        for section in a.sections
        if section not in known_sections
    ]
    missing += [fault for a in chosen if a.faults for fault in resolve(a.faults)(settings)]
    if missing:
        msg = (
            f"Applications should have all that they need. Received: {'; '.join(missing)}. Map the "
            "entity under shop.entities, add the application, or leave out the one that needs it."
        )
        raise ConfigError(msg)
    ordered = sorted(chosen, key=lambda a: _depth(a, found))
    return Applications(tuple(shared), tuple(ordered))


def assert_builders(settings: Settings, applications: Applications) -> None:
    """See to it that each network of an application has its builder, weeks before it is trained.

    Raises:
        ConfigError: there is no such module or function.
    """
    for application in applications.active:
        section = (settings.model_extra or {}).get(application.name)
        for network in networks_within(section):
            if not callable(resolve(network.builder)):
                msg = f"{network.builder} should be a function. Received another value."
                raise ConfigError(msg)


def _satisfied(known: Sequence[Application], entities: set[str]) -> list[Application]:
    """Return the applications whose entities are mapped and whose applications are so too."""
    on: list[Application] = list(known)
    while True:
        there = entities | {a.name for a in on}
        kept = [a for a in on if all(need in there for need in a.needs)]
        if len(kept) == len(on):
            return kept
        on = kept


def _depth(application: Application, found: Mapping[str, Application]) -> int:
    """Return how many applications stand below one."""
    below = [found[need] for need in application.needs if need in found]
    return 1 + max((_depth(a, found) for a in below), default=-1)
