"""Settings of what is kept, and for how long."""

from pathlib import Path

from pydantic import Field, model_validator

from lakeshop.values import Count, Days, Frozen


class Maintenance(Frozen):
    """How tables are kept.

    `erased` is the list of erased persons, outside the lake; `{shop}` in it stands for the shop.
    Files that no version needs any more are removed after `keep_days`, a table's log after
    `log_days`. Files below half of `file_mib` are small; where `small_files` of them or more hold
    closed days, they are made into files of that size. A run begins only where `least_free_mib` are
    free on the lake's disk.
    """

    erased: Path
    keep_days: Days
    log_days: Count
    small_files: int = Field(ge=2)
    file_mib: Count
    least_free_mib: int = Field(ge=0)

    @model_validator(mode="after")
    def _logs_last_as_long_as_files(self) -> "Maintenance":
        if self.log_days < self.keep_days:
            msg = (
                f"log_days should be keep_days or more, received {self.log_days} and "
                f"{self.keep_days}; an old version is read by its log"
            )
            raise ValueError(msg)
        return self
