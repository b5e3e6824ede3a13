"""What was measured: rows, compared with ours, judged by goals, as a table and as JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.child import CORES
from benchmarks.harness import Measured, Method


@dataclass(frozen=True)
class Goal:
    """What a method is to reach: so many times as fast `than` another one, or within limits."""

    method: str
    times_as_fast: float | None = None
    than: str | None = None
    seconds: float | None = None
    mib: float | None = None


@dataclass(frozen=True)
class Row:
    """What was measured of one method."""

    name: str
    method: str
    size: int
    runs: int
    seconds_min: float
    seconds_median: float
    peak_mib: float
    ratio_to_ours: float | None = None


def row_of(name: str, method: Method, size: int, found: Measured) -> Row:
    """The row of a method, not yet compared."""
    seconds = found.seconds
    return Row(
        name=name,
        method=method.name,
        size=size,
        runs=len(seconds),
        seconds_min=min(seconds),
        seconds_median=statistics.median(seconds),
        peak_mib=found.peak_mib,
    )


def compared(rows: Sequence[Row], beside: Mapping[str, str]) -> list[Row]:
    """Rows with the fastest run of each method by that of ours beside it.

    Args:
        rows: of one benchmark.
        beside: which method of ours each one is compared with; itself where it is not named.
    """
    seconds = {row.method: row.seconds_min for row in rows}
    ours = {method: seconds.get(beside.get(method, method)) for method in seconds}
    return [
        replace(row, ratio_to_ours=row.seconds_min / other) if (other := ours[row.method]) else row
        for row in rows
    ]


def judged(goals: Sequence[Goal], rows: Sequence[Row]) -> list[str]:
    """A sentence per goal, of those whose methods were measured."""
    by_method = {row.method: row for row in rows}
    lines = []
    for goal in goals:
        row, other = by_method.get(goal.method), by_method.get(goal.than or "")
        if row is None:
            continue
        if other is not None and goal.times_as_fast is not None:
            times = other.seconds_min / row.seconds_min
            text = f"{times:.2f} times as fast as {other.method}, to be {goal.times_as_fast:g}"
            lines.append(_verdict(row, text, times >= goal.times_as_fast))
        if goal.seconds is not None:
            text = f"{row.seconds_min:.1f} s, to be less than {goal.seconds:g}"
            lines.append(_verdict(row, text, row.seconds_min < goal.seconds))
        if goal.mib is not None:
            text = f"{row.peak_mib:,.0f} MiB, to be less than {goal.mib:,.0f}"
            lines.append(_verdict(row, text, row.peak_mib < goal.mib))
    return lines


def as_text(rows: Sequence[Row]) -> str:
    """Aligned columns, a line per method."""
    lines = [f"{'method':<34}{'runs':>5}{'s min':>10}{'s median':>10}{'peak MiB':>10}{'x ours':>9}"]
    for row in rows:
        ratio = "-" if row.ratio_to_ours is None else f"{row.ratio_to_ours:.2f}"
        lines.append(
            f"{row.method:<34}{row.runs:>5}{row.seconds_min:>10.3f}{row.seconds_median:>10.3f}"
            f"{row.peak_mib:>10,.0f}{ratio:>9}"
        )
    return "\n".join(lines)


def write_figures(
    path: Path, name: str, figures: Mapping[tuple[str, str, str], float], **more: object
) -> None:
    """Write one figure a row: `name, method, size, metric, value`, with the conditions."""
    rows = [
        {"name": name, "method": method, "size": size, "metric": metric, "value": value}
        for (method, size, metric), value in figures.items()
    ]
    _write(path, rows, **more)


def write(path: Path, rows: Sequence[Row], *, load: float, **more: object) -> None:
    """Rows, and what else is to be kept, with the conditions of the run: the load before it."""
    _write(path, [asdict(row) for row in rows], load=load, **more)


def _write(
    path: Path, rows: Sequence[Mapping[str, object]], *, load: float, **more: object
) -> None:
    conditions = {
        "cores": CORES,
        "cores_of_machine": os.cpu_count(),
        "load_before": round(load, 2),
        "python": platform.python_version(),
        "on": time.strftime("%Y-%m-%d"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"rows": rows, "conditions": conditions, **more}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _verdict(row: Row, text: str, is_met: bool) -> str:
    return f"{'met   ' if is_met else 'MISSED'} {row.method}: {text}"
