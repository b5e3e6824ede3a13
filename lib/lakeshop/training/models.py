"""ops.models: the models of a training day, and which of them are used from then on.

One builder for all names, so that a day is published as one. What is trained already, from the
same data by the same recipe, is answered from ops.rounds.
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.demand.training import demand
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.fraud.training import fraud

MODEL = (
    "name STRING, method STRING, is_champion BOOLEAN, inputs ARRAY<STRING>, "
    "usual ARRAY<DOUBLE>, model BINARY, sha256 STRING, metrics STRING, parameters STRING, "
    "score_quantiles ARRAY<DOUBLE>, training_id STRING, trained_rows BIGINT, trained_from DATE, "
    "trained_to DATE"
)
TRAINERS = (fraud, demand)


def models(tables: Tables, night: BuildContext) -> DataFrame:
    """One row per name and method of the training day, without those that cannot be trained."""
    earlier = tables["ops.models"].where(F.col(BUSINESS_DATE) < F.lit(night.day))
    seen = {**tables, "ops.models": earlier}
    rows = [row for trainer in TRAINERS for row in trainer(seen, night)]
    made = SparkSession.active().createDataFrame(rows, MODEL)
    origin = night.provenance
    return made.withColumns(
        {
            "code": F.lit(origin.code),
            "data": F.array(*[F.lit(version) for version in origin.versions]),
        }
    )
