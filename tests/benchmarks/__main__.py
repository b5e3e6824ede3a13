"""`python -m benchmarks [NAME ...]`: run benchmarks, a table and a JSON file of each."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import (
    forecast,
    fraud_features,
    night,
    night_growth,
    recommend,
    training,
    weekly_neighbours,
)
from benchmarks.agreement import disagreement
from benchmarks.child import Answer
from benchmarks.data import figures, make_matrix, table_of
from benchmarks.harness import BENCH, Measured, Method, MethodFailed, measure
from benchmarks.plot import draw
from benchmarks.report import as_text, compared, judged, row_of, write
from benchmarks.similarity import BENCHMARKS, BY_DEFAULT, IN_MEMORY, NOTE, methods_of, oracle_of

BUSY = 0.5  # load of the last minute
# Than those of similarity.
OTHERS = {
    "forecast": forecast.run,
    "fraud_features": fraud_features.run,
    "night": night.run,
    "night_growth": night_growth.run,
    "recommend": recommend.run,
    "training": training.run,
    "weekly_neighbours": weekly_neighbours.run,
}


def main(arguments: list[str]) -> int:
    """0 where all methods ran and agreed, else 1; a goal that is missed is told, no more."""
    chosen = _parsed(arguments)
    load = os.getloadavg()[0]
    if load > BUSY:
        say(f"The machine is at other work, a load of {load:.1f}: take no times from this run.")
    faults = []
    for name in chosen.names or BY_DEFAULT:
        faults += OTHERS.get(name, run)(name, chosen.scale, chosen.methods, load)
    if chosen.scale == 1 and not chosen.methods:
        draw(BENCH)
    for fault in faults:
        say(f"FAILED {fault}")
    return 1 if faults else 0


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run one benchmark, or a part of it that is for trying out; what failed, in words."""
    benchmark = BENCHMARKS[name]
    shape = benchmark.shape.scaled(scale)
    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    say(f"{label}: making the data, where there is none")
    table = table_of(shape)
    if set(benchmark.kinds) & set(IN_MEMORY):
        make_matrix(table)
    size = figures(table)
    methods = [m for m in methods_of(benchmark, table, shape.items) if chosen in m.name]
    measured, faults = measure_all(methods, BENCH / "runs" / label)
    oracle, unknown = measure_all([oracle_of(table, shape.items)], BENCH / "runs" / label)
    faults += unknown or differences(oracle["oracle"].answer, measured)
    rows = compared(
        [
            row_of(label, m, size["interactions"], measured[m.name])
            for m in methods
            if m.name in measured
        ],
        {method.name: method.beside for method in methods if method.beside},
    )
    goals = judged(benchmark.goals, rows) if scale == 1 else []
    counts = ", ".join(f"{count:,} {what}" for what, count in size.items())
    say("\n".join(["", f"{label}: {counts}", as_text(rows), NOTE, *goals, ""]))
    part = "" if not chosen else "_part"
    write(BENCH / f"{label}{part}.json", rows, data=size, goals=goals, faults=faults, load=load)
    return faults


def measure_all(methods: list[Method], folder: Path) -> tuple[dict[str, Measured], list[str]]:
    """What was measured of each method, and which failed."""
    measured, faults = {}, []
    for method in methods:
        try:
            found = measure(method, folder / method.folder)
        except MethodFailed as error:
            faults.append(str(error))
            continue
        measured[method.name] = found
        say(f"  {method.name}: {min(found.seconds):.3f} s, {found.peak_mib:,.0f} MiB")
    return measured, faults


def differences(right: Answer, measured: dict[str, Measured]) -> list[str]:
    """Which methods found other neighbours: the first than the oracle, others than the first."""
    faults, before, of_all = [], "the oracle", False
    for name, found in measured.items():
        fault = disagreement(right, found.answer, of_all=of_all)
        if fault is not None:
            faults.append(f"{name} should find what {before} finds. Received {fault}.")
        if not of_all:
            right, before, of_all = found.answer, name, True
    return faults


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*BENCHMARKS, *OTHERS]))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the interactions")
    parser.add_argument("--methods", default="", help="those alone that have this in their name")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.names) - {*BENCHMARKS, *OTHERS}
    if unknown:
        names = ", ".join([*BENCHMARKS, *OTHERS])
        parser.error(f"NAME should be one of {names}. Received {min(unknown)}.")
    return chosen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
