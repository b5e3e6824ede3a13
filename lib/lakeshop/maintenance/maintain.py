"""Maintenance of a lake: erasure or retention, then compaction and clearing of files.

Leftovers of killed jobs beside tables, and rounds of finished trainings, are removed too.
"""

import os
import re
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from pyspark.sql import functions as F

from lakeshop.engine.outcome import Failure
from lakeshop.engine.run import Run
from lakeshop.engine.scheduler import in_parallel
from lakeshop.errors import ConfigError
from lakeshop.maintenance.compaction import compact_closed_days
from lakeshop.maintenance.erasure import erase
from lakeshop.maintenance.personal_data import all_tables
from lakeshop.maintenance.retention import remove_old
from lakeshop.storage import files as tables
from lakeshop.storage.run_log import LOG, Counts, Entry
from lakeshop.training.checkpoints import ROUNDS
from lakeshop.training.takeover import drop_taken_over

_UNFINISHED = re.compile(r"\..+\.(\d+)\.part")  # as drops are written


def clear_leftovers(run: Run) -> int:
    """Remove unfinished files of processes that are no more; return how many there were."""
    places = [run.lake.root, run.settings.shop.landing]
    drafts = [
        path
        for place in places
        if "://" not in place
        for path in Path(place).rglob(".*.part")
        if (named := _UNFINISHED.fullmatch(path.name)) and not _is_alive(int(named[1]))
    ]
    list_of_erased = run.settings.maintenance.erased
    # Written under a lock, which only a process that is no more leaves this behind without.
    drafts += list_of_erased.parent.glob(f".{list_of_erased.name}.part")
    for path in drafts:
        path.unlink(missing_ok=True)
    return len(drafts)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def empty_finished_rounds(run: Run) -> None:
    """Empty the weights of all rounds but the last of trainings that ended before the day.

    Their figures stay, and so do the best weights, with which a finished training is answered.
    """
    rounds = run.lake.read(ROUNDS, None, run.last - timedelta(days=1))
    full = rounds.where(~F.col("is_finished") & (F.length("weights") > 0))
    ended = rounds.where("is_finished").select("training_id")
    done = full.select("training_id").distinct().join(ended, on="training_id").distinct()
    if not done.isEmpty():
        tables.empty_rounds(run.lake, ROUNDS, done)


AHEAD = timedelta(days=31)


def maintain(run: Run) -> None:
    """Keep the lake as of the run's last day.

    Raises:
        ConfigError: the day is far after the newest published day, so that live rows would be
            removed; or the list of erased persons cannot be used.
    """
    _assert_not_ahead(run)
    before = {table: len(tables.files_of(run.lake, table)) for table in all_tables(run.lake)}
    deleted = erase(run, run.erase) if run.erase else remove_old(run)
    if run.lake.exists(ROUNDS):
        empty_finished_rounds(run)
    drop_taken_over(run)
    _name_unknown_tables(run)
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


def _name_unknown_tables(run: Run) -> None:
    """Warn of tables that no contract knows; an erasure cannot be whole beside one."""
    for table in tables.unknown_tables(run.lake):
        text = (
            "no contract knows the table, so that no upkeep reaches it and no person is erased "
            "from it. Add its contract, or the application that it is of, or remove its folder."
        )
        if run.erase:
            run.failures.append(Failure(table, run.first, run.last, text))
        else:
            LOG.warning("%s: %s", table, text)


def _assert_not_ahead(run: Run) -> None:
    newest = max((day for t in run.lake.contracts for day in run.ledger.days(t)), default=date.max)
    if newest < date.max - AHEAD and run.last > newest + AHEAD:
        msg = (
            "--date should be that of a night: rows older than contracts keep them go, as of "
            f"then. Received {run.last}; the newest night is {newest}."
        )
        raise ConfigError(msg)


def _keep(run: Run, table: str, deleted: int, files_before: int) -> None:
    """Compact and clear one table, and log it in one line."""
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
        counts=Counts(rows_in=0, notes=(text,)),
    )
    run.note(entry, started)
