"""landing -> bronze: every delivered row, raw, filed under its business date.

A daily drop is filed under the day in its path, also where it comes after that night. A first
delivery of history has no such day: each row is filed under the shop's day of its event, as if it
had been delivered that day. What a table of a database delivers on a day, `jdbc_days` says.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.bronze.jdbc_days import load_table, reading
from lakeshop.config.shop import Entity
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.dates import contiguous_ranges, days_between
from lakeshop.engine.outcome import failing_alone
from lakeshop.engine.publishing import MadeDays
from lakeshop.engine.run import Run
from lakeshop.errors import InputError
from lakeshop.events import in_words
from lakeshop.sources.files import DeliveredFile, find_days, find_drops, pattern_of, read_drops
from lakeshop.sources.json_rows import with_first_element
from lakeshop.sources.lines import Limits
from lakeshop.sources.mapping import TEXT, typed, with_text
from lakeshop.sources.mentions import without_erased
from lakeshop.storage.content import Content
from lakeshop.storage.publications import digest_of
from lakeshop.storage.run_log import LOG

SHOWN = 5  # paths of missing drops
FORGOTTEN = 28  # days before a night on which files that nobody loaded are told of
PUT_BACK = (
    "put back all files of a day, an empty one in the place of one that should count no more; a "
    "history is loaded again with --history"
)
LATE = "delivered late or anew, so the day and what reads it are made again:"

Delivered = dict[date, list[DeliveredFile]]


def ingest(run: Run, check: Callable[[Run, str], None] = lambda run, name: None) -> None:
    """Load the days' drops of every entity into bronze; an entity fails alone.

    Args:
        run: the run.
        check: refuses an entity that could be loaded and not be cleaned.
    """

    def load_entity(name: str, entity: Entity) -> None:
        with failing_alone() as errors:
            check(run, name)
            if entity.jdbc is not None:
                by_day = partial(by_event_day, run=run, name=name, entity=entity)
                load_table(run, reading(run, name, entity), by_day)
            elif run.is_history:
                _load_history(run, name, entity)
            else:
                _load_days(run, name, entity)
        for error in errors:  # not remembered by day: the next reading begins where this one did
            run.set_aside(f"bronze.{name}", error)

    entities = sorted(run.settings.shop.entities.items())
    run.side_by_side({f"bronze.{n}": partial(load_entity, n, entity) for n, entity in entities})


def _not_delivered(run: Run, entity: Entity, days: Sequence[date | None]) -> InputError:
    """Return the error of days, or of a history, of a required entity without a drop."""
    paths = [f"{run.settings.shop.landing}/{pattern_of(entity, day)}" for day in days]
    more = f"\n  and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    listed = "\n  ".join(paths[:SHOWN])
    msg = (
        "The drops of required entities should be delivered. Looked for and not found:\n  "
        f"{listed}{more}\nDeliver them, or empty files where the shop had nothing, and run again."
    )
    return InputError(msg)


def _load_days(run: Run, name: str, entity: Entity) -> None:
    """Load the days asked for, those that failed before, and late files; a day fails alone.

    A day of which files have left the landing folder keeps what was loaded.
    """
    table = f"bronze.{name}"
    asked = days_between(run.first, run.last)
    days = {*asked, *run.ledger.failed_days(table, None, None)}
    delivered = {day: _drops(run, entity, day) for day in days}
    prints = {day: _print(run, drops) for day, drops in delivered.items()}
    kept, told = _kept_days(run, table, delivered, prints)
    days -= kept
    is_new_shop = not any(delivered.values()) and not run.ledger.rows(table, date.min, run.last)
    is_unknown = is_new_shop and entity.required is None  # a wrong path rather than a quiet day
    missing = [d for d in sorted(days) if not delivered[d] and (is_unknown or entity.must_come(d))]
    for first, last in contiguous_ranges(missing):
        run.fail((table,), first, last, _not_delivered(run, entity, days_between(first, last)))
    late, of_late = late_drops(run, table, entity, {*days, *kept})
    told += [*of_late, *_unread_days(run, table, entity, {*days, *kept})]
    delivered |= late
    prints |= {day: _print(run, drops) for day, drops in late.items()}
    new = [d for d in days.difference(missing) if _is_new(run, table, d, prints)]
    for first, last in contiguous_ranges([*new, *late]):
        with failing_alone() as errors:
            started = time.monotonic()
            drops = [drop for day in days_between(first, last) for drop in delivered[day]]
            rows = read_drops(run.lake.spark, drops, entity, Limits.of(run.settings.quality))
            rows, counts = without_erased(run, rows, entity)
            content: Mapping[date, Content] | None = None if drops else {}
            came = [day for day in sorted(late) if first <= day <= last]
            warnings = (*(f"{LATE} {day}" for day in came), *(told if last == run.last else ()))
            made = MadeDays(table, rows, first, last, started, counts, content, prints, warnings)
            run.publish(made)
            run.late.update(came)
        for error in errors:
            run.fail((table,), first, last, error)
    if told and run.last not in {*new, *late}:  # no line of the night's own day bears them
        LOG.warning("%s: %s", table, "; ".join(told))


def late_drops(
    run: Run, table: str, entity: Entity, known: Collection[date]
) -> tuple[dict[date, list[DeliveredFile]], list[str]]:
    """Return the files of the days before a night that are new or changed since those nights.

    None of a day before the first one loaded, which a shop may never have wanted. Nor where a file
    that was loaded has gone from the landing folder: the day would lose its rows. Warnings say so.
    """
    found: dict[date, list[DeliveredFile]] = {}
    told = []
    begun = run.ledger.days(table)
    nights = run.settings.shop.late_days if run.redo_stale and begun else 0
    for day in (run.first - timedelta(days=n + 1) for n in range(nights)):
        drops = _drops(run, entity, day) if begun[0] <= day and day not in known else []
        published = run.ledger.publication(table, day)
        if not drops or (published and _is_of(run, published.input_digest, drops)):
            continue
        if gone := _gone_files(run, table, {day: drops}).get(day):
            told.append(
                f"late files of {day} are not loaded, since {', '.join(gone[:SHOWN])} is gone from "
                f"the landing folder; {PUT_BACK}"
            )
            continue
        found[day] = drops
    return found, told


def _kept_days(
    run: Run,
    table: str,
    delivered: Mapping[date, Sequence[DeliveredFile]],
    prints: dict[date, str],
) -> tuple[set[date], list[str]]:
    """Return loaded days that would lose rows if they were made again, and a warning of them.

    Files of them have left the landing folder, or retention has removed their rows.
    """
    new = {d: drops for d, drops in delivered.items() if _is_new(run, table, d, prints)}
    gone = _gone_files(run, table, new)
    published = {day: run.ledger.publication(table, day) for day in new}
    removed = [d for d, was in published.items() if was and was.is_removed and not new[d]]
    kept = {*gone, *removed}
    run.ledger.record(
        was
        for day in run.ledger.failed_days(table, None, None)
        if day in kept and (was := published[day]) is not None
    )
    return kept, [
        f"{in_words(first, last)} keeps the rows that were loaded, since "
        f"{', '.join(gone.get(first, ['all'])[:SHOWN])} is gone from the landing folder; {PUT_BACK}"
        for first, last in contiguous_ranges(sorted(kept))
    ]


def _gone_files(
    run: Run, table: str, delivered: Mapping[date, Sequence[DeliveredFile]]
) -> dict[date, list[str]]:
    """Return the files of loaded days that are no more in the landing folder, by day.

    A file that could not be read has no row to lose.
    """
    loaded = [day for day in delivered if run.ledger.rows(table, day, day)]
    gone: dict[date, set[str]] = {day: set() for day in loaded}
    for day, name in _held_files(run, table, loaded):
        gone[day].add(name)
    for day, names in gone.items():
        names.difference_update(drop.name for drop in delivered[day])
    return {day: sorted(names) for day, names in gone.items() if names}


def _held_files(run: Run, table: str, days: Collection[date]) -> list[tuple[date, str]]:
    """Return the days with the names of the files of which bronze has rows."""
    if not days:
        return []
    rows = run.lake.read(table, min(days), max(days)).where(F.col("raw").isNotNull())
    of_days = rows.where(F.col(BUSINESS_DATE).isin(*days))
    found = of_days.select(BUSINESS_DATE, "source_file").distinct().collect()
    return [(row[BUSINESS_DATE], row["source_file"]) for row in found]


def _unread_days(run: Run, table: str, entity: Entity, known: Collection[date]) -> list[str]:
    """Warn of days of which files came later than a night looks for them."""
    begun = run.ledger.days(table)
    ages = range(run.settings.shop.late_days + 1, FORGOTTEN + 1) if run.redo_stale else ()
    days = {run.first - timedelta(days=n) for n in ages}.difference(known)
    days = {day for day in days if begun and begun[0] <= day}
    found = find_days(run.lake.spark, str(run.settings.shop.landing), entity, days)
    names = {
        day: {drop.name for drop in drops if drop.size}
        for day, drops in found.items()
        if (was := run.ledger.publication(table, day)) is None
        or not _is_of(run, was.input_digest, drops)
    }
    for day, name in _held_files(run, table, names):
        names[day].discard(name)
    unread = {day: sorted(of_day) for day, of_day in sorted(names.items()) if of_day}
    listed = ", ".join(map(str, [*unread][:SHOWN]))
    more = f" and {len(unread) - SHOWN} more days" if len(unread) > SHOWN else ""
    return [
        f"files of {listed}{more} came too late for a night to load them, such as {first[0]}; run "
        "jobs/nightly.py --date with each of these days"
        for first in list(unread.values())[:1]
    ]


def _drops(run: Run, entity: Entity, day: date | None) -> list[DeliveredFile]:
    return find_drops(run.lake.spark, str(run.settings.shop.landing), entity, day)


def _print(run: Run, drops: Sequence[DeliveredFile]) -> str:
    return f"{run.settings.digest('shop')} {_print_of_files(drops)}"


def _print_of_files(drops: Sequence[DeliveredFile]) -> str:
    return digest_of(*[drop.fingerprint for drop in drops])


def _is_of(run: Run, input_digest: str, drops: Sequence[DeliveredFile]) -> bool:
    """Return whether a day was published from these files, whatever the configuration was.

    Lakes of before have one digest of both.
    """
    both = digest_of(run.settings.digest("shop"), *[drop.fingerprint for drop in drops])
    return input_digest.endswith(_print_of_files(drops)) or input_digest == both


def _is_new(run: Run, table: str, day: date, prints: dict[date, str]) -> bool:
    published = run.ledger.publication(table, day)
    has_failed = bool(run.ledger.failed_days(table, day, day))
    return (
        has_failed
        or published is None
        or published.is_removed
        or published.input_digest != prints[day]
    )


def _load_history(run: Run, name: str, entity: Entity) -> None:
    """Load the first delivery of history.

    Raises:
        InputError: a required entity has none.
    """
    started = time.monotonic()
    drops = _drops(run, entity, None)
    if not drops and entity.required is not False:
        raise _not_delivered(run, entity, [None])
    if not drops:
        return  # an optional entity without history keeps what nights have filed
    rows = read_drops(run.lake.spark, drops, entity, Limits.of(run.settings.quality))
    rows = rows.transform(by_event_day, run, name, entity)
    prints = dict.fromkeys(days_between(run.first, run.last), _print(run, drops))
    if any(_is_new(run, f"bronze.{name}", day, prints) for day in prints):
        rows, counts = without_erased(run, rows, entity)
        days = f"bronze.{name}", rows, run.first, run.last
        run.publish(MadeDays(*days, started, counts, input_digests=prints))


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
    texts = with_text(with_first_element(rows, entity), entity)
    return texts.withColumn(BUSINESS_DATE, day).select(*rows.columns)
