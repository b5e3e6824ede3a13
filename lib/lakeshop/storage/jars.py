"""Jars that Spark's JVM was started with."""

from typing import Any

from pyspark import SparkContext


def has_class(name: str) -> bool:
    """Return whether a class is on the class path, before a session starts much else."""
    SparkContext._ensure_initialized()
    jvm: Any = SparkContext._jvm
    return bool(jvm.org.apache.spark.util.Utils.classIsLoadable(name))
