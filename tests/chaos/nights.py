"""Two nights of a tiny shop, the second of which is killed, doubled or shuffled."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import cast

from pyspark.sql import SparkSession

from chaos.lakes import Held, faults_of_killed, held_by
from chaos.process import HOME, NIGHT, Ended, Job, submitted
from shops import FIRST, ten_day_shop

NO_SPARK = cast(SparkSession, None)  # the jobs have sessions of their own
DAY = FIRST + timedelta(days=3)  # a night on which all entities are delivered


@dataclass(frozen=True)
class Nights:
    """A shop below `home`, its undisturbed nights, and lakes on which to disturb the second one.

    The jobs use a copy of the code: to edit it meanwhile must not change their run ids.
    """

    home: Path
    is_reduced: bool
    overlay: Mapping[str, object] = field(default_factory=dict)  # of the shop's configuration

    def __post_init__(self) -> None:
        ten_day_shop(NO_SPARK, self.home, **self.overlay)
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HOME / "lib", self.home / "lib", ignore=without)
        # Upkeep that clears at once what a killed night has left, not after a week.
        (self.home / "conf" / "clearing.yaml").write_text("maintenance: {keep_days: 0}\n")

    def start(self, lake: str, first: date = DAY, last: date | None = None, at: str = "") -> Job:
        """Begin a night; `at` is the point where it kills itself."""
        days = ("--from", str(first), "--to", str(last or first), "--lake", str(self.home / lake))
        reduced = {"LAKESHOP_REDUCED": "1"} if self.is_reduced else {}
        variables = {"PYTHONPATH": str(self.home / "lib"), "LAKESHOP_KILL_AT": at} | reduced
        return Job(submitted(NIGHT, self.home, *days), variables, self._log())

    def _log(self) -> Path:
        return self.home / f"{len(list(self.home.glob('*.log')))}.log"

    def maintained(self, lake: str) -> Ended:
        """Upkeep as of the second night, which is to end well."""
        arguments = ("--date", str(DAY), "--lake", str(self.home / lake), "--env", "clearing")
        command = submitted(HOME / "jobs" / "maintain.py", self.home, *arguments)
        ended = Job(command, {"PYTHONPATH": str(self.home / "lib")}, self._log()).wait()
        assert ended.code == 0, ended.said[-3000:]
        return ended

    def done(self, lake: str, first: date = DAY, last: date | None = None) -> Ended:
        """A night to its end, which is to be good."""
        ended = self.start(lake, first, last).wait()
        assert ended.code == 0, ended.said[-3000:]
        return ended

    @cached_property
    def before(self) -> Held:
        """What the lake holds after the first night."""
        self.done("before", FIRST)
        return held_by(self.home / "before")

    @cached_property
    def seconds(self) -> float:
        """How long the second night takes undisturbed."""
        self.copied("before", "right")
        return self.done("right").seconds

    @cached_property
    def right(self) -> Held:
        """What the lake holds after the second night, undisturbed."""
        assert self.seconds > 0
        return held_by(self.home / "right")

    def copied(self, lake: str, name: str) -> Path:
        """A copy of a lake to go on with."""
        assert self.before.tables, "the first night publishes something"
        return shutil.copytree(self.home / lake, self.home / name)

    def faults(self, lake: str) -> list[str]:
        """What a killed night should not have left."""
        return faults_of_killed(held_by(self.home / lake), self.before, self.right)
