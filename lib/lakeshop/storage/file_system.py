"""Files on any file system that Spark reads, through Hadoop's classes in the JVM."""

import re
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

_GLOB = re.compile(r"(?<!\\)[*?\[{]")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class FileStatus:
    """A file or folder: its name below a root, its address, bytes, and milliseconds of change."""

    name: str
    uri: str
    size: int
    modified: int
    is_folder: bool


def escaped(path: str) -> str:
    """Return a path whose letters Hadoop takes for themselves, never for a pattern."""
    return "".join(f"\\{letter}" if letter in "*?[]{}" else letter for letter in path)


def remove_folder(spark: SparkSession, path: str) -> None:
    """Remove a folder with all that is in it."""
    jvm = spark._jvm
    assert jvm is not None
    folder = jvm.org.apache.hadoop.fs.Path(path)
    folder.getFileSystem(spark._jsc.hadoopConfiguration()).delete(folder, True)


def list_files(
    spark: SparkSession, root: str, pattern: str, *, with_hidden: bool = False
) -> list[FileStatus]:
    """Return the files below `root` that a pattern names, in no certain order.

    Args:
        spark: the session, for its file systems.
        root: the folder.
        pattern: of Hadoop, below the folder.
        with_hidden: whether names that begin with `_` or a dot count.
    """
    jvm = spark._jvm
    assert jvm is not None
    hadoop = jvm.org.apache.hadoop.fs
    folder = hadoop.Path(root)
    files = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    base = files.makeQualified(folder).toString()
    found = [
        status
        for one in hadoop.GlobExpander.expand(pattern)
        for status in _matching(hadoop, files, folder, one)
    ]
    statuses = [
        FileStatus(
            name=status.getPath().toString().removeprefix(base).lstrip("/"),
            uri=status.getPath().toString(),
            size=status.getLen(),
            modified=status.getModificationTime(),
            is_folder=not status.isFile(),
        )
        for status in found
        if with_hidden or not status.getPath().getName().startswith(("_", "."))
    ]
    return list({status.uri: status for status in statuses}.values())


def _matching(hadoop: Any, files: Any, folder: Any, pattern: str) -> list[Any]:
    """What a pattern names, folder by folder.

    Hadoop's own search ends at the first name with a colon that it meets, whether the pattern names
    it or not: it takes the colon for the end of a scheme.
    """
    here = [folder]
    found: list[Any] = []
    for step in filter(None, pattern.split("/")):
        if _GLOB.search(step):
            accepted = hadoop.GlobFilter(step)
            folders = [parent for parent in here if files.exists(parent)]
            found = [status for parent in folders for status in files.listStatus(parent, accepted)]
        else:
            name = hadoop.Path(None, None, _ESCAPE.sub(r"\1", step))
            paths = [hadoop.Path(parent, name) for parent in here]
            found = [files.getFileStatus(path) for path in paths if files.exists(path)]
        here = [status.getPath() for status in found if status.isDirectory()]
    return found
