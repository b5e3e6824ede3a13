"""The declaration of an application: one value in the `__init__` of its folder.

It names modules as text, so that to read a declaration imports nothing of what it declares.
"""

import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from lakeshop.contracts.model import Input
from lakeshop.errors import ConfigError

PLACE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Models:
    """The table `models.<application>`: the names of its models, and what they are trained from."""

    names: tuple[str, ...]
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of an application: a function of an EvaluationContext, and its inputs."""

    function: str  # package.module:function
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Application:
    """Everything about one thing that a shop decides from its data.

    Tables are those whose contracts name the application. The builder of a table is the function
    of the table's name in the module of that name; of `models.<name>` it is `train` in `training`.

    Attributes:
        name: as in contracts, in `applications:` and as the section of the configuration.
        package: the package that the builders lie in.
        settings: "package.module:Class" of its section; "" where it has none.
        needs: entities that the shop must map, and applications that must be on.
        uses: applications that are read if they are on; else their tables count as empty.
        sections: sections of the configuration that it reads beside its own.
        models: what it trains; None where it trains nothing.
        evaluation: how it is measured; None where it is not.
        extensions: "package.module:function" by table of an application that it needs: rows that
            it adds to that table.
        faults: "package.module:function" that yields what of a configuration does not fit together.
    """

    name: str
    package: str
    settings: str = ""
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    models: Models | None = None
    evaluation: Evaluation | None = None
    extensions: dict[str, str] = field(default_factory=dict, hash=False)
    faults: str = ""

    def builder(self, table: str) -> str:
        """Return where the builder of one of its tables lies, as "package.module:function"."""
        layer, _, name = table.partition(".")
        if layer == "models":
            return f"{self.package}.training:train"
        return f"{self.package}.{name}:{name}"


def resolve(place: str) -> Any:
    """Import what "package.module:name" stands for.

    Raises:
        ConfigError: there is no such module, or no such name in it.
    """
    module, _, name = place.partition(":")
    reason = f"no {name} in {module}"
    if not PLACE.fullmatch(place):
        reason = "another text"
    else:
        try:
            found = import_module(module)
        except Exception as error:  # a module of another package may fail as it likes
            reason = f"a module that fails with {type(error).__name__}: {error}"
            if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
                reason = f"no module {error.name}"
        else:
            if hasattr(found, name):
                return getattr(found, name)
    msg = (
        f"{place} should be a module and a name in it, as package.module:name. Received {reason}; "
        "ship the module by --py-files, or correct the name."
    )
    raise ConfigError(msg)
