"""Limits of names, places and predicates: they meet file systems, SQL and logs.

They come from arguments, the configuration and contracts. What is refused here is refused before
Spark starts; what is allowed needs no quoting that could be forgotten.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from lakeshop.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_LONGEST_PLACE = 1000
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
# Code of the machine's own, other tables, and what a re-run would answer otherwise.
_CALLED = re.compile(
    r"\b(java_method|reflect|try_reflect|now|current_date|current_timestamp|curdate|"
    r"localtimestamp|rand|randn|random|uuid|input_file_name|session_user|current_user)\s*\(",
    re.IGNORECASE,
)
_STATEMENT = re.compile(r";|--|/\*|\b(select|from|drop|insert|delete|create)\b", re.IGNORECASE)
_SUBQUERY = re.compile(r"\(\s*(select|with|values|table)\b", re.IGNORECASE)
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)


def assert_name(what: str, name: str) -> None:
    """The name of a file of the configuration, without its folder and its ending.

    Raises:
        ConfigError: it could be anything else, such as a path.
    """
    if not _NAME.fullmatch(name):
        msg = (
            f"{what} should be a plain name of letters, digits, _, - and dots. Received "
            f"{name[:100]!r}."
        )
        raise ConfigError(msg)


def assert_place(what: str, place: str, *, refused: str = "") -> None:
    """A folder, which may bear any name that neither SQL nor a pattern takes for its own.

    Raises:
        ConfigError: it has a control character or one of those `refused`, or is endless or empty.
    """
    found = sorted({letter for letter in place if letter in refused or not letter.isprintable()})
    if found or not place.strip() or len(place) > _LONGEST_PLACE:
        why = f"with {' '.join(map(repr, found))}" if found else f"of {len(place)} letters"
        msg = f"{what} should be a folder or an address of one. Received {place[:100]!r}, {why}."
        raise ConfigError(msg)


def local_path(what: str, place: str) -> str:
    """A place as it is, but for one of this machine, which is the path of its `file:` address.

    A path and its address must be one place: only a path is held, and looked at, by a run.

    Raises:
        ConfigError: the address has no absolute path, or is one of another machine.
    """
    scheme, _, rest = place.partition(":")
    if scheme.lower() != "file":
        return place
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path.startswith("/") or path.startswith("//"):
        msg = f"{what} should be a path, or file:///path. Received {place[:100]!r}."
        raise ConfigError(msg)
    return path


def local_folder(place: str) -> Path:
    """A folder that drops are written to without Spark.

    Raises:
        ConfigError: it is an address, or a file.
    """
    if "://" in place:
        msg = (
            f"Drops should be written to a folder that all nodes mount. Received {place}; give "
            "one without a scheme."
        )
        raise ConfigError(msg)
    assert_no_file("The landing folder", Path(place))
    return Path(place)


def assert_no_file(what: str, folder: Path) -> None:
    """A folder that is there or can be made.

    Raises:
        ConfigError: a file bears its name, or that of a folder above it, or its name is too long.
    """
    try:
        above = next(place for place in (folder, *folder.parents) if place.exists())
        is_file = not above.is_dir()
    except OSError as error:
        msg = f"{what} should be a folder that can be made. Received: {error.strerror}."
        raise ConfigError(msg) from None
    if is_file:
        msg = f"{what} should be a folder. {above} is a file; move it away or name another place."
        raise ConfigError(msg)


def column_faults(names: list[str]) -> Iterator[str]:
    """Yield the faults in the names of a table's columns or checks."""
    for name in names:
        if not _COLUMN.fullmatch(name):
            yield f"{name[:100]!r} should be a name of letters, digits and _."
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        yield f"Each name should stand once. Twice: {', '.join(twice)[:200]}."


def predicate_faults(name: str, predicate: str) -> Iterator[str]:
    """Yield the faults of a check: it should state something about its row alone."""
    bare = _TEXT.sub("''", predicate)
    found = [match[0] for match in (_CALLED.search(bare), _STATEMENT.search(bare)) if match]
    if found:
        yield (
            f"check {name} should be a predicate on one row, the same in each run. Received "
            f"{' and '.join(map(repr, found))}."
        )


def repeatable_faults(expression: str) -> Iterator[str]:
    """Yield the fault of an expression that gives another value in each run, if any."""
    bare = _TEXT.sub("''", expression)
    found = [match[0] for match in (_CALLED.search(bare), _SUBQUERY.search(bare)) if match]
    if found:
        yield (
            f"{expression!r}: should give the same for the same row, received "
            f"{' and '.join(map(repr, found))}"
        )
