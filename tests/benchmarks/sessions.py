"""The laptop's Spark session on two cores, in the folder that a method runs in."""

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.child import CORES
from benchmarks.harness import HOME
from lakeshop.engine.session import local_session


def session(memory: str, overrides: Mapping[str, str] | None = None) -> SparkSession:
    """A session as conf/spark/local.conf has it, with this much memory for the JVM's heap."""
    here = {
        "spark.master": f"local[{CORES}]",
        "spark.driver.memory": memory,
        "spark.local.dir": str(Path("spark").resolve()),
        "spark.sql.warehouse.dir": str(Path("warehouse").resolve()),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }
    return local_session(HOME / "conf" / "spark" / "local.conf", here | dict(overrides or {}))
