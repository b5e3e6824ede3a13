"""Modules that users name and that have another name by now.

`python -m` of an old name ends with 2 and says the new one; so does an import, as an ImportError.
"""

import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

RENAMED = {
    "lakeshop.bundle": "lakeshop.packaging",
    "lakeshop.daemon": "lakeshop.engine.worker_daemon",
    "lakeshop.dictionary": "lakeshop.contracts.dictionary",
    "lakeshop.environment": "lakeshop.packaging",
    "lakeshop.job": "lakeshop.pipeline",
    "lakeshop.models.demand": "lakeshop.demand.network",
    "lakeshop.models.fraud": "lakeshop.fraud.network",
    "lakeshop.night": "lakeshop.pipeline",
    "lakeshop.session": "lakeshop.engine.session",
    "lakeshop.settings": "lakeshop.config.settings",
}


def hint(module: str) -> str:
    """Return a sentence with the new name of a module; "" where it has no other."""
    return f"{module} is now {RENAMED[module]}." if module in RENAMED else ""


class _Retired(MetaPathFinder, InspectLoader):
    """Finds old names, to say the new ones."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return a spec of an old name; None for others."""
        return ModuleSpec(fullname, self) if fullname in RENAMED else None

    def get_source(self, fullname: str) -> str:
        """Return a program that says the new name and ends with 2."""
        text = f"{hint(fullname)} Use the new name.\n"
        return f"import sys\nsys.stderr.write({text!r})\nsys.exit(2)\n"

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled program, which `python -m` runs."""
        return compile(self.get_source(fullname), fullname, "exec")

    def exec_module(self, module: ModuleType) -> None:
        """Refuse an import.

        Raises:
            ImportError: always; the message has the new name.
        """
        raise ImportError(hint(module.__name__), name=module.__name__)


def install() -> None:
    """Have Python look up old names after all others, once."""
    if not any(isinstance(finder, _Retired) for finder in sys.meta_path):
        sys.meta_path.append(_Retired())
