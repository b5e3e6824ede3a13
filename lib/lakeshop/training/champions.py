"""Models in use are verified before a run makes anything that they would go into."""

from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.run import Run
from lakeshop.errors import ModelError
from lakeshop.training.registry import verify

MODELS = "ops.models"


def verify_champions(run: Run) -> None:
    """Refuse to start with an altered model, which is else found when half is published.

    Raises:
        ModelError: a file is not the one that was registered, or holds anything but a model.
    """
    promoted = run.lake.read(MODELS, None, run.last).where("is_champion")
    # Their files are read one by one: the table keeps years of them.
    for newest in (
        promoted.groupBy("name")
        .agg(F.max(BUSINESS_DATE).alias(BUSINESS_DATE))
        .orderBy("name")
        .collect()
    ):
        name, day = newest["name"], newest[BUSINESS_DATE]
        row = promoted.where((F.col("name") == name) & (F.col(BUSINESS_DATE) == F.lit(day))).first()
        assert row is not None
        try:
            verify(bytes(row["model"]), row["sha256"])
        except ModelError as error:
            msg = f"{MODELS}, {name} of {day}: {error}"
            raise ModelError(msg) from error
