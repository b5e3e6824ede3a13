"""Progress of a run: its finished tables, stage by stage.

A stage is a layer. Its line is written when its last table is done; stages overlap, since a table
waits for its own inputs only.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock

from lakeshop.events import STAGE, event
from lakeshop.storage.run_log import LOG

Redraw = Callable[[], None]


def stage_of(table: str) -> str:
    """Return the stage that makes a table."""
    return table.partition(".")[0]


@dataclass
class Progress:
    """The tables of a run: those that are expected, at work and done.

    Lines are logged without the lock: the console asks for the counter meanwhile.
    """

    redraw: Redraw = lambda: None
    _begun: float = field(default_factory=time.monotonic)
    # Of all that are expected: whether they ended well, None until they have ended.
    _done: dict[str, bool | None] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _at_work: list[str] = field(default_factory=list)
    _stages: dict[str, float] = field(default_factory=dict)  # those at work, by their begin
    _logged: set[str] = field(default_factory=set)
    _changing: RLock = field(default_factory=RLock)

    def expect(self, tables: Iterable[str]) -> None:
        """Count these among all tables, before they begin."""
        with self._changing:
            for table in tables:
                self._done.setdefault(table, None)

    def fail(self, table: str) -> None:
        """Leave a table out of those that are done, for the rest of the run."""
        with self._changing:
            self._failed.add(table)

    @contextmanager
    def doing(self, table: str) -> Iterator[None]:
        """Count a table as done once this has ended well."""
        with self._changing:
            self._done[table] = None
            self._at_work.append(table)
            self._stages.setdefault(stage_of(table), time.monotonic())
        self.redraw()
        is_done = False
        try:
            yield
            is_done = True
        finally:
            with self._changing:
                self._at_work.remove(table)
                self._done[table] = is_done and table not in self._failed
                has_ended = None not in [self._done[one] for one in self._of(stage_of(table))]
            if has_ended:
                self._log_stage(stage_of(table))
            self.redraw()

    def end(self, stage: str) -> None:
        """Count all tables of a stage as done: what has not begun is as it should be."""
        with self._changing:
            tables = self._of(stage)
            idle = [one for one in tables if self._done[one] is None]
            self._done.update({one: one not in self._failed for one in idle})
        if tables and stage not in self._logged:
            self._log_stage(stage)
        self.redraw()

    def line(self) -> str:
        """Return the counts of all tables and the tables at work; "" if none is."""
        with self._changing:
            if not self._at_work:
                return ""
            stage = stage_of(self._at_work[0])
            at_work = ", ".join(self._at_work)
            return f"{self._counted(stage, time.monotonic() - self._begun)}   {at_work}"

    def _of(self, stage: str) -> list[str]:
        return [table for table in self._done if stage_of(table) == stage]

    def _log_stage(self, stage: str) -> None:
        with self._changing:
            now = time.monotonic()
            seconds = now - self._stages.pop(stage, now)
            text = self._counted(stage, seconds)
            done, tables = sum(map(bool, self._done.values())), len(self._done)
            self._logged.add(stage)
        figures = event(STAGE, stage=stage, done=done, tables=tables, seconds=round(seconds, 3))
        LOG.info("%s", text, extra=figures)

    def _counted(self, stage: str, seconds: float) -> str:
        done = f"{sum(map(bool, self._done.values()))} of {len(self._done)} tables"
        return f"{stage:<14}{done:<20}{seconds:>7,.0f} s"
