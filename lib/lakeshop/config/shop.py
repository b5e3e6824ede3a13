"""Delivery of an entity by a table of a database: its place, and the meaning of its columns.

PostgreSQL alone: the queries are its dialect. Who logs in, and by which password, stands in the
environment; the configuration only names the variables.

How a shop delivers: its entities, their drops, and which of its columns become which of ours.
"""

import codecs
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, model_validator

from lakeshop.config.base import FrozenModel
from lakeshop.config.date_pattern import meaningful
from lakeshop.config.file_names import FileNames

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
NamePattern = Annotated[str, Field(pattern=r"[^*\s]")]  # `*` stands for any text, but not alone
# Where a table lies, who reads it and in how many parts makes no difference to its rows.
Local = Field(exclude=True)


class Database(FrozenModel):
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
    overlap_minutes: NonNegativeInt = 60
    partition_column: Annotated[Name | None, Local] = None
    partitions: Annotated[PositiveInt, Local] = 1
    user_variable: Annotated[Name, Local]
    password_variable: Annotated[Name, Local]
    timeout_seconds: Annotated[PositiveInt, Local] = 600

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


# Keys of files, which make no sense of a table.
_OF_FILES = (
    *("path", "format", "required", "history", "separator", "header"),
    *("quote", "escape", "encoding", "lines"),
)
_IN_BRACES = re.compile(r"\{[^{}]*\}")


def _below(path: str | None) -> str | None:
    """A pattern of files below the landing folder."""
    bare = _IN_BRACES.sub("x", path or "")
    if bare.startswith("/") or ".." in bare.split("/") or ":" in bare or not bare.isprintable():
        msg = "should lie below the landing folder, without .., a scheme or a control character"
        raise ValueError(msg)
    if path and (fault := FileNames(path).fault):
        msg = f"should name files by their day, received {fault}"
        raise ValueError(msg)
    return path


Below = AfterValidator(_below)
_NO_TEXT = {"utf_7", "idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined"}


def _known_encoding(name: str) -> str:
    """An encoding of texts that Python knows, by Python's name of it."""
    try:
        known = codecs.lookup(name).name
        "".encode(known)
        is_text = known.replace("-", "_") not in _NO_TEXT
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        msg = f"should be an encoding such as utf-8, cp1252, latin-1 or utf-16, received {name!r}"
        raise ValueError(msg)
    return known


def later(default: Any) -> Any:
    """A key that came later: no digest knows of it where it has its default.

    A lake of before goes on, and reads no day again that it has.
    """
    return Field(default, exclude_if=lambda value: value == default)


NULL_VALUES = (
    *("NULL", "Null", "null", "\\N", "None", "nan", "NaN", "NAN", "NaT", "<NA>", "#N/A"),
    *("0000-00-00", "0000-00-00 00:00:00"),
)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Expected = (
    Literal["daily", "weekdays", "sometimes"] | Annotated[tuple[Weekday, ...], Field(min_length=1)]
)
WORK_DAYS = 5
DATE = "{date}"  # stands for the business date in a path, and in an id of several columns

OnConflict = Literal["first", "last", "sum", "reject"]
# Columns that `on_conflict: sum` adds, of the entities whose rows can be added.
MEASURES: Mapping[str, tuple[str, ...]] = {
    "transactions": ("quantity", "discount", "amount"),
    "stock": ("on_hand", "on_order"),
    "promotions": ("display_stores", "mailer_stores"),
}


class ColumnMapping(FrozenModel):
    """The origin of one column of an entity: a column or several, a constant, an expression.

    A plain text stands for `column`. `columns` are joined to one id, `{date}` among them being the
    business date. A `generated` id follows from what the row holds, and from its number among equal
    rows of the day. An `expression` is Spark SQL over the shop's own columns,
    all text, which it lists under `reads`. `format` is Spark's pattern of a date or time;
    `zone` the zone in which a time without one is meant (UTC where not given).
    """

    column: str | None = None
    columns: Annotated[tuple[Name, ...] | None, Field(min_length=2)] = later(None)
    generated: Literal[True] | None = later(None)
    constant: str | None = None
    expression: str | None = None
    reads: tuple[str, ...] = ()
    format: Annotated[str, AfterValidator(meaningful)] | None = None
    zone: Zone | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> "ColumnMapping":
        origins = ("column", "columns", "generated", "constant", "expression")
        if sum(getattr(self, origin) is not None for origin in origins) != 1:
            msg = f"should have exactly one of {', '.join(origins)}"
            raise ValueError(msg)
        return self


WHERE = "where"


def _condition(origin: ColumnMapping) -> ColumnMapping:
    if origin.expression is None or not origin.reads or origin.format or origin.zone:
        msg = "should be {expression: \"status <> 'cancelled'\", reads: [status]}"
        raise ValueError(msg)
    return origin


class Entity(FrozenModel):
    """Delivery of one entity.

    `path` is relative to the landing folder; `{date}` stands for the business date, `*` for
    anything, and `{store}` for anything that becomes a column (see `file_names`). `history` is the
    same for a first delivery of history, without a date.
    Files are read in the `encoding`, if no byte order mark says another. In a CSV, fields may stand
    in `quote` signs, within which the `escape` sign takes a quote for itself (a doubled quote where
    there is none). `lines` names the array of a JSON or Parquet row whose elements are the rows.
    `where` says which rows count, and `null_values` which texts mean nothing.
    `drift` says what becomes of columns that are neither mapped nor `ignored`, and of mapped ones
    that a file lacks: a warning names them (evolve), their rows are quarantined (discard_row), or
    the entity fails (freeze).

    `expects` says on which days rows come; without it they are learned. A day that should bring
    rows and does not is warned of, and tells nothing of demand. A `required` entity fails on a day
    without a file instead; so does one that was never delivered, unless `required` is false.
    `on_conflict` says which row counts where several of one key differ: the first, the last, their
    sum, or none of them (reject). By default the first event counts, and the version that does not
    depend on the order of rows. The last order line corrects one that was accepted on a day before.

    Or it comes from a table of a database, `jdbc`; nothing of the above but `columns`, `ignored`,
    whose columns are not read then, and `drift` decides about that.
    """

    jdbc: Database | None = None
    path: Annotated[str, Below]
    format: Literal["json", "csv", "parquet"]
    required: bool | None = None
    expects: Expected | None = later(None)
    history: Annotated[str | None, Below] = None
    separator: Annotated[str, Field(pattern=r"^[^\r\n\"]$")] = ","
    header: tuple[str, ...] | None = None
    quote: Annotated[str, Field(pattern=r"^[^\r\n]$")] = later('"')
    escape: Annotated[str, Field(pattern=r"^[^\r\n]$")] | None = later(None)
    encoding: Annotated[str, AfterValidator(_known_encoding)] = later("utf-8")
    lines: Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")] | None = later(None)
    where: Annotated[ColumnMapping, AfterValidator(_condition)] | None = later(None)
    null_values: tuple[str, ...] = later(NULL_VALUES)
    columns: Mapping[str, ColumnMapping]
    ignored: tuple[str, ...] = ()
    drift: Literal["evolve", "discard_row", "freeze"] = "evolve"
    on_conflict: OnConflict | None = later(None)

    @property
    def expected_weekdays(self) -> frozenset[int] | None:
        """The weekdays on which rows come, 0 for Monday; None where they are learned."""
        if self.expects is None:
            return None
        if isinstance(self.expects, tuple):
            return frozenset(map(WEEKDAYS.index, self.expects))
        days = {"daily": len(WEEKDAYS), "weekdays": WORK_DAYS, "sometimes": 0}
        return frozenset(range(days[self.expects]))

    def must_come(self, day: date) -> bool:
        """Return whether a day without a file is a failure."""
        weekdays = self.expected_weekdays
        return bool(self.required) and (weekdays is None or day.weekday() in weekdays)

    @model_validator(mode="after")
    def _a_day_is_named(self) -> "Entity":
        if self.jdbc is None and not FileNames(self.path).has_date:
            msg = (
                "should have a path with {date}, the day that a file is for; else each night "
                "would read all files. A first delivery of history has its path under history"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _its_form_has_its_keys(self) -> "Entity":
        if self.lines is not None and self.format == "csv":
            msg = "should have lines only where the format is json or parquet, received csv"
            raise ValueError(msg)
        signs = {self.quote, self.separator} | ({self.escape} - {None})
        if len(signs) < 2 + (self.escape is not None):
            msg = "should have a separator, a quote and an escape that differ from each other"
            raise ValueError(msg)
        if self.history and FileNames(self.history).has_date:
            msg = "should have a history without {date}; days are filed by the time of events"
            raise ValueError(msg)
        return self

    @property
    def origins(self) -> Mapping[str, ColumnMapping]:
        """Origins of its columns and of the condition, which is that of the column `where`."""
        return {**self.columns, WHERE: self.where} if self.where else self.columns

    @property
    def names(self) -> tuple[FileNames, ...]:
        """Names of its files, of a day and of the history."""
        return tuple(FileNames(path) for path in (self.path, self.history) if path)

    @property
    def name_columns(self) -> list[str]:
        """Columns that come from the names of its files."""
        return sorted({column for names in self.names for column in names.columns})

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


class ExcludedProducts(FrozenModel):
    """Products that are no goods: by id, by department or category, by words of the name.

    A pattern is one or several whole words; `*` stands for any text. Case makes no difference.
    """

    ids: tuple[Name, ...] = ()
    categories: tuple[Name, ...] = ()
    patterns: tuple[NamePattern, ...] = ()


class Shop(FrozenModel):
    """The shop itself.

    A night also loads files that came late or anew for the `late_days` days before.
    `currency` is that of its amounts: lines of another one are left out. `shared_accounts` are
    the shop's own ids of users who are no persons, such as that of all walk-ins: their lines are
    guests' lines. `exclude_products` names what is no good.
    """

    name: str
    zone: Zone
    landing: str
    late_days: Annotated[int, Field(ge=0, le=28)] = later(2)
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = later(None)
    shared_accounts: tuple[Name, ...] = later(())
    exclude_products: ExcludedProducts | None = later(None)
    entities: Mapping[str, Entity]

    @model_validator(mode="after")
    def _amounts_are_of_its_currency(self) -> "Shop":
        lines = self.entities.get("transactions")
        constant = (
            lines.columns["currency"].constant if lines and "currency" in lines.columns else None
        )
        if self.currency and constant and constant.upper() != self.currency:
            msg = (
                f"should have the currency {self.currency} as constant of its transactions, "
                f"received {constant!r}; else each line would be left out"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _labels_are_of_lines_or_orders(self) -> "Shop":
        labels = self.entities.get("fraud_labels")
        if labels and {"transaction_id", "order_id"} <= set(labels.columns):
            msg = "should map transaction_id or order_id of fraud_labels, received both"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _sums_have_measures(self) -> "Shop":
        for name, entity in self.entities.items():
            if entity.on_conflict == "sum" and name not in MEASURES:
                msg = (
                    f"should have on_conflict: sum of {', '.join(MEASURES)} alone: "
                    f"rows of {name} have nothing that is added"
                )
                raise ValueError(msg)
        return self

    @property
    def corrects_lines(self) -> bool:
        """Return whether order lines that come again changed correct those before."""
        lines = self.entities.get("transactions")
        return lines is not None and lines.on_conflict == "last"

    @property
    def delivers_views(self) -> bool:
        """Return whether actions of users name the product acted on."""
        actions = self.entities.get("user_actions")
        return actions is not None and "product_id" in actions.columns

    @property
    def required_tables(self) -> frozenset[str]:
        """Name the tables of the entities that each night should bring."""
        optional = {name for name, entity in self.entities.items() if entity.required is False}
        required = [name for name in self.entities if name not in optional]
        return frozenset(f"{layer}.{name}" for layer in ("bronze", "silver") for name in required)
