"""ops.metrics: one row per figure. Each subject replaces its own rows of a day, no other's."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.run import Run
from lakeshop.storage.publications import digest_of

METRICS = "ops.metrics"
FIGURE = "method STRING, metric STRING, segment STRING, value DOUBLE"


def publish_figures(
    run: Run,
    day: date,
    subject: str,
    figures: DataFrame,
    source: Sequence[object],
    started: float,
) -> None:
    """Replace a subject's figures of a day by rows of method, metric, segment, value.

    Args:
        run: the run.
        day: the night that is scored.
        subject: what the figures are of.
        figures: as FIGURE.
        source: names what they were computed from; `is_published` asks for it.
        started: when the work on them began, by `time.monotonic`.
    """
    rows = figures.select(
        F.lit(day).alias("business_date"),
        F.lit(subject).alias("subject"),
        *("method", "metric", "segment", "value"),
        F.lit(_name(run, day, subject, source)).alias("run_id"),
    )
    others = run.lake.read(METRICS, day, day).where(F.col("subject") != subject)
    # Few rows, held apart: they are read from the table that is about to be replaced.
    kept = run.lake.spark.createDataFrame(others.collect(), others.schema)
    digests = {day: digest_of(*source)}
    run.publish(METRICS, kept.unionByName(rows), day, day, started=started, input_digests=digests)


def is_published(run: Run, day: date, subject: str, source: Sequence[object]) -> bool:
    """Whether a subject's figures of a day are there, from the same source, code and settings."""
    mine = (F.col("subject") == subject) & (F.col("run_id") == _name(run, day, subject, source))
    return not run.lake.read(METRICS, day, day).where(mine).isEmpty()


def content_of(run: Run, table: str, day: date) -> str:
    """Names what a table holds of a day, for `source`; "" where that is nothing."""
    published = run.ledger.publication(table, day)
    return published.content.digest if published and published.content.rows else ""


def _name(run: Run, day: date, subject: str, source: Sequence[object]) -> str:
    return digest_of(METRICS, subject, day, run.code, run.settings.digest(), *source)
