"""Fetches the jars that Spark does not bring, once, into the folder that a laptop's jobs look in.

Without arguments Delta's, else those of the packages that are named, such as a database's driver.
Left out is what Spark has itself: on the driver's class path an older version would come first.
"""

import shutil
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlparse

import pyspark
from pyspark.sql import SparkSession

FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "jars"
ARCHIVE = FOLDER.parent / "classes.jsa"  # of a JVM with the jars before, see submit.sh
SPARK = Path(pyspark.__file__).parent / "jars"


def delta() -> str:
    """The package of the installed versions of Delta and Spark."""
    line = version("pyspark").rpartition(".")[0]
    return f"io.delta:delta-spark_{line}_2.13:{version('delta-spark')}"


def fetched(packages: str) -> list[Path]:
    """The packages' jars and those that they need, in Ivy's cache."""
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.jars.packages", packages).getOrCreate()
    jars = spark.sparkContext.getConf().get("spark.jars") or ""
    spark.stop()
    return [Path(urlparse(jar).path) for jar in jars.split(",")]


def classes(jar: Path) -> set[str]:
    """The names of a jar's classes."""
    with zipfile.ZipFile(jar) as opened:
        names = set(opened.namelist())
    return {name for name in names if name.endswith(".class") and "module-info" not in name}


def main() -> None:
    """Fetch, and copy what Spark has no class of."""
    jars = fetched(",".join(sys.argv[1:]) or delta())
    own = set().union(*map(classes, SPARK.glob("*.jar")))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for jar in jars:
        if not classes(jar) & own:
            draft = FOLDER / f"{jar.name}.part"
            shutil.copyfile(jar, draft)
            draft.replace(FOLDER / jar.name)
    ARCHIVE.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
