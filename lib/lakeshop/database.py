"""How a table of a database delivers an entity: where it is, and which of its columns say what.

PostgreSQL alone: the queries are its dialect. Who logs in, and by which password, stands in the
environment; the configuration only names the variables.
"""

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from lakeshop.values import Count, Days, Frozen

_URL = re.compile(
    r"jdbc:postgresql://[\w.,:\[\]-]+/[\w-]+(\?[A-Za-z]+=[\w./-]*(&[A-Za-z]+=[\w./-]*)*)?"
)
_SECRET = re.compile(r"(?i)[?&]\w*(user|pass|pwd|secret|token|key)\w*=|@")


def _url_without_login(url: str) -> str:
    """The text must not repeat the address: what is wrong with it may be a password."""
    if _SECRET.search(url):
        msg = (
            "should hold no user and no password: those come from user_variable, password_variable"
        )
        raise ValueError(msg)
    if not _URL.fullmatch(url):
        msg = "should be as jdbc:postgresql://host:5432/database?sslmode=verify-full"
        raise ValueError(msg)
    return url


def known_zone(name: str) -> str:
    """The time zone's name, if there is such a one.

    Raises:
        ValueError: there is none.
    """
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        msg = f"should be a time zone such as Europe/Berlin, received {name!r}"
        raise ValueError(msg) from error
    return name


Zone = Annotated[str, AfterValidator(known_zone)]
TableName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$")]
Name = Annotated[str, Field(min_length=1)]
# Where a table lies, who reads it and in how many parts makes no difference to its rows.
Local = Field(exclude=True)


class Database(Frozen):
    """A table, or a view, whose rows bear the time of their last change.

    `updated_at` is that time; where the column has no time zone it is meant in `zone`. A night
    reads what changed since the last one and, once more, `overlap_minutes` before: as long as
    the longest transaction, which commits later than the time it writes. `partition_column`, a
    number, date or time, divides a reading into `partitions` parts that are read side by side.
    """

    url: Annotated[str, AfterValidator(_url_without_login), Local]
    table: TableName
    key: Annotated[tuple[Name, ...], Field(min_length=1)]
    updated_at: Name
    zone: Zone = "UTC"
    overlap_minutes: Days = 60
    partition_column: Annotated[Name | None, Local] = None
    partitions: Annotated[Count, Local] = 1
    user_variable: Annotated[Name, Local]
    password_variable: Annotated[Name, Local]
    timeout_seconds: Annotated[Count, Local] = 600

    @model_validator(mode="after")
    def _parts_have_a_column(self) -> "Database":
        if (self.partitions > 1) != (self.partition_column is not None):
            msg = "should have partition_column and 2 or more partitions, or neither"
            raise ValueError(msg)
        return self

    @property
    def place(self) -> str:
        """Server and database, for messages."""
        return self.url.removeprefix("jdbc:postgresql://").partition("?")[0]
