"""Faults of the machine below the lake, told from those of a table."""

import errno

from py4j.protocol import Py4JNetworkError

from lakeshop.errors import BusyError, DiskSpaceError

# What the machine says, in any language: no other table would fare better.
OF_MACHINE = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "java.lang.OutOfMemoryError",
    "SparkContext was shut down",
    "stopped SparkContext",
)
ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


def is_of_machine(error: BaseException) -> bool:
    """Return whether a fault ends the run: the JVM is gone, the disk full, the lake lost."""
    kinds = (BusyError, DiskSpaceError, Py4JNetworkError, ConnectionError, MemoryError)
    if isinstance(error, kinds) or (isinstance(error, OSError) and error.errno in ERRNOS):
        return True
    texts = str(error), _chain_of(error)
    return any(mark in text for mark in OF_MACHINE for text in texts)


def _chain_of(error: BaseException) -> str:
    """Return the words of an exception of the JVM and of its causes; "" for others."""
    thrown = getattr(error, "java_exception", None)
    words = []
    while thrown is not None:
        words.append(str(thrown.toString()))
        thrown = thrown.getCause()
    return "\n".join(words)
