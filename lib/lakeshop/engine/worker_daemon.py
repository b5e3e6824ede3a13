"""The process that Spark's Python workers are forked from, without what slows down each task.

Before every task a worker has all importers of its path look for new files. On that path Spark
puts archives (its own, and each jar of `spark.jars.packages`), and Python reads the directories
of all of them anew: 0.2 s per task with pyspark 4.1 and Delta, several times what most tasks take
here. The archives of a session do not change, so they are read once. What most tasks import is
imported before the fork, so that a worker starts with it.

Named by `spark.python.daemon.module`, where this package is installed on the machine.
"""

import runpy
from zipimport import zipimporter


def keep_archives() -> None:
    """Have Python read the directory of an archive once."""
    setattr(zipimporter, "invalidate_caches", lambda _importer: None)  # noqa: B010


if __name__ == "__main__":
    import pandas as pd  # noqa: F401
    import pyarrow.compute  # noqa: F401

    keep_archives()
    runpy.run_module("pyspark.daemon", run_name="__main__")
