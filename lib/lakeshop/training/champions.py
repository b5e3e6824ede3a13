"""Models in use are verified before anything is made that they would go into."""

from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.outcome import failing_alone
from lakeshop.engine.run import Run
from lakeshop.errors import ModelError
from lakeshop.training.registry import verify


def set_aside_altered_models(run: Run) -> None:
    """Set aside the models of each application whose champion cannot be used.

    An altered champion is else found when half is published. The tables that read it are not made.
    """
    for application in run.applications.active:
        if application.models is None:
            continue
        table = f"models.{application.name}"
        with failing_alone() as errors:
            _verify_champions(run, table)
        for error in errors:
            run.set_aside(table, error)


def _verify_champions(run: Run, table: str) -> None:
    """Refuse champions that were altered.

    Raises:
        ModelError: a file is not the one that was registered, or holds anything but a model.
    """
    promoted = run.lake.read(table, None, run.last).where("is_champion")
    # Their files are read one by one: the table keeps years of them.
    newest = promoted.groupBy("name").agg(F.max(BUSINESS_DATE).alias(BUSINESS_DATE))
    for found in newest.orderBy("name").collect():
        name, day = found["name"], found[BUSINESS_DATE]
        row = promoted.where((F.col("name") == name) & (F.col(BUSINESS_DATE) == F.lit(day))).first()
        assert row is not None
        try:
            verify(bytes(row["model"]), row["sha256"])
        except ModelError as error:
            msg = f"{table}, {name} of {day}: {error}"
            raise ModelError(msg) from error
