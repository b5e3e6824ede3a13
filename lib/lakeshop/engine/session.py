"""The Spark session of a job.

Master, memory, cores and packages come from `--properties-file` alone. What is set here are
laws of the night: times are UTC, and a bad cast is an error instead of a silent NULL.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from lakeshop.errors import ConfigError
from lakeshop.renamed import hint
from lakeshop.storage.jars import has_class

SPARK_LINE = "4.1."
DAEMON = "spark.python.daemon.module"
EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
# Where properties name files below the project's folder, in which jobs are submitted.
FILES = re.compile(r"(?<=File=)\S+|(?<![^:])\.venv/[^:]+")


def spark_session(application: str) -> SparkSession:
    """The session that `spark-submit` configured.

    Raises:
        ConfigError: Spark is not of the supported line, or Delta is not on its path.
    """
    if not pyspark.__version__.startswith(SPARK_LINE):
        msg = (
            f"pyspark should be {SPARK_LINE}x, which Delta supports. Received "
            f"{pyspark.__version__}; install the versions of requirements.lock."
        )
        raise ConfigError(msg)
    # Python dates and times that meet Spark's must not depend on the machine's zone.
    os.environ["TZ"] = "UTC"
    assert_jars()
    spark = SparkSession.builder.appName(f"lakeshop {application}").getOrCreate()
    if not str(spark.conf.get("spark.sql.catalog.spark_catalog", "")).endswith("DeltaCatalog"):
        spark.stop()
        msg = (
            "Spark should be started with Delta. Received a session without its catalog; start "
            "the job by spark-submit --properties-file conf/spark/local.conf jobs/<job>.py."
        )
        raise ConfigError(msg)
    _assert_daemon(spark)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _assert_daemon(spark: SparkSession) -> None:
    """Refuse properties that name the daemon of Python workers as it was named once.

    Raises:
        ConfigError: the module has another name by now.
    """
    named = str(spark.conf.get(DAEMON, "") or "")
    if found := hint(named):
        spark.stop()
        msg = f"{DAEMON} should name a module of today. Received {named}. {found}"
        raise ConfigError(msg)


def assert_jars() -> None:
    """See to it that Delta's classes are there, and not just named.

    Raises:
        ConfigError: they are not.
    """
    if not has_class(EXTENSION):
        msg = (
            "Delta's jars should be on Spark's class path, spark.driver.extraClassPath of "
            f"conf/spark/local.conf. Received one without them, in {Path.cwd()}; fetch them by "
            "make setup, and start jobs in the project's folder by spark-submit."
        )
        raise ConfigError(msg)


def properties(conf: Path) -> dict[str, str]:
    """Spark's properties in a file of `conf/spark/`."""
    lines = (line.strip() for line in conf.read_text(encoding="utf-8").splitlines())
    pairs = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return {key: value.strip() for key, value in pairs}


def below(home: Path, key: str, value: str) -> str:
    """A property with the project's files in full; Java's options part at blanks, if unquoted."""
    quote = '"' if key.endswith("JavaOptions") else ""
    return FILES.sub(lambda file: f"{quote}{home / file[0]}{quote}", value)


def local_session(
    conf: Path = Path("conf/spark/local.conf"), overrides: Mapping[str, str] | None = None
) -> SparkSession:
    """A session without spark-submit, for a notebook or a test, as `conf` configures it.

    In whatever folder: the paths of `conf` are those of the project that it lies in.
    """
    builder, home = SparkSession.builder, conf.resolve().parents[2]
    for key, value in (properties(conf) | dict(overrides or {})).items():
        builder = builder.config(key, below(home, key, value))
    builder.getOrCreate()
    return spark_session("by hand")
