"""`night_growth`: what a further night costs by the length of the history and the daily volume.

Simulated shops of 2,000 users: with 100 and 400 days before the night, and with 16 times the users.
Each shop's lake is prepared once; a night that does not train runs on copies of it. Volume is
compared by the users of one history, since a shop's drops grow with them.

docs/night_growth.svg shows how many times the units of the first shop each of the others takes.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.harness import BENCH, HOME, MethodFailed
from benchmarks.night import TOTAL, Figures, Lake, measured
from benchmarks.process_cost import cost_of
from benchmarks.report import write_figures

# Without dirt: a point of few labels should not differ by how many of them are bad.
SHOP, SEED, DIRT = "simulated", 1, 0.0
USERS, PRODUCTS = 2_000, 1_500
FIRST = date(2025, 1, 1)
TUESDAY = 1  # models are trained on Mondays
TARGET = HOME / "docs" / "night_growth.svg"


@dataclass(frozen=True)
class Growth:
    """One point: so many times the users, and days of history."""

    method: str
    users: int
    days: int


BASE = Growth("history_100_days", 1, 100)
LONG, LARGE = Growth("history_400_days", 1, 400), Growth("volume_16_times", 16, 100)
POINTS = (BASE, LONG, LARGE)


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run the benchmark; what failed, in words.

    Args:
        name: night_growth.
        scale: share of the users.
        chosen: part of a point's name.
        load: of the machine, before.
    """
    from benchmarks.__main__ import say

    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    folder = BENCH / "runs" / label
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    figures: Figures = {}
    try:
        for point in POINTS:
            if chosen not in point.method:
                continue
            say(f"{label}: {point.method}")
            lake, night = _prepared(point, scale)
            found = measured(lake, {point.method: night}, folder / point.method, say)
            figures |= {key: value for key, value in found.items() if key[1] == TOTAL}
    except MethodFailed as error:
        return [str(error)]
    say("\n".join(["", label, *ratios(figures), ""]))
    part = "_part" if chosen else ""
    path = BENCH / f"{label}{part}.json"
    write_figures(path, label, figures, load=load)
    if scale == 1 and not chosen:
        draw(path)
    return []


def ratios(figures: Figures) -> list[str]:
    """Units of each point, and how many times those of the first."""
    units = units_of(figures)
    base = units.get(BASE.method)
    return [
        f"  {method:<20}{value:>8,.0f} units" + (f"{value / base:>8.2f} times" if base else "")
        for method, value in units.items()
    ]


def units_of(figures: Mapping[tuple[str, str, str], float]) -> dict[str, float]:
    """Units of each point."""
    return {method: value for (method, _, metric), value in figures.items() if metric == "units"}


def draw(written: Path, target: Path = TARGET) -> None:
    """Times the units against times the data, as SVG, of the points that the benchmark wrote."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = json.loads(written.read_text())["rows"]
    units = units_of({(row["method"], row["size"], row["metric"]): row["value"] for row in rows})
    mpl.rcParams["svg.hashsalt"] = "night_growth"  # the same file from the same numbers
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    kinds = [
        ("days of history", LONG, LONG.days // BASE.days),
        ("daily volume", LARGE, LARGE.users),
    ]
    known = [kind for kind in kinds if kind[1].method in units]
    places = figure.subplots(1, len(known), squeeze=False)[0]
    for axes, (what, point, times) in zip(places, known, strict=True):
        cost = units[point.method] / units[BASE.method]
        axes.plot([1, times], [1, times], ":", color="gray", label="as the data grows")
        axes.plot([1, times], [1, cost], "o-", label=f"a night: {cost:.2f} times the units")
        axes.set(
            xlabel=f"times the {what}", ylabel="times the units", xlim=(0, None), ylim=(0, None)
        )
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(target, format="svg", metadata={"Date": None})


def night_after(days: int) -> date:
    """The first Tuesday that has at least so many days before it."""
    day = FIRST + timedelta(days=days)
    return day + timedelta(days=(TUESDAY - day.weekday()) % 7)


def _prepared(point: Growth, scale: float) -> tuple[Lake, date]:
    """The lake of the days before a night, made where there is none, and that night."""
    night, users = night_after(point.days), round(USERS * point.users * scale)
    lake = Lake(BENCH / "data" / f"growth_{users}_{night}", SHOP)
    done = lake.folder / "done"
    if not done.exists():
        shutil.rmtree(lake.folder, ignore_errors=True)
        lake.folder.mkdir(parents=True)
        simulate(lake, users, night)
        lake.night(FIRST, night - timedelta(days=1), lake.folder / "log.txt")
        done.touch()
    return lake, night


def simulate(lake: Lake, users: int, night: date) -> None:
    """Write all drops until a night.

    Raises:
        MethodFailed: the simulation did not end well.
    """
    command = ["spark-submit", "--properties-file", "conf/spark/local.conf", "jobs/simulate.py"]
    size = ["--users", f"{users}", "--products", f"{PRODUCTS}", "--seed", f"{SEED}"]
    days = ["--start", f"{FIRST}", "--end", f"{night}", "--dirt", f"{DIRT}"]
    landing = ["--landing", str(lake.folder / "landing")]
    log = lake.folder / "simulate.txt"
    if cost_of([*command, *size, *days, *landing], cwd=HOME, env=dict(os.environ), log=log).code:
        message = f"jobs/simulate.py should end with 0; see {log}"
        raise MethodFailed(message)
