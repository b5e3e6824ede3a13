"""How a shop delivers: its entities, their drops, and which of its columns become which of ours."""

from collections.abc import Mapping
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, model_validator

from lakeshop.values import Frozen


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        msg = f"should be a time zone such as Europe/Berlin, received {name!r}"
        raise ValueError(msg) from error
    return name


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
    zone: Annotated[str, AfterValidator(_known_zone)] | None = None

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
    """

    path: str
    format: Literal["json", "csv", "parquet"]
    required: bool = True
    history: str | None = None
    separator: str = ","
    header: tuple[str, ...] | None = None
    columns: Mapping[str, Origin]


class Shop(Frozen):
    """The shop itself."""

    name: str
    zone: Annotated[str, AfterValidator(_known_zone)]
    landing: str
    entities: Mapping[str, Entity]
