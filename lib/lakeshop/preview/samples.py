"""First rows of an entity's newest drop, cleaned as a night would, in memory of the driver."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import pandas as pd
from pyspark.sql import functions as F

from lakeshop.config.shop import Entity
from lakeshop.engine.run import Run
from lakeshop.silver.clean import CLEANINGS
from lakeshop.silver.cleaning import REASONS, validate
from lakeshop.silver.drift import expected_columns, known_columns, required_columns
from lakeshop.silver.entities import CleaningContext
from lakeshop.sources.files import DeliveredFile, find_drops, read_drops
from lakeshop.sources.json_rows import ITEM, with_elements
from lakeshop.sources.lines import Limits
from lakeshop.sources.mapping import KEYS, TEXT, with_text

ROWS_LOOKED_AT = 1_000
DAYS_LOOKED_BACK = 400  # for the newest drop
_PLACE = ["source_file", "source_line"]


@dataclass(frozen=True, eq=False)
class Sample:
    """First rows of a drop.

    Attributes:
        name: the entity.
        entity: how it is delivered.
        day: the business date of the drop.
        files: names of its files.
        texts: str[n], what was delivered by the contract's column, None where nothing was.
        values: str[n], what it became; rows as those of `texts`.
        reasons: of each row, why it would be quarantined; empty where it would not.
        delivered: names of the shop's own columns that were found.
        required: the shop's own columns that each row needs.
        expected: those that the mapping reads.
        key: columns of the contract's key.
        are_events: whether each of its rows counts, and none is a version of another.
    """

    name: str
    entity: Entity
    day: date
    files: Sequence[str]
    texts: pd.DataFrame
    values: pd.DataFrame
    reasons: Sequence[Sequence[str]]
    delivered: frozenset[str]
    required: Sequence[str] = ()
    expected: Sequence[str] = ()
    key: Sequence[str] = ()
    are_events: bool = False

    @cached_property
    def missing(self) -> list[str]:
        """The shop's own columns that the mapping reads and no row has, the required first."""
        wanted = dict.fromkeys((*self.required, *self.expected))
        return [name for name in wanted if name not in self.delivered]

    @cached_property
    def new(self) -> list[str]:
        """The shop's own columns that are neither mapped nor ignored."""
        return sorted(self.delivered - set(known_columns(self.entity)))


def newest_drop(run: Run, entity: Entity) -> tuple[date, list[DeliveredFile]] | None:
    """Return the newest day, no later than the run's last, that has a drop, and its files."""
    for age in range(DAYS_LOOKED_BACK + 1):
        day = run.last - timedelta(days=age)
        if drops := find_drops(run.lake.spark, run.settings.shop.landing, entity, day):
            return day, drops
    return None


def sample_of(run: Run, name: str, day: date, drops: list[DeliveredFile]) -> Sample:
    """Clean the first rows of a drop."""
    entity = run.settings.shop.entities[name]
    contract = run.lake.contract(f"silver.{name}")
    limits = Limits.of(run.settings.quality, ROWS_LOOKED_AT)
    raw = read_drops(run.lake.spark, drops[:1], entity, limits)
    rows = with_elements(raw, entity).persist()
    place = [*_PLACE, *([ITEM] if ITEM in rows.columns else [])]
    try:
        mapped = [c.name for c in contract.columns if c.name in entity.columns]
        text = with_text(rows, entity)
        texts = text.select(*place, KEYS, *[F.col(TEXT)[c].alias(c) for c in mapped]).toPandas()
        tables = {i.table: run.lake.empty_frame(i.table) for i in contract.inputs}
        around = CleaningContext(tables, run.settings.shop.zone, run.settings.shop.shared_accounts)
        cleaned = validate(rows, entity, contract, CLEANINGS[name], around)
        values = [F.col(column).cast("string").alias(column) for column in mapped]
        found = cleaned.select(*place, REASONS, *values).toPandas()
    finally:
        rows.unpersist()
    texts, found = (f.sort_values(place, ignore_index=True) for f in (texts, found))
    return Sample(
        name,
        entity,
        day,
        [drop.name for drop in drops],
        texts[mapped],
        found[mapped],
        [list(reasons) for reasons in found[REASONS]],
        frozenset(key for keys in texts[KEYS].dropna() for key in keys),
        required_columns(entity, contract),
        expected_columns(entity, contract),
        contract.key,
        contract.rows == "event",
    )
