"""The similarity benchmarks: 50 neighbours of each item by plain cosine, exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Method
from benchmarks.report import Goal
from benchmarks.shapes import Shape

K = 50
THREADS = {1: "1 thread", 2: "2 threads"}
KERNEL, IMPLICIT, TOPN = "lakeshop kernel", "implicit", "sparse_dot_topn"
WHOLE, SELF_JOIN, MLLIB = "lakeshop whole job", "Spark self-join", "MLlib columnSimilarities"

NOTE = """\
Seconds after imports, the start of Spark and a warm-up on tiny data. Kernel, implicit and
sparse_dot_topn: from a CSR matrix in memory to the neighbours, packing or normalising included.
The others: from a Delta table to a committed Delta table. Peak MiB: all processes of the method
together, while it works. x ours: fastest run by fastest run, equal threads, job by job."""


@dataclass(frozen=True)
class Benchmark:
    """One size: which methods, with how much memory for the JVM, and what is to be reached."""

    shape: Shape
    memory: str
    kinds: tuple[str, ...]
    goals: tuple[Goal, ...]


IN_MEMORY = ("kernel", "implicit", "topn")

KERNEL_GOALS = tuple(
    Goal(f"{KERNEL}, {threads}", times_as_fast=1.5, than=f"{IMPLICIT}, {threads}")
    for threads in THREADS.values()
)

BENCHMARKS: Mapping[str, Benchmark] = {
    "similarity_2m": Benchmark(
        Shape(interactions=2_000_000, users=200_000, items=20_000),
        memory="4g",
        kinds=(*IN_MEMORY, "whole", "self_join", "mllib"),
        goals=(*KERNEL_GOALS, Goal(WHOLE, times_as_fast=15, than=SELF_JOIN)),
    ),
    "similarity_10m": Benchmark(
        Shape(interactions=10_000_000, users=1_000_000, items=50_000),
        memory="6g",
        kinds=(*IN_MEMORY, "whole"),
        goals=(*KERNEL_GOALS, Goal(WHOLE, seconds=30)),
    ),
    "similarity_100m": Benchmark(
        Shape(interactions=100_000_000, users=5_000_000, items=200_000),
        memory="8g",
        kinds=("whole",),
        goals=(Goal(WHOLE, seconds=15 * 60, mib=18 * 1024),),
    ),
}
BY_DEFAULT = ("similarity_2m", "similarity_10m")


def oracle_of(table: Path, n_items: int) -> Method:
    """What tells the right neighbours of a few items; not timed."""
    arguments = {"table": str(table), "n_items": n_items, "k": K}
    return Method("oracle", "benchmarks.oracle:exact", arguments)


def methods_of(benchmark: Benchmark, table: Path, n_items: int) -> list[Method]:
    """The methods of a benchmark on a table, ours first, which the others are compared with."""
    common = {"table": str(table), "n_items": n_items, "k": K}

    def threaded(name: str, work: str, beside: str | None = None) -> list[Method]:
        return [
            Method(
                f"{name}, {text}",
                work,
                common | {"threads": threads},
                beside and f"{beside}, {text}",
            )
            for threads, text in THREADS.items()
        ]

    def in_spark(name: str, work: str, beside: str | None = None) -> list[Method]:
        return [Method(name, work, common | {"memory": benchmark.memory}, beside)]

    known = {
        "kernel": threaded(KERNEL, "benchmarks.ours:kernel"),
        "implicit": threaded(IMPLICIT, "benchmarks.in_memory_peers:implicit_cosine", KERNEL),
        "topn": threaded(TOPN, "benchmarks.in_memory_peers:sparse_dot_topn", KERNEL),
        "whole": in_spark(WHOLE, "benchmarks.ours:whole_job"),
        "self_join": in_spark(SELF_JOIN, "benchmarks.spark_peers:self_join", WHOLE),
        "mllib": in_spark(MLLIB, "benchmarks.spark_peers:column_similarities", WHOLE),
    }
    return [method for kind in benchmark.kinds for method in known[kind]]
