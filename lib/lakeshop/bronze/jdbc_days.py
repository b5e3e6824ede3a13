"""Rows of a database's table by the business date on which they count as delivered.

A night reads what changed after the last published day, and the overlap before it once more, up
to the end of its own day in the shop's zone. A row is delivered on the shop's day of its change,
or on the first day of the run where that day was published before; a row that was delivered with
the same content is not delivered again. What is published is never taken back: the database
may know it no more. So a day that is run again keeps its rows and gains what came late.

Where a day is run after a later one, that has its rows: they move to where they belong. The last
published day is the ledger's, and what a killed run left is found in bronze itself: there is no
other state.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.config.shop import Entity
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.dates import days_between
from lakeshop.engine.publishing import MadeDays
from lakeshop.engine.run import Run
from lakeshop.sources.files import RAW_ROW
from lakeshop.sources.jdbc import Extent, Source, Window
from lakeshop.sources.jdbc_connection import Connection, Login
from lakeshop.sources.mentions import without_erased
from lakeshop.storage.content import Content, content_columns, contents_of
from lakeshop.storage.publications import Publication, digest_of

_KEY, _CHANGED_ON, _CHANGED_AT = "_key", "_changed_on", "_changed_at"
ByEventDay = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Reading:
    """The rows that a run reads of one table, and the rows that the database holds now."""

    table: str
    source: Source
    kinds: dict[str, str]
    window: Window
    extent: Extent

    @property
    def place(self) -> str:
        """The table, as `source_file` names it."""
        return f"jdbc/{self.source.database.table}"


def reading(run: Run, name: str, entity: Entity) -> Reading:
    """Look at a table, before anything is published.

    Raises:
        ConfigError: the login is not in the environment, or the driver not on the class path.
        InputError: the database or the table is not as it should be.
    """
    assert entity.jdbc is not None
    connection = Connection(run.lake.spark, entity.jdbc, Login.of(entity.jdbc))
    source = Source(connection, entity)
    table = f"bronze.{name}"
    overlap = timedelta(minutes=entity.jdbc.overlap_minutes)
    before = [] if run.is_history else [d for d in run.ledger.days(table) if d < run.first]
    zone = run.settings.shop.zone
    since = end_of(before[-1], zone) - overlap if before else None
    window = Window(since, end_of(run.last, zone))
    kinds = source.kinds()
    return Reading(table, source, kinds, window, source.extent(kinds, window))


def end_of(day: date, zone: str) -> datetime:
    """The moment, in UTC, at which the shop's next day begins."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(zone))
    return midnight.astimezone(UTC)


def load_table(run: Run, reading: Reading, by_event_day: ByEventDay) -> None:
    """Publish the days of a run in bronze, unless they were published from the same rows.

    Args:
        run: the run.
        reading: what it is to read.
        by_event_day: files rows of a first delivery of history.
    """
    started = time.monotonic()
    window = reading.window
    print_ = digest_of(
        run.settings.digest("shop"), window.since, window.until, reading.extent.digest
    )
    prints = dict.fromkeys(days_between(run.first, run.last), print_)
    published = {day: run.ledger.publication(reading.table, day) for day in prints}
    if all(was is not None and _is_current(was, print_) for was in published.values()):
        return
    unpublished = [] if run.is_history else [day for day, was in published.items() if was is None]
    later = _later(run, reading.table) if unpublished else None
    with reading.source.connection.explained():  # to look at the columns, Spark connects at once
        # Kept while it is divided into what is known and what is new: it is read once.
        read = _raw_rows(reading).persist(StorageLevel.MEMORY_AND_DISK)
        rows = _filed(run, reading, read, unpublished, later, by_event_day)
        rows, left_out = without_erased(run, rows, reading.source.entity)
        # Not cached, checkpointed: the next publish would have a cache made anew, since these rows
        # come from the table that is published.
        rows = rows.localCheckpoint(storageLevel=StorageLevel.MEMORY_AND_DISK)
    read.unpersist()
    found = _contents(run, reading.table, rows)
    in_range = rows.where(F.col(BUSINESS_DATE) <= F.lit(run.last))
    with run.ledger.atomic_batch(reading.table):  # a row that moves is on both days in between
        contents = {day: content for day, content in found.items() if day <= run.last}
        days = reading.table, in_range, run.first, run.last
        run.publish(MadeDays(*days, started, left_out, contents, prints))
        if later is not None and found.get(later.day) != later.content:
            left = rows.where(F.col(BUSINESS_DATE) == F.lit(later.day))
            was = {later.day: later.input_digest}
            days = reading.table, left, later.day, later.day
            run.publish(MadeDays(*days, started, input_digests=was))


def _contents(run: Run, table: str, rows: DataFrame) -> dict[date, Content]:
    per_day = run.lake.conform_to_contract(table, rows).groupBy(BUSINESS_DATE)
    return contents_of(per_day.agg(*content_columns(run.lake.contract(table))).collect())


def _is_current(published: Publication, digest: str) -> bool:
    return published.input_digest == digest and not published.is_removed


def _later(run: Run, table: str) -> Publication | None:
    """The published day that has taken over what an unpublished one lacks."""
    days = (day for day in run.ledger.days(table) if day > run.last)
    found = next((run.ledger.publication(table, day) for day in days), None)
    return None if found is None or found.is_removed else found


def _filed(
    run: Run,
    reading: Reading,
    read: DataFrame,
    unpublished: list[date],
    later: Publication | None,
    by_event_day: ByEventDay,
) -> DataFrame:
    """All rows of the run's days, and of the `later` day: what they hold and what is new."""
    timed = _timed(reading, run.settings.shop.zone)
    last = later.day if later else run.last
    held = timed(run.lake.read(reading.table, run.first, last))
    held = held.where(
        (F.col(BUSINESS_DATE) <= F.lit(run.last)) | (F.col(BUSINESS_DATE) == F.lit(last))
    )
    before = run.lake.read(reading.table, _reach(run, reading), run.first - timedelta(days=1))
    new = (
        read.join(before.select("raw"), on="raw", how="left_anti")
        .join(held.select("raw"), on="raw", how="left_anti")
        .transform(timed)
    )
    if run.is_history:
        new = timed(by_event_day(new.select(*RAW_ROW.names)))
    else:
        changed_on = F.greatest(F.col(_CHANGED_ON), F.lit(run.first))
        new = new.withColumn(BUSINESS_DATE, F.least(changed_on, F.lit(run.last)))
    # The same state of the same row, read with other columns than before, takes its place.
    kept = held.join(new.select(_KEY, _CHANGED_AT), on=[_KEY, _CHANGED_AT], how="left_anti")
    kept = _moved(kept, unpublished, before)
    return _numbered(kept.unionByName(new), reading.place).select(*RAW_ROW.names)


def _reach(run: Run, reading: Reading) -> date | None:
    """The first day that may hold a row of the overlap.

    None of them lies on a day before that of its change, but for those of a first delivery of
    history: all days that were published by one reading bear the same digest.
    """
    since = reading.window.since
    if since is None:
        return None
    start = since.astimezone(ZoneInfo(run.settings.shop.zone)).date()
    days = [day for day in run.ledger.days(reading.table) if day < run.first]
    prints = {day: run.ledger.publication(reading.table, day) for day in days}
    digests = {day: was.input_digest for day, was in prints.items() if was is not None}
    together = {digest for day, digest in digests.items() if day >= start}
    return min([start, *[day for day, digest in digests.items() if digest in together]])


def _raw_rows(reading: Reading) -> DataFrame:
    rows = reading.source.rows(reading.kinds, reading.window, reading.extent)
    absent = F.lit(None).cast("string")
    return rows.select(
        F.lit(None).cast("date").alias(BUSINESS_DATE),
        F.lit(reading.place).alias("source_file"),
        F.lit(0).cast("long").alias("source_line"),
        *("raw", absent.alias("header"), absent.alias("fault")),
    )


def _timed(reading: Reading, shop_zone: str) -> Callable[[DataFrame], DataFrame]:
    """Adds key, time and shop's day of the last change to raw rows, from their JSON."""
    database = reading.source.database
    names = (*database.key, database.updated_at)
    fields = T.StructType([T.StructField(name, T.StringType()) for name in dict.fromkeys(names)])
    row = F.from_json("raw", fields)
    text = row[database.updated_at]
    moment = text.try_cast("timestamp")
    changed_at = F.when(text.endswith("+00:00"), moment).otherwise(
        F.to_utc_timestamp(moment, database.zone)
    )
    key = F.to_json(F.struct(*[row[name].alias(name) for name in database.key]))

    def timed(rows: DataFrame) -> DataFrame:
        with_time = rows.withColumns({_KEY: key, _CHANGED_AT: changed_at})
        local = F.from_utc_timestamp(_CHANGED_AT, shop_zone)
        return with_time.withColumn(_CHANGED_ON, F.to_date(local))

    return timed


def _moved(kept: DataFrame, unpublished: list[date], before: DataFrame) -> DataFrame:
    """Rows on their days, moved where these had not been published.

    A row that is on an earlier day as well was moved by a run that was killed before it took it
    from the later one: no state of a row is delivered twice.
    """
    placed = kept.withColumn("_to", _own_day(unpublished))
    stay = placed.where(F.col("_to") == F.col(BUSINESS_DATE)).drop("_to")
    there = stay.select("raw").unionByName(before.select("raw"))
    moving = (
        placed.where(F.col("_to") < F.col(BUSINESS_DATE))
        .drop(BUSINESS_DATE)
        .withColumnRenamed("_to", BUSINESS_DATE)
    )
    return stay.unionByName(moving.join(there, on="raw", how="left_anti"))


def _own_day(unpublished: list[date]) -> Column:
    """A row's day, or an earlier one where that had not been published and is the row's own."""
    if not unpublished:
        return F.col(BUSINESS_DATE)

    def is_its(day: Column) -> Column:
        return (day >= F.col(_CHANGED_ON)) & (day < F.col(BUSINESS_DATE))

    days = F.array(*[F.lit(day) for day in unpublished])
    return F.coalesce(F.array_min(F.filter(days, is_its)), F.col(BUSINESS_DATE))


def _numbered(rows: DataFrame, place: str) -> DataFrame:
    """Lines of a day from 1, by time of change; what came from files keeps its lines."""
    in_order = W.partitionBy(BUSINESS_DATE, "source_file").orderBy(_CHANGED_AT, _KEY, "raw")
    line = F.row_number().over(in_order).cast("long")
    is_mine = F.col("source_file") == F.lit(place)
    return rows.withColumn("source_line", F.when(is_mine, line).otherwise(F.col("source_line")))
