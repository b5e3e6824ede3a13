"""Compaction of closed days: every run leaves a small file per table."""

from collections.abc import Sequence
from datetime import date

from lakeshop.engine.run import Run
from lakeshop.storage.files import File, compact, files_of

DayRange = tuple[date, date]


def compact_closed_days(run: Run, table: str) -> None:
    """Put small files of days before the run's last one together, where they are many."""
    terms = run.settings.maintenance
    partitioned = bool(run.lake.contract(table).partition_by)
    day_ranges = worth_compacting(
        files_of(run.lake, table),
        run.last,
        least=terms.small_files,
        size=terms.file_mib * 2**20,
        by_day=partitioned,
    )
    for first, last in day_ranges:
        compact(run.lake, table, first, last)


def worth_compacting(
    files: Sequence[File], before: date, *, least: int, size: int, by_day: bool
) -> list[DayRange]:
    """Ranges of days, each with `least` small files or more that fit into one of `size`.

    A range holds whole files only: a partial overlap would rewrite the other file too.

    Args:
        files: of a table, in the order of their first days.
        before: the first day that is not closed.
        least: fewer small files are left alone.
        size: bytes of a good file; a small file has less than half.
        by_day: files of different days stay separate, as partitions do.
    """
    day_ranges: list[DayRange] = []
    group: list[File] = []
    for part in [*_overlapping(files), []]:
        is_small = all(file.size * 2 < size and file.last < before for file in part)
        may_join = part and is_small and not (by_day and group)
        if not may_join or sum(file.size for file in (*group, *part)) > size:
            if len(group) >= least:
                day_ranges.append((group[0].first, max(file.last for file in group)))
            group = []
        if is_small and sum(file.size for file in part) <= size:
            group = [*group, *part]
    return day_ranges


def _overlapping(files: Sequence[File]) -> list[list[File]]:
    """Files that share days, directly or by others between them, together; in their order."""
    parts: list[list[File]] = []
    reach = date.min
    for file in files:
        if parts and file.first <= reach:
            parts[-1].append(file)
        else:
            parts.append([file])
        reach = max(reach, file.last)
    return parts
