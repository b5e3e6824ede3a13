"""`nightly --check`: the newest drops as a night would read them, and what it would make."""

from dataclasses import replace
from datetime import date

from lakeshop.engine.outcome import explain, failing_alone
from lakeshop.engine.run import Run
from lakeshop.preview.report import lines_of, night_of
from lakeshop.preview.samples import Sample, newest_drop, sample_of
from lakeshop.silver.clean import assert_entity_mapped
from lakeshop.sources.files import pattern_of
from lakeshop.storage.run_log import LOG

DONE, WRONG = 0, 2


def check(run: Run) -> int:
    """Show what a night would make of the newest drops, no later than the run's last day.

    Returns:
        2 where the newest drops lack columns that the mapping reads, or cannot be read; else 0.
    """
    title = f"{run.settings.shop.name}: the newest drops until {run.last}; nothing is written"
    LOG.info("%s", title)
    wrong, days = [], []
    for name in sorted(run.settings.shop.entities):
        with failing_alone() as errors:
            assert_entity_mapped(run, name)
            sample = _newest(run, name)
            if sample is not None:
                for line in lines_of(sample):
                    LOG.info("%s", line)
                days.append(sample.day)
                if _lacks_columns(sample):
                    wrong.append(name)
        for error in errors:
            LOG.error("%s: %s", name, explain(error))
            wrong.append(name)
    if days:
        _show_night(replace(run, first=max(days), last=max(days)))
    if wrong:
        text = "The newest drops should have the columns that the mapping reads. See %s above."
        LOG.error(text, ", ".join(wrong))
    return WRONG if wrong else DONE


def _newest(run: Run, name: str) -> Sample | None:
    """Return the first rows of an entity's newest drop; None where there is none to look at."""
    entity = run.settings.shop.entities[name]
    if entity.jdbc is not None:
        LOG.info("%s: a table of a database, %s; not looked at", name, entity.jdbc.table)
        return None
    found = newest_drop(run, entity)
    if found is None:
        place = f"{run.settings.shop.landing}/{pattern_of(entity, run.last)}"
        how = "a night would wait for it" if entity.required else "it may be absent"
        LOG.warning("%s: no drop until %s, such as %s; %s", name, run.last, place, how)
        return None
    return sample_of(run, name, *found)


def _lacks_columns(sample: Sample) -> bool:
    """Return whether a drop with rows lacks what the mapping reads of it.

    JSON may leave out what is empty: there the required columns count.
    """
    return bool(sample.missing) and bool(sample.delivered)


def _show_night(run: Run) -> None:
    """Say which tables and days a night would make."""
    entities = run.settings.shop.entities
    days = {f"bronze.{name}": _days_to_load(run, f"bronze.{name}") for name in entities}
    tables = [f"silver.{name}" for name in entities]
    for table in (*tables, *run.applications.wanted(run.lake.contracts)):
        days[table] = run.open_days(table)
    LOG.info("A night of %s would make, in %s:", run.last, run.lake.root)
    to_make = {table: of_table for table, of_table in days.items() if of_table}
    for line in night_of(to_make, [table for table in days if table not in to_make]):
        LOG.info("%s", line)


def _days_to_load(run: Run, table: str) -> list[date]:
    failed = run.ledger.failed_days(table, None, None)
    is_new = run.ledger.publication(table, run.last) is None
    return sorted({*failed, *([run.last] if is_new else [])})
