"""`night`: further nights of Complete Journey, as a person runs them, by cost and by table.

A lake is prepared once: the shop's history until a Sunday. Each round copies it and runs the
Monday after, which trains (`training_night`), the Tuesday (`night`), and the Tuesday again
(`published`). The first round counts by Spark's event log, which costs CPU itself; the rounds
after it give the units. A unit is a CPU second of all processes divided by the process seconds of
ten million additions in a script of Python, before and after the night.
"""

import json
import os
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.event_log import NO_TABLE, SETTINGS, TOTAL, counted, first_table_at
from benchmarks.harness import BENCH, HOME, LAST_LINES, MethodFailed
from benchmarks.process_cost import Cost, cost_of
from benchmarks.report import write_figures

SHOP = "complete_journey"
FIRST, SUNDAY = date(2017, 1, 1), date(2017, 12, 3)
TRAINING, NIGHT, PUBLISHED = "training_night", "night", "published"
NIGHTS = {
    TRAINING: SUNDAY + timedelta(days=1),
    NIGHT: SUNDAY + timedelta(days=2),
    PUBLISHED: SUNDAY + timedelta(days=2),
}
ROUNDS = 3  # the first of them counts
SHOWN = ("units", "jvm_units", "python_units", "cpu_seconds", "seconds", "spark_jobs",
         "sql_executions", "stages", "tasks", "commits", "bytes_read", "bytes_written",
         "peak_mib")  # fmt: skip

Figures = dict[tuple[str, str, str], float]  # by method, size and metric


@dataclass(frozen=True)
class Lake:
    """A lake of a shop and its landing folder, below one folder; `conf` is its configuration."""

    folder: Path
    shop: str
    conf: Path = HOME / "conf"

    def night(self, first: date, last: date, log: Path, events: Path | None = None) -> Cost:
        """Deliver days and run their nights; the first on a machine archives classes for others.

        Raises:
            MethodFailed: a night did not end well.
        """
        self._run(["python", "jobs/deliver.py"], first, last, log.with_suffix(".deliver"))
        submit = [".ci/submit.sh"]
        if events is not None:
            events.mkdir(parents=True)
            settings = {**SETTINGS, "spark.eventLog.dir": events.as_uri()}
            submit += [part for pair in settings.items() for part in ("--conf", "=".join(pair))]
        lake = ["--lake", str(self.folder / "lake"), "--conf", str(self.conf)]
        command = [*submit, "jobs/nightly.py", *lake, "--log-format", "json"]
        return self._run(command, first, last, log)

    def _run(self, command: list[str], first: date, last: date, log: Path) -> Cost:
        days = ["--shop", self.shop, "--from", f"{first}", "--to", f"{last}"]
        landing = ["--landing", str(self.folder / "landing")]
        found = cost_of([*command, *days, *landing], cwd=HOME, env=dict(os.environ), log=log)
        if found.code:
            said = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
            message = f"{command[-1]} should end with 0. Received {found.code}; see {log}:\n{said}"
            raise MethodFailed(message)
        return found

    def commits(self) -> set[Path]:
        """Return the commits of all tables: `<layer>/<table>/_delta_log/<number>.json`."""
        found = (self.folder / "lake").glob("*/*/_delta_log/*.json")
        return {path.relative_to(self.folder / "lake") for path in found if path.stem.isdigit()}


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run the benchmark; what failed, in words.

    Args:
        name: night.
        scale: share of the history.
        chosen: part of a method's name.
        load: of the machine, before.
    """
    from benchmarks.__main__ import say

    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    folder = BENCH / "runs" / label
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        found = measured(prepared_lake(scale, say), NIGHTS, folder, say)
    except MethodFailed as error:
        return [str(error)]
    figures = {key: value for key, value in found.items() if chosen in key[0]}
    say("\n".join(["", label, *_lines(figures), ""]))
    part = "_part" if chosen else ""
    write_figures(BENCH / f"{label}{part}.json", label, figures, load=load)
    return []


def prepared_lake(scale: float, say: Callable[[str], None]) -> Lake:
    """The lake of the history, made where there is none."""
    first = SUNDAY - timedelta(days=round((SUNDAY - FIRST).days * scale))
    lake = Lake(BENCH / "data" / f"night_{first}", SHOP)
    done = lake.folder / "done"
    if not done.exists():
        say("  preparing the lake: a history, some twenty minutes")
        shutil.rmtree(lake.folder, ignore_errors=True)
        lake.folder.mkdir(parents=True)
        lake.night(first, SUNDAY, lake.folder / "log.txt")
        done.touch()
    return lake


def measured(
    prepared: Lake, nights: Mapping[str, date], folder: Path, say: Callable[[str], None]
) -> Figures:
    """Figures of nights, by method: counts of the first round, least and median of the others."""
    rounds = []
    for number in range(ROUNDS):
        say(f"  round {number + 1} of {ROUNDS}")
        where, is_first = folder / f"{number}", number == 0
        rounds.append(_round(prepared, nights, where, is_counted=is_first))
    return merged(rounds)


def _round(
    prepared: Lake, nights: Mapping[str, date], folder: Path, *, is_counted: bool
) -> Figures:
    """Figures of nights, by method, run one after the other on a copy of the lake."""
    lake = Lake(folder / "shop", prepared.shop)
    shutil.copytree(prepared.folder, lake.folder)
    measure = counted_night if is_counted else timed_night
    found: Figures = {}
    for method, day in nights.items():
        found |= measure(lake, method, day, folder)
    shutil.rmtree(lake.folder)
    return found


def counted_night(lake: Lake, method: str, day: date, folder: Path) -> Figures:
    """Counts of a night by Spark's event log, in all and by table, and its commits."""
    log, events, before = folder / f"{method}.log", folder / f"{method}_events", lake.commits()
    cost = lake.night(day, day, log, events)
    found = _counts(method, lake.commits() - before, events, log)
    at = first_table_at(events)
    if at is not None:
        found[method, TOTAL, "units_until_first_table"] = cost.units_at(at)
    return found


def timed_night(lake: Lake, method: str, day: date, folder: Path) -> Figures:
    """Units, seconds and memory of a night."""
    cost = lake.night(day, day, folder / f"{method}.log")
    return {
        (method, TOTAL, "units"): cost.units,
        (method, TOTAL, "jvm_units"): cost.jvm_units,
        (method, TOTAL, "python_units"): cost.units - cost.jvm_units,
        (method, TOTAL, "cpu_seconds"): cost.cpu,
        (method, TOTAL, "unit_seconds"): cost.unit,
        (method, TOTAL, "seconds"): cost.seconds,
        (method, TOTAL, "peak_mib"): cost.peak_mib,
    }


def _counts(method: str, commits: set[Path], events: Path, log: Path) -> Figures:
    """Counts in all and by table: of Spark's event log, of commits, and of the night's own log."""
    found: Figures = {}
    for table, counts in counted(events).items():
        for metric, value in counts.figures().items():
            found[method, table, metric] = value
    found[method, TOTAL, "commits"] = len(commits)
    for path in commits:
        key = method, f"{path.parts[0]}.{path.parts[1]}", "commits"
        found[key] = found.get(key, 0) + 1
    for line in log.read_text().splitlines():
        if line.startswith("{") and (told := json.loads(line)).get("event") == "table":
            found[method, told["table"], "seconds"] = told["seconds"]
    return found


def merged(rounds: list[Figures]) -> Figures:
    """The least of all rounds, and for what was measured more than once the median."""
    found: Figures = {}
    for key in dict.fromkeys(key for one in rounds for key in one):
        values = [one[key] for one in rounds if key in one]
        found[key] = min(values)
        if len(values) > 1:
            found[(*key[:2], f"{key[2]}_median")] = statistics.median(values)
    return found


def _lines(figures: Mapping[tuple[str, str, str], float]) -> Iterator[str]:
    """A column per method, then the tables with the most CPU of the JVM's tasks."""
    methods = list(dict.fromkeys(method for method, _, _ in figures))
    yield f"{'':<26}" + "".join(f"{method:>16}" for method in methods)
    for metric in (*SHOWN, "units_until_first_table"):
        cells = [figures.get((method, TOTAL, metric)) for method in methods]
        text = "".join(f"{'-' if cell is None else f'{cell:,.0f}':>16}" for cell in cells)
        yield f"{metric:<26}{text}"
    for method in methods:
        tables = {size for of, size, _ in figures if of == method and size not in (TOTAL, NO_TABLE)}

        def of(table: str, metric: str, method: str = method) -> float:
            return figures.get((method, table, metric), 0.0)

        yield f"\n{method:<30}{'seconds':>9}{'task CPU s':>12}{'jobs':>6}{'commits':>9}"
        for table in sorted(tables, key=lambda name: (-of(name, "executor_seconds"), name)):
            yield (
                f"{table:<30}{of(table, 'seconds'):>9.1f}{of(table, 'executor_seconds'):>12.2f}"
                f"{of(table, 'spark_jobs'):>6.0f}{of(table, 'commits'):>9.0f}"
            )
