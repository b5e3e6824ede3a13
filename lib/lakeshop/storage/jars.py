"""What Spark's JVM was started with."""

from typing import Any

from pyspark.sql import SparkSession


def has_class(spark: SparkSession, name: str) -> bool:
    """Whether a class is on the class path."""
    jvm: Any = spark.sparkContext._jvm
    return bool(jvm.org.apache.spark.util.Utils.classIsLoadable(name))
