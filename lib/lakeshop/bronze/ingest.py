"""landing -> bronze: every delivered row, raw, filed under its business date.

A daily drop is filed under the day in its path. A first delivery of history has no such day:
each row is filed under the shop's day of its event, as if it had been delivered that day. What a
table of a database delivers on a day, `jdbc_days` says.
"""

import time
from datetime import date
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.bronze.jdbc_days import load_table, reading
from lakeshop.config.shop import Entity
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.dates import contiguous_ranges, days_between
from lakeshop.engine.run import Run
from lakeshop.errors import InputError
from lakeshop.sources.files import DeliveredFile, find_drops, pattern_of, read_drops
from lakeshop.sources.lines import Limits
from lakeshop.sources.mapping import TEXT, typed, with_text
from lakeshop.sources.mentions import without_erased
from lakeshop.storage.lake import Content
from lakeshop.storage.publications import digest_of

Delivered = dict[date, list[DeliveredFile]]


def ingest(run: Run) -> None:
    """Load the days' drops of every entity into bronze.

    Raises:
        InputError: a drop of a required entity is missing, or a database is; nothing was written.
    """
    files = [(name, entity) for name, entity in _entities(run) if entity.jdbc is None]
    tables = [(name, entity) for name, entity in _entities(run) if entity.jdbc is not None]
    delivered = {name: _delivered(run, entity) for name, entity in files}
    _assert_complete(run, delivered)
    readings = {name: reading(run, name, entity) for name, entity in tables}
    load = _load_history if run.is_history else _load_days
    work = {f"bronze.{n}": partial(load, run, n, entity, delivered[n]) for n, entity in files}
    for name, entity in tables:
        by_day = partial(by_event_day, run=run, name=name, entity=entity)
        work[f"bronze.{name}"] = partial(load_table, run, readings[name], by_day)
    run.side_by_side(work)


def _entities(run: Run) -> list[tuple[str, Entity]]:
    return sorted(run.settings.shop.entities.items())


def _delivered(run: Run, entity: Entity) -> Delivered:
    landing = str(run.settings.shop.landing)
    if run.is_history:
        return {run.last: find_drops(run.lake.spark, landing, entity, None)}
    days = days_between(run.first, run.last)
    return {day: find_drops(run.lake.spark, landing, entity, day) for day in days}


def _assert_complete(run: Run, delivered: dict[str, Delivered]) -> None:
    missing = [
        f"{run.settings.shop.landing}/{pattern_of(entity, None if run.is_history else day)}"
        for name, entity in _entities(run)
        for day, drops in delivered.get(name, {}).items()
        if entity.required and not drops
    ]
    if missing:
        shown = "\n  ".join(missing[:5])
        more = f"\n  and {len(missing) - 5} more" if len(missing) > 5 else ""
        msg = (
            "The drops of required entities should be delivered. Looked for and not found:\n  "
            f"{shown}{more}\nDeliver them and run again; nothing was published."
        )
        raise InputError(msg)


def _load_days(run: Run, name: str, entity: Entity, delivered: Delivered) -> None:
    table = f"bronze.{name}"
    prints = {
        day: digest_of(run.settings.digest(), *[drop.fingerprint for drop in drops])
        for day, drops in delivered.items()
    }
    for first, last in contiguous_ranges(day for day in prints if _is_new(run, table, day, prints)):
        started = time.monotonic()
        drops = [drop for day in days_between(first, last) for drop in delivered[day]]
        rows = read_drops(run.lake.spark, drops, entity, _limits(run))
        rows, counts = without_erased(run, rows, entity)
        known: dict[date, Content] | None = None if drops else {}
        run.publish(
            *(table, rows, first, last),
            started=started,
            counts=counts,
            contents=known,
            input_digests=prints,
        )


def _is_new(run: Run, table: str, day: date, prints: dict[date, str]) -> bool:
    published = run.ledger.publication(table, day)
    return published is None or published.is_removed or published.input_digest != prints[day]


def _limits(run: Run) -> Limits:
    quality = run.settings.quality
    return Limits(quality.largest_file_mib * 2**20, quality.largest_unpacked_mib * 2**20)


def _load_history(run: Run, name: str, entity: Entity, delivered: Delivered) -> None:
    started = time.monotonic()
    drops = delivered[run.last]
    if not drops:
        return  # an optional entity without history keeps what nights have filed
    rows = read_drops(run.lake.spark, drops, entity, _limits(run))
    rows = rows.transform(by_event_day, run, name, entity)
    print_ = digest_of(run.settings.digest(), *[drop.fingerprint for drop in drops])
    prints = dict.fromkeys(days_between(run.first, run.last), print_)
    if any(_is_new(run, f"bronze.{name}", day, prints) for day in prints):
        rows, counts = without_erased(run, rows, entity)
        run.publish(
            *(f"bronze.{name}", rows, run.first, run.last),
            started=started,
            counts=counts,
            input_digests=prints,
        )


def by_event_day(rows: DataFrame, run: Run, name: str, entity: Entity) -> DataFrame:
    """File each row under the shop's day of its event, no day before or after the range.

    A row whose time cannot be read is filed under the last day, where cleaning rejects it; an
    entity without a time of event was known from the first day on.
    """
    columns = {c.name: c for c in run.lake.contract(f"silver.{name}").columns}
    if "event_date" not in columns:
        return rows.withColumn(BUSINESS_DATE, F.lit(run.first))
    occurred_at = typed(
        F.col(TEXT)["occurred_at"], entity.columns["occurred_at"], columns["occurred_at"]
    )
    local_day = F.to_date(F.from_utc_timestamp(occurred_at, run.settings.shop.zone))
    within = F.least(F.greatest(local_day, F.lit(run.first)), F.lit(run.last))
    day = F.when(local_day.isNotNull(), within).otherwise(F.lit(run.last))
    return with_text(rows, entity).withColumn(BUSINESS_DATE, day).select(*rows.columns)
