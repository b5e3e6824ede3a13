"""Files on any file system that Spark reads, through Hadoop's classes in the JVM."""

from dataclasses import dataclass

from pyspark.sql import SparkSession


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
    spark: SparkSession, root: str, escaped_root: str, pattern: str, *, with_hidden: bool = False
) -> list[FileStatus]:
    """Return the files below `root` that a pattern names, in no certain order.

    Args:
        spark: the session, for its file systems.
        root: the folder.
        escaped_root: the same, its letters never taken for those of a pattern.
        pattern: of Hadoop, below the folder.
        with_hidden: whether names that begin with `_` or a dot count.
    """
    jvm = spark._jvm
    assert jvm is not None
    folder = jvm.org.apache.hadoop.fs.Path(root)
    files = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    base = files.makeQualified(folder).toString()
    found = files.globStatus(jvm.org.apache.hadoop.fs.Path(escaped_root, pattern)) or ()
    return [
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
