"""Builders: pure functions from tables and a business date to the rows of one table.

The tables are those that its contract declares as inputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import types as T

from lakeshop.config.settings import Settings
from lakeshop.contracts.model import Contract
from lakeshop.storage.lake import Lake

Tables = Mapping[str, DataFrame]


@dataclass(frozen=True)
class Provenance:
    """The origin of a table: its code, the versions of its inputs, their content."""

    code: str = ""
    versions: tuple[str, ...] = ()
    content: str = ""


@dataclass(frozen=True)
class Notice:
    """A warning of made rows: `say` says it of the value of `aggregate` over them, or None."""

    aggregate: Column
    say: Callable[[Any, DataFrame], str | None]


@dataclass(frozen=True)
class BuildContext:
    """Knowledge of a builder beside its tables: the business date and the settings.

    Of a range of days, which a table by day is asked for in one go, `day` is the last. Its
    inputs also hold the look-back: what is before `first` is not asked for.
    """

    day: date
    settings: Settings
    first: date | None = None
    provenance: Provenance = Provenance()
    contract: Contract | None = None  # of the table that is made
    lake: Lake | None = None  # for the progress of long work alone: what is read comes as tables
    extensions: tuple[str, ...] = ()  # functions of other applications that add rows
    warnings: list[str] = field(default_factory=list, compare=False)
    failures: list[str] = field(default_factory=list, compare=False)
    notices: list[Notice] = field(default_factory=list, compare=False)
    _kept: list[DataFrame] = field(default_factory=list, compare=False)

    @property
    def first_day(self) -> date:
        """The first day asked for."""
        return self.first or self.day

    @property
    def is_training_day(self) -> bool:
        """Return whether models are trained on the day."""
        return self.day.weekday() == self.settings.training.weekday_number

    def schema(self, *names: str) -> T.StructType:
        """Return the types of columns of the table that is made."""
        assert self.contract is not None, "a builder that asks for types is given a contract"
        return self.contract.schema(*names)

    def task_schema(self, *names: str) -> T.StructType:
        """Return the types of columns that a Python task makes of the table."""
        assert self.contract is not None, "a builder that asks for types is given a contract"
        return self.contract.task_schema(*names)

    def cache(self, rows: DataFrame) -> DataFrame:
        """Cache rows that a builder uses several times, until its table is published."""
        self._kept.append(rows.persist())
        return rows

    def warn(self, text: str) -> None:
        """Warn of the input, in the log of the run and in `ops.runs`."""
        self.warnings.append(text)

    def watch(self, aggregate: Column, say: Callable[[Any, DataFrame], str | None]) -> None:
        """Warn of the made rows by an aggregate that is computed as they are audited."""
        self.notices.append(Notice(aggregate, say))

    def fail(self, text: str) -> None:
        """Have the run end with 1 because a part of the table is missing."""
        self.failures.append(text)

    def release(self) -> None:
        """Give up what was kept."""
        while self._kept:
            self._kept.pop().unpersist()


Builder = Callable[[Tables, BuildContext], DataFrame]
