"""How a shop delivers: its entities, their drops, and which of its columns become which of ours."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lakeshop.database import Database, Zone
from lakeshop.values import Frozen

# What is said of files, and makes no sense of a table.
_OF_FILES = ("path", "format", "required", "history", "separator", "header")


def _below(path: str | None) -> str | None:
    """A pattern of files below the landing folder."""
    steps = (path or "").split("/")
    if path and (path.startswith("/") or ".." in steps or ":" in path or not path.isprintable()):
        msg = "should lie below the landing folder, without .., a scheme or a control character"
        raise ValueError(msg)
    return path


Below = AfterValidator(_below)


class Origin(Frozen):
    """Where one column of an entity comes from: a column, a constant or an expression.

    A plain text stands for `column`. An `expression` is Spark SQL over the shop's own columns,
    all text, which it lists under `reads`. `format` is Spark's pattern of a date or time;
    `zone` the zone in which a time without one is meant (UTC where not given).
    """

    column: str | None = None
    constant: str | None = None
    expression: str | None = None
    reads: tuple[str, ...] = ()
    format: str | None = None
    zone: Zone | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> "Origin":
        given = [self.column, self.constant, self.expression]
        if sum(origin is not None for origin in given) != 1:
            msg = "should have exactly one of column, constant, expression"
            raise ValueError(msg)
        return self


class Entity(Frozen):
    """How one entity is delivered.

    `path` is relative to the landing folder; `{date}` stands for the business date and `*`
    for anything. `history` is the same for a first delivery of history, without a date.
    `drift` says what becomes of columns that are neither mapped nor `ignored`, and of mapped ones
    that a file lacks: they are told of (evolve), their rows are quarantined (discard_row), or the
    run stops (freeze).

    Or it comes from a table of a database, `jdbc`; nothing of the above but `columns`, `ignored`,
    whose columns are not read then, and `drift` is said of that.
    """

    jdbc: Database | None = None
    path: Annotated[str, Below]
    format: Literal["json", "csv", "parquet"]
    required: bool = True
    history: Annotated[str | None, Below] = None
    separator: Annotated[str, Field(pattern=r"^[^\r\n\"]$")] = ","
    header: tuple[str, ...] | None = None
    columns: Mapping[str, Origin]
    ignored: tuple[str, ...] = ()
    drift: Literal["evolve", "discard_row", "freeze"] = "evolve"

    @model_validator(mode="before")
    @classmethod
    def _from_a_database(cls, value: object) -> object:
        if not isinstance(value, dict) or value.get("jdbc") is None:
            return value
        of_files = [name for name in _OF_FILES if name in value]
        if of_files:
            msg = f"should come from files or by jdbc, received jdbc and {', '.join(of_files)}"
            raise ValueError(msg)
        # A row comes as JSON.
        return value | {"path": "", "format": "json", "required": False}


class Shop(Frozen):
    """The shop itself."""

    name: str
    zone: Zone
    landing: str
    entities: Mapping[str, Entity]
