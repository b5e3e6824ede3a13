"""The training benchmark: our rounds beside plain `fit` of Keras, by shards and local steps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.child import CORES, Answer
from benchmarks.harness import BENCH, Measured, Method, MethodFailed, measure
from benchmarks.report import write
from benchmarks.training_data import ROWS, folder_of

EPOCHS = 4
SHARDS = (1, 2, 4)
STEPS = (1, 10, 100, 500, 4000)
FEW, ROUNDS_OF_FEW = 10, 30  # of so few steps a round, so many rounds are enough to know
ONE, TWO = "plain fit, 1 thread", "plain fit, 2 threads"
FASTER, WORTH, FIXED, PRECISION = 1.7, 10.0, 1.5, 0.005

NOTE = """\
Seconds after imports, the start of Spark and a warm-up. Plain fit reads arrays in memory; ours a
Delta table, packed once before the rounds (packing and the end: `around`), with a commit per round.
Rows a second: of the rounds. To the loss: seconds of rounds until validation is as good as plain
fit, one thread, after half of its epochs. Fixed: median seconds of a round beyond its steps."""


@dataclass(frozen=True)
class TrainingRow:
    """What was measured of one way to train; seconds, rows and MiB."""

    method: str
    shards: int
    local_steps: int
    rounds: int
    rows_per_second: float
    times_one_thread: float
    seconds_to_loss: float | None
    average_precision: float
    validation_loss: float
    fixed_seconds: float
    steps_seconds: float
    seconds_around: float
    peak_mib: float


def methods(folder: str) -> dict[str, Method]:
    """All ways, plain ones first, by name."""
    work = "benchmarks.training_methods:plain_fit"
    found = [
        Method(name, work, {"folder": folder, "threads": threads, "epochs": EPOCHS})
        for name, threads in ((ONE, 1), (TWO, 2))
    ]
    for steps in STEPS:
        for shards in SHARDS:
            rounds = ROUNDS_OF_FEW if steps <= FEW else None
            arguments = {"folder": folder, "shards": shards, "steps": steps, "epochs": EPOCHS}
            name = f"{shards} shards, {steps} steps"
            work = "benchmarks.training_methods:by_rounds"
            found.append(Method(name, work, {**arguments, "rounds": rounds}))
    return {method.name: method for method in found}


def run(name: str, scale: float, chosen: str, load: float) -> list[str]:
    """Run all ways, or those with `chosen` in their name; what failed, in words."""
    from benchmarks.__main__ import say

    label = name if scale == 1 else f"{name}_scale_{scale:g}"
    say(f"{label}: making the data, where there is none")
    rows = max(int(ROWS * scale), 20_000)
    found: dict[str, Measured] = {}
    faults = []
    wanted = methods(str(folder_of(rows)))
    for way, method in wanted.items():
        if chosen not in way and way != ONE:
            continue
        try:
            found[way] = measure(method, BENCH / "runs" / label / method.folder)
        except MethodFailed as error:
            faults.append(str(error))
            continue
        say(f"  {way}: {sum(_answer(found[way])['seconds']):.1f} s")
    if ONE not in found:
        return faults
    table = [row_of(wanted[way], measured, found[ONE]) for way, measured in found.items()]
    goals = judged(table) if scale == 1 else []
    say("\n".join(["", f"{label}: {rows:,} rows", as_text(table), NOTE, *goals, ""]))
    part = "" if not chosen else "_part"
    path = BENCH / f"{label}{part}.json"
    write(path, table, data={"rows": rows}, goals=goals, faults=faults, load=load)
    return faults


def row_of(method: Method, measured: Measured, plain: Measured) -> TrainingRow:
    """Its figures, beside those of plain fit with one thread."""
    answer, beside = _answer(measured), _answer(plain)
    target = beside["losses"][len(beside["losses"]) // 2 - 1]
    shards = int(str(method.arguments.get("shards", 1)))
    # More shards than cores take turns.
    waves = math.ceil(shards / CORES)
    seconds, steps = answer["seconds"], answer["training_seconds"] * waves
    later = slice(1, None) if len(seconds) > 1 else slice(None)
    speed = _rows_per_second(answer)
    known = answer["losses"][~np.isnan(answer["losses"])]
    return TrainingRow(
        method=method.name,
        shards=shards,
        local_steps=int(str(method.arguments.get("steps", 0))),
        rounds=len(seconds),
        rows_per_second=speed,
        times_one_thread=speed / _rows_per_second(beside),
        seconds_to_loss=seconds_to(answer, float(target)),
        average_precision=float(answer["average_precision"]),
        validation_loss=float(known.min()),
        fixed_seconds=float(np.median((seconds - steps)[later])),
        steps_seconds=float(np.median(steps[later])),
        seconds_around=float(answer["seconds_around"]),
        peak_mib=measured.peak_mib,
    )


def seconds_to(answer: Answer, target: float) -> float | None:
    """Seconds until the validation loss was no larger; None where it never was."""
    reached = np.flatnonzero(np.asarray(answer["losses"], np.float64) <= target)
    return float(np.cumsum(answer["seconds"])[reached[0]]) if len(reached) else None


def judged(table: list[TrainingRow]) -> list[str]:
    """A sentence per goal."""
    by_name: Mapping[str, TrainingRow] = {row.method: row for row in table}
    plain, lines = by_name[ONE], []
    for row in table:
        if not row.local_steps:
            continue
        fixed = f"{row.fixed_seconds:.2f} s fixed per round, to be less than {FIXED:g}"
        lines.append(_verdict(row, fixed, row.fixed_seconds < FIXED))
        if row.shards > 1 and row.steps_seconds >= WORTH:
            times = f"{row.times_one_thread:.2f} times one thread, to be {FASTER:g}"
            lines.append(_verdict(row, times, row.times_one_thread >= FASTER))
        if row.local_steps > FEW:
            lost = plain.average_precision - row.average_precision
            text = f"average precision {-lost:+.4f}, to be no less than {-PRECISION:g}"
            lines.append(_verdict(row, text, lost <= PRECISION))
    return lines


def as_text(table: list[TrainingRow]) -> str:
    """Aligned columns, a line per way to train."""
    lines = [
        f"{'method':<24}{'rounds':>7}{'rows/s':>10}{'x one':>7}{'to loss':>9}{'AP':>8}"
        f"{'loss':>9}{'fixed':>7}{'steps':>8}{'around':>8}{'MiB':>8}"
    ]
    for row in table:
        reached = "-" if row.seconds_to_loss is None else f"{row.seconds_to_loss:.1f}"
        lines.append(
            f"{row.method:<24}{row.rounds:>7}{row.rows_per_second:>10,.0f}"
            f"{row.times_one_thread:>7.2f}{reached:>9}{row.average_precision:>8.4f}"
            f"{row.validation_loss:>9.5f}{row.fixed_seconds:>7.2f}{row.steps_seconds:>8.2f}"
            f"{row.seconds_around:>8.1f}{row.peak_mib:>8,.0f}"
        )
    return "\n".join(lines)


def _rows_per_second(answer: Answer) -> float:
    return float(answer["rows"].sum() / answer["seconds"].sum())  # type: ignore[operator]


def _answer(measured: Measured) -> Answer:
    assert measured.answer is not None
    return measured.answer


def _verdict(row: TrainingRow, text: str, is_met: bool) -> str:
    return f"{'met   ' if is_met else 'MISSED'} {row.method}: {text}"
