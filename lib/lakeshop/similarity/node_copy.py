"""One copy of the packed histories per executor, memory-mapped by all of its Python workers.

The first task that needs the copy writes it to the executor's scratch folder, under a lock, from
its input rows. The others map the same pages and read nothing. Spark removes the folder with the
executor. Nothing passes through the driver.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lakeshop.similarity.histories import InteractionMatrix, as_entries


def node_copy(name: str, parts: Iterable[InteractionMatrix], n_items: int) -> InteractionMatrix:
    """The histories of all parts, mapped from the executor's copy, which is made if need be.

    Args:
        name: names the copy on this executor; equal names mean equal histories.
        parts: read only where there is no copy yet.
        n_items: size of the catalogue.

    Raises:
        OSError: the scratch folder cannot be written, for example because the disk is full.
    """
    # Set by Spark for its workers; a list where the executor has several disks.
    scratch = os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0]
    copy = Path(scratch) / f"lakeshop-{name}"
    with copy.with_suffix(".lock").open("a") as lock:
        # Released when the process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.is_dir():
            _write(copy, parts)
    indptr, entries = _mapped(copy / "indptr"), _mapped(copy / "entries")
    return InteractionMatrix(indptr.view(np.int64), as_entries(entries, n_items))


def _write(copy: Path, parts: Iterable[InteractionMatrix]) -> None:
    """A whole copy or none: it gets its name when it is complete."""
    unfinished = copy.with_suffix(".part")
    unfinished.mkdir(exist_ok=True)
    end = 0
    with (
        (unfinished / "indptr").open("wb") as indptr,
        (unfinished / "entries").open("wb") as entries,
    ):
        np.zeros(1, np.int64).tofile(indptr)
        for part in parts:
            (part.indptr[1:] + end).tofile(indptr)
            part.entries.tofile(entries)
            end += part.entries.size
    unfinished.rename(copy)


def _mapped(path: Path) -> NDArray[np.uint8]:
    """The file's bytes; pages are shared as long as no process writes to them, and none does.

    Writable, because numba compiles a second kernel for read-only arrays.
    """
    if not path.stat().st_size:  # nothing can be mapped
        return np.empty(0, np.uint8)
    return np.asarray(np.memmap(path, mode="c"))
