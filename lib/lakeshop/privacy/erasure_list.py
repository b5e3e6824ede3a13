"""Erased persons: a list outside the lake, and the search for them in delivered lines.

The list holds pseudonyms, so that it names nobody to whom has not the key, and beside each the
shape of the id: how many characters there are from the first letter or digit to the last, and how
many around them. So a text is searched without knowing an id: what has the shape is hashed and
looked up.
"""

import argparse
import fcntl
import hmac
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lakeshop.errors import ConfigError
from lakeshop.privacy.pseudonyms import pseudonym_of

Shape = tuple[int, int, int]  # characters before, between and after the outer letters or digits
BLANK = " \t\r\n"
LONG = 10  # characters from which an id is no number that stands in a line for something else
_WORD = re.compile(r"[^\W_]+")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-f]{2})|\\(/)")


@dataclass(frozen=True)
class Erased:
    """Pseudonyms of erased persons, the shapes of their ids, and the key."""

    shapes: frozenset[Shape] = frozenset()
    pseudonyms: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def __bool__(self) -> bool:
        return bool(self.pseudonyms)

    def is_one(self, user: str) -> bool:
        """Return whether a text is the id of an erased person."""
        return pseudonym_of(user, self.key) in self.pseudonyms

    def is_in(self, text: str, *, long_ones_alone: bool) -> bool:
        """Return whether a text holds the id of an erased person as a whole word.

        Args:
            text: any; what is escaped as in JSON or stands for bytes that are no UTF-8 counts too.
            long_ones_alone: ids of fewer than ten characters are not looked for.
        """
        texts = {text, _ESCAPED.sub(_unescaped, text)} if "\\" in text else {text}
        shapes = [shape for shape in self.shapes if not long_ones_alone or sum(shape) >= LONG]
        return any(self.is_one(part) for t in texts for part in _parts(t, shapes))


def _parts(text: str, shapes: Iterable[Shape]) -> Iterator[str]:
    """All parts of a text that have one of the shapes."""
    words = [word.span() for word in _WORD.finditer(text)]
    ends = {end for _, end in words}
    for lead, core, tail in shapes:
        for start, _ in words:
            if start + core in ends and start >= lead:
                yield text[start - lead : start + core + tail]


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else found[3]


def shape_of(user: str) -> Shape:
    """The shape of an id; of one without letters and digits only the length is known."""
    words = [word.span() for word in _WORD.finditer(user)]
    if not words:
        return len(user), 0, 0
    first, last = words[0][0], words[-1][1]
    return first, last - first, len(user) - last


def read_list(path: Path, key: bytes) -> Erased:
    """The list of erased persons; nobody where there is none.

    Raises:
        ConfigError: it cannot be read, is none, or was written with another key.
    """
    lines = _lines(path)
    if not lines:
        return Erased()
    if lines[0] != _title(key):
        msg = (
            f"{path} should be the list of erased persons, by the pseudonyms of today's key. It "
            "is none, or was written with another key: nobody on it would be known. Move it "
            "away and give jobs/maintain.py --erase the ids again."
        )
        raise ConfigError(msg)
    entries = [line.split() for line in lines[1:]]
    try:
        shapes = frozenset((int(e[1]), int(e[2]), int(e[3])) for e in entries)
    except (IndexError, ValueError):
        msg = f"{path} should have a pseudonym and three numbers per line. Received others."
        raise ConfigError(msg) from None
    return Erased(shapes, frozenset(entry[0] for entry in entries), key)


def add_to_list(path: Path, users: Iterable[str], key: bytes) -> None:
    """Add persons to the list, each once; it is whole at all times, and for the job's user alone.

    Raises:
        ConfigError: the list that is there cannot be read, or was written with another key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # shops may have several lakes
        read_list(path, key)
        new = {" ".join([pseudonym_of(u, key), *map(str, shape_of(u))]) for u in users}
        text = "\n".join([_title(key), *sorted({*_lines(path)[1:], *new}), ""])
        unfinished = path.with_name(f".{path.name}.part")
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}, the list of erased persons, should be readable. {type(error).__name__}."
        raise ConfigError(msg) from None


def _title(key: bytes) -> str:
    known_by = hmac.digest(key, b"the list of erased persons", "sha256").hex()[:16]
    return f"# persons erased from Lakeshop: pseudonym and shape of the id; key {known_by}"


def requested(file: str) -> tuple[str, ...]:
    """The ids in a file, one a line, as an argument of a job.

    Raises:
        argparse.ArgumentTypeError: it cannot be read or holds none.
    """
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        msg = f"should be UTF-8 with one user id per line, received other bytes in {file}"
        raise argparse.ArgumentTypeError(msg) from None
    except OSError as error:
        msg = f"should be a readable file with one user id per line, received {error}"
        raise argparse.ArgumentTypeError(msg) from None
    users = dict.fromkeys(line.strip(BLANK) for line in text.split("\n"))
    users.pop("", None)
    if not users:
        msg = f"should hold one user id per line, received none in {file}"
        raise argparse.ArgumentTypeError(msg)
    return tuple(users)
