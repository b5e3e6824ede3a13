"""Independent tables side by side: while the driver plans one, the cores work on another.

A night is some hundred small queries, and planning one keeps a single core busy: made one
after the other, tables leave half of a two-core machine idle.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from graphlib import TopologicalSorter

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

Work = Callable[[], None]


def in_parallel(
    work: Mapping[str, Work], after: Mapping[str, Collection[str]], at_once: int
) -> None:
    """Do each piece of work once the pieces it needs are done, at most `at_once` at a time.

    Where one fails, no further one is begun; those at work end first.

    Args:
        work: pieces by name; of those that could begin, the first one does.
        after: the pieces each one needs; names that are no piece of work count as done.
        at_once: threads.

    Raises:
        Exception: the first error of a piece.
    """
    spark = SparkSession.active()
    order = TopologicalSorter({name: set(after.get(name, ())) & set(work) for name in work})
    order.prepare()
    ready: set[str] = set()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(at_once, thread_name_prefix="table") as pool:
        while order.is_active():
            ready.update(order.get_ready())
            for name in [name for name in work if name in ready][: at_once - len(running)]:
                ready.remove(name)
                # Anew for each: pieces must not share one set of Spark's local properties.
                in_session = inheritable_thread_target(spark)
                piece = in_session(partial(_in_its_pool, spark, name, work[name]))
                running[pool.submit(piece)] = name
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                ended.result()
                order.done(running.pop(ended))


def _in_its_pool(spark: SparkSession, name: str, work: Work) -> None:
    """A pool of Spark's scheduler for each piece: short jobs need not wait for the long ones."""
    spark.sparkContext.setLocalProperty("spark.scheduler.pool", name)
    work()
