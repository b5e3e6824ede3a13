"""The upkeep of a lake: persons erased, or old rows removed; then files compacted and cleared."""

import time
from datetime import date, timedelta
from functools import partial

from lakeshop.checkpoints import ROUNDS
from lakeshop.errors import ConfigError
from lakeshop.journal import LOG, Counts, Entry
from lakeshop.maintenance import tables
from lakeshop.maintenance.compaction import compact_closed_days
from lakeshop.maintenance.erase import erase
from lakeshop.maintenance.leftovers import clear_leftovers, empty_finished_rounds
from lakeshop.maintenance.persons import all_tables
from lakeshop.maintenance.retention import remove_old
from lakeshop.parallel import in_parallel
from lakeshop.run import Run

AHEAD = timedelta(days=31)


def maintain(run: Run) -> None:
    """Keep the lake as of the run's last day.

    Raises:
        ConfigError: the day is far after the newest night, so that it would remove what counts;
            or the list of erased persons cannot be used.
    """
    _assert_not_ahead(run)
    before = {table: len(tables.files_of(run.lake, table)) for table in all_tables(run.lake)}
    deleted = erase(run, run.erase) if run.erase else remove_old(run)
    if run.lake.exists(ROUNDS):
        empty_finished_rounds(run)
    work = {t: partial(_keep, run, t, deleted.get(t, 0), before[t]) for t in before}
    in_parallel(work, {}, run.settings.tables_at_once)
    if number := clear_leftovers(run):
        LOG.info("maintain: %d unfinished files of killed jobs removed", number)
    if run.erase and run.settings.maintenance.keep_days:
        LOG.info(
            "erase: old files keep the bytes of what was deleted for %d days yet; the first "
            "jobs/maintain.py after that removes them",
            run.settings.maintenance.keep_days,
        )


def _assert_not_ahead(run: Run) -> None:
    newest = max((day for t in run.lake.contracts for day in run.ledger.days(t)), default=date.max)
    if newest < date.max - AHEAD and run.last > newest + AHEAD:
        msg = (
            "--date should be that of a night: rows older than contracts keep them go, as of "
            f"then. Received {run.last}; the newest night is {newest}."
        )
        raise ConfigError(msg)


def _keep(run: Run, table: str, deleted: int, files_before: int) -> None:
    """Compact and clear one table, and say in one line what was done to it."""
    started = time.monotonic()
    terms = run.settings.maintenance
    tables.set_durations(run.lake, table, keep_days=terms.keep_days, log_days=terms.log_days)
    if not run.erase:
        compact_closed_days(run, table)
    there = tables.size(run.lake, table)
    tables.vacuum(run.lake, table)
    freed = there - tables.size(run.lake, table)
    what = "of erased persons" if run.erase else "past their retention"
    files = len(tables.files_of(run.lake, table))
    text = (
        f"maintenance: {deleted} rows {what} deleted, {files_before} files became {files}, "
        f"{freed} bytes freed"
    )
    entry = Entry(
        table=table,
        first=run.last,
        last=run.last,
        run_id=run.run_id(table, run.last),
        version=tables.version(run.lake, table),
        inputs=(),
        accepted=0,
        counts=Counts(rows_in=0, warnings=(text,)),
    )
    run.note(entry, started)
