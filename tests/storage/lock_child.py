"""A process that holds lakes as it is told, one line of JSON a command and an answer.

["take", lake, job, first, last, seconds, wait], ["commit"], ["commit", "stay"] until ["leave"],
["release"]; ["count", lake, file, times, day] takes it again and again and counts up a file.
"""

import json
import logging
import sys
import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from lakeshop.config.settings import LockSettings
from lakeshop.errors import BusyError
from lakeshop.storage import lock as lease
from lakeshop.storage.lock import acquire_lock
from lakeshop.storage.run_log import LOG

told: list[str] = []


class Told(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        told.append(record.getMessage())


lease.RENEWED_EVERY = 0.03  # and twice as often a waiting one looks
LOG.setLevel(logging.INFO)
LOG.addHandler(Told())
lake, commit = ExitStack(), ExitStack()
for text in sys.stdin:
    what, *arguments = json.loads(text)
    told.clear()
    answer = "done"
    try:
        if what == "take":
            place, job, first, last, seconds, wait = arguments
            days = (date.fromisoformat(first), date.fromisoformat(last))
            terms = LockSettings(seconds=seconds, wait_seconds=wait)
            guard = lake.enter_context(acquire_lock(place, job, *days, terms))
        elif what == "commit":
            commit.enter_context(guard())
            if arguments != ["stay"]:
                commit.close()
        elif what == "count":
            place, file, times, day = arguments
            terms = LockSettings(seconds=30, wait_seconds=60)
            for _ in range(times):
                with acquire_lock(place, "count", *[date.fromisoformat(day)] * 2, terms):
                    number = int(Path(file).read_text())
                    time.sleep(0.003)
                    Path(file).write_text(str(number + 1))
        elif what == "leave":
            commit.close()
        else:
            lake.close()
    except BusyError as error:
        answer = str(error)
    sys.stdout.write(json.dumps([answer, *told]) + "\n")
    sys.stdout.flush()
