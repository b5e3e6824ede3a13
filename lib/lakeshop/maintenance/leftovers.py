"""What killed jobs of ours leave beside tables, and what finished trainings need no more."""

import os
import re
from datetime import timedelta
from pathlib import Path

from pyspark.sql import functions as F

from lakeshop.checkpoints import ROUNDS
from lakeshop.maintenance import tables
from lakeshop.run import Run

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
