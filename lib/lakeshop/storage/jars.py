"""What Spark's JVM was started with."""

from typing import Any

from pyspark import SparkContext


def has_class(name: str) -> bool:
    """Whether a class is on the class path; asked before there is a session, which starts much."""
    SparkContext._ensure_initialized()
    jvm: Any = SparkContext._jvm
    return bool(jvm.org.apache.spark.util.Utils.classIsLoadable(name))
