"""What a builder is: a pure function from tables and a night to the rows of one table.

The tables are those that its contract declares as inputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import DataFrame

from lakeshop.config.settings import Settings
from lakeshop.storage.lake import Lake

Tables = Mapping[str, DataFrame]


@dataclass(frozen=True)
class Provenance:
    """What a table is made by and from: the code, the versions of its inputs, their content."""

    code: str = ""
    versions: tuple[str, ...] = ()
    content: str = ""


@dataclass(frozen=True)
class BuildContext:
    """What a builder knows beside its tables: the business date and the settings.

    Of a range of days, which a table by day is asked for in one go, `day` is the last. Its
    inputs also hold the look-back: what is before `first` is not asked for.
    """

    day: date
    settings: Settings
    first: date | None = None
    provenance: Provenance = Provenance()
    lake: Lake | None = None  # for the progress of long work alone: what is read comes as tables
    warnings: list[str] = field(default_factory=list, compare=False)
    _kept: list[DataFrame] = field(default_factory=list, compare=False)

    @property
    def first_day(self) -> date:
        """The first day asked for."""
        return self.first or self.day

    @property
    def is_training_day(self) -> bool:
        """Whether models are trained on the day."""
        return self.day.weekday() == self.settings.training.weekday_number

    def cache(self, rows: DataFrame) -> DataFrame:
        """Cache rows that a builder uses several times, until its table is published."""
        self._kept.append(rows.persist())
        return rows

    def warn(self, text: str) -> None:
        """Have the run say, in its log and in `ops.runs`, what is amiss with the input."""
        self.warnings.append(text)

    def release(self) -> None:
        """Give up what was kept."""
        while self._kept:
            self._kept.pop().unpersist()


Builder = Callable[[Tables, BuildContext], DataFrame]
