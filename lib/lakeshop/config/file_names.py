"""Names of files by day: `{date}` in any form of a date, and parts that give a column.

`{date}` is the business date as 2026-03-10, `{date:yyyyMMdd}` the same in a pattern of y, M and d,
and `{date+1:yyyyMMdd}` or `{date-1}` a day after or before it. Any other name in braces, such as
`{store}`, matches anything without a slash and is a column of the file's rows. `*`, `?`, `[...]`
and `{a,b}` are those of file systems.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

_PLACEHOLDER = re.compile(r"\{(date)([+-]\d{1,3})?(?::([^{}]*))?\}|\{([A-Za-z_]\w*)\}")
_ISO = "yyyy-MM-dd"
_PART = re.compile(r"'([^']*)'|(y+|M+|d+)|([A-Za-z])|(.)")
_FORMS = {
    "yyyy": ("%Y", r"\d{4}"),
    "yy": ("%y", r"\d{2}"),
    "MM": ("%m", r"\d{2}"),
    "M": ("month", r"\d{1,2}"),
    "dd": ("%d", r"\d{2}"),
    "d": ("day", r"\d{1,2}"),
}
_OF_GLOBS = re.compile(r"\*|\?|\[[^\]/]*\]|\{([^{}]*)\}")


@dataclass(frozen=True)
class FileNames:
    """The names of an entity's files below the landing folder.

    Attributes:
        pattern: as the configuration has it.
    """

    pattern: str

    @cached_property
    def fault(self) -> str | None:
        """What is wrong with the pattern, if anything is."""
        named: dict[str, set[str]] = {}
        rest = _PLACEHOLDER.sub("", self.pattern)
        if re.search(r"\{\s*date", rest):
            return "a {date} that is none; it is as {date}, {date:yyyyMMdd} or {date+1:yyyyMMdd}"
        for _, offset, form, column in _PLACEHOLDER.findall(self.pattern):
            if column:
                continue
            try:
                parts = _parts(form or _ISO)
            except ValueError as error:
                return str(error)
            named.setdefault(offset, set()).update(part[0] for part, is_form in parts if is_form)
        if named and not any(found == set("yMd") for found in named.values()):
            return "a {date} that does not name year, month and day, such as {date:yyyyMMdd}"
        columns = self.columns
        if len(set(columns)) < len(columns):
            return "a name in braces twice"
        return None

    @property
    def has_date(self) -> bool:
        """Whether the names bear a day."""
        return any(not column for *_, column in _PLACEHOLDER.findall(self.pattern))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns that the names give, in their order."""
        return tuple(column for *_, column in _PLACEHOLDER.findall(self.pattern) if column)

    def glob(self, *days: date | None) -> str:
        """Return the pattern of a file system for the files of days; None leaves the date open.

        That of several days may also name files in which dates are mixed.
        """

        def of(found: re.Match[str]) -> str:
            if found[4]:
                return "*"
            shift, form = timedelta(days=int(found[2] or 0)), found[3] or _ISO
            written = [_written(day + shift, form) for day in days if day is not None]
            escaped = dict.fromkeys(re.sub(r"([*?\[\]{},\\])", r"\\\1", w) for w in written)
            several = ",".join(escaped)
            return f"{{{several}}}" if len(escaped) > 1 else several or found[0]

        return _PLACEHOLDER.sub(of, self.pattern)

    def expression(self, day: date | None = None) -> str:
        """Return the regular expression of whole names, with a group for each column.

        Python and Java read it alike. It is that of any day's names where the day is None.
        """
        written, place = "", 0
        for found in _PLACEHOLDER.finditer(self.pattern):
            written += _expression_of_glob(self.pattern[place : found.start()])
            place = found.end()
            if found[4]:
                written += "([^/]+)"
            elif day is None:
                parts = _parts(found[3] or _ISO)
                written += "".join(_FORMS[p][1] if is_form else _quoted(p) for p, is_form in parts)
            else:
                shown = day + timedelta(days=int(found[2] or 0))
                written += _quoted(_written(shown, found[3] or _ISO))
        return f"^{written}{_expression_of_glob(self.pattern[place:])}$"


def _parts(form: str) -> list[tuple[str, bool]]:
    """The parts of a pattern of a date: each a form such as `yyyy`, or a text.

    Raises:
        ValueError: a letter is none of y, M and d, or stands too often.
    """
    parts = []
    for text, letters, other, sign in _PART.findall(form):
        if other or (letters and letters not in _FORMS):
            msg = (
                f"a {{date}} with {letters or other!r}; its pattern is made of yyyy, yy, MM, M, "
                "dd, d and signs, with other letters in '...'"
            )
            raise ValueError(msg)
        parts.append((letters or sign or text, bool(letters)))
    return parts


def _written(day: date, form: str) -> str:
    def of(part: str) -> str:
        form = _FORMS[part][0]
        return f"{day:{form}}" if form.startswith("%") else str(getattr(day, form))

    return "".join(of(part) if is_form else part for part, is_form in _parts(form))


def _quoted(text: str) -> str:
    return "".join(letter if letter.isalnum() else f"\\{letter}" for letter in text)


def _expression_of_glob(text: str) -> str:
    """A regular expression of what a file system's pattern matches."""
    written, place = "", 0
    for found in _OF_GLOBS.finditer(text):
        written += _quoted(text[place : found.start()].replace("\\", ""))
        place = found.end()
        if found[0].startswith("{"):
            written += f"(?:{'|'.join(map(_expression_of_glob, found[1].split(',')))})"
        elif found[0].startswith("["):
            written += re.sub(r"^\[!", "[^", found[0])
        else:
            written += "[^/]*" if found[0] == "*" else "[^/]"
    return written + _quoted(text[place:].replace("\\", ""))
