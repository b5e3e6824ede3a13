"""Models of an older lake: rows of `ops.models` become those of `models.<application>`.

Earlier versions kept all models in one table. Champions and candidates are taken over with their
days and digests, so that nothing becomes stale and nothing is trained again.
"""

from pyspark.sql import functions as F

from lakeshop.contracts.migration import with_gained_columns
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.inputs import input_versions
from lakeshop.engine.run import Run
from lakeshop.storage.content import EMPTY
from lakeshop.storage.files import drop
from lakeshop.storage.publications import Publication
from lakeshop.storage.run_log import LOG

OLD = "ops.models"


def take_over_models(run: Run) -> None:
    """Copy the models of an older lake to the tables of their applications, once.

    A run that is killed meanwhile leaves nothing that the next one would not do again.
    """
    if not run.lake.exists(OLD):
        return
    for application in run.applications.active:
        table = f"models.{application.name}"
        if application.models is not None and not run.ledger.days(table):
            _take_over(run, table, application.models.names)
    run.flush()


def drop_taken_over(run: Run) -> None:
    """Remove the old table once other tables have all its models."""
    if not run.lake.exists(OLD):
        return
    trained = [a for a in run.applications.active if a.models is not None]
    taken = [a.models.names for a in trained if a.models and run.ledger.days(f"models.{a.name}")]
    names = {name for some in taken for name in some}
    if run.lake.read_raw(OLD).where(~F.col("name").isin(*names)).isEmpty():
        drop(run.lake, OLD)


def _take_over(run: Run, table: str, names: tuple[str, ...]) -> None:
    days = run.ledger.days(OLD)
    old = run.lake.read_raw(OLD).where(F.col("name").isin(*names))
    if not days:
        return
    run_ids = {day: run.run_id(table, day) for day in days}
    pairs = F.create_map(*[F.lit(part) for pair in run_ids.items() for part in pair])
    contract = run.lake.contract(table)
    run_id = F.coalesce(pairs[F.col(BUSINESS_DATE)], F.lit(""))
    rows = with_gained_columns(contract, old).withColumn("run_id", run_id)
    version = run.lake.overwrite(table, rows, run_id=run_ids[days[-1]])
    contents = run.lake.content(table, days[0], days[-1])
    publications = [
        Publication(
            table=table,
            day=day,
            run_id=run_ids[day],
            input_digest="",
            content=contents.get(day, EMPTY),
            version=version,
            inputs=input_versions(run.lake, contract),
        )
        for day in days
    ]
    # A table of models reads its own earlier days: each day's digest follows from those before.
    for publication in publications:
        digest = run.ledger.input_digest(contract, publication.day)
        run.ledger.record([publication.with_input_digest(digest)])
    LOG.info("%s: %d training days taken over from %s", table, len(days), OLD)
