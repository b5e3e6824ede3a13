"""How time grows with the data, drawn from what the benchmarks wrote."""

import json
from pathlib import Path

from benchmarks.harness import BENCH, HOME
from benchmarks.similarity import (
    BENCHMARKS,
    IMPLICIT,
    KERNEL,
    MLLIB,
    SELF_JOIN,
    THREADS,
    TOPN,
    WHOLE,
)

TARGET = HOME / "docs" / "similarity.svg"
IN_MEMORY = [f"{name}, {THREADS[2]}" for name in (KERNEL, IMPLICIT, TOPN)]
METHODS = (*IN_MEMORY, WHOLE, SELF_JOIN, MLLIB)
MARKS = {IN_MEMORY[0]: "o-", WHOLE: "s-"}

Points = dict[str, list[tuple[int, float]]]


def points_of(folder: Path) -> Points:
    """Pairs and seconds of each method, by the benchmarks that left a file in the folder."""
    points: Points = {}
    for name in BENCHMARKS:
        path = folder / f"{name}.json"
        if path.exists():
            content = json.loads(path.read_text())
            for row in content["rows"]:
                point = (content["data"]["pairs"], row["seconds_min"])
                points.setdefault(row["method"], []).append(point)
    return {method: sorted(points[method]) for method in METHODS if method in points}


def draw(folder: Path = BENCH, target: Path = TARGET) -> None:
    """Seconds against the sum of squared lengths of histories, both logarithmic, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "similarity"  # the same file from the same numbers
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for method, points in points_of(folder).items():
        pairs, seconds = zip(*points, strict=True)
        axes.plot(pairs, seconds, MARKS.get(method, "x:"), label=method)
    axes.set(xscale="log", yscale="log", ylabel="seconds, fastest run, two cores")
    axes.set_xlabel("sum of squared lengths of histories")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(target, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    draw()
