"""Ids of events that a shop delivers without one: from what a row holds, and its number.

Equal rows of a day are numbered over all files of the day, so that each counts. A row that comes
again on another day has the id that it had. The content names persons, and is hidden by a keyed
hash as they are.
"""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.config.shop import Entity
from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.silver.duplicates import place_of
from lakeshop.sources.mapping import TEXT


def with_generated_ids(
    rows: DataFrame, entity: Entity, pseudonym: Callable[[str], Column]
) -> DataFrame:
    """Fill the texts of the entity's generated ids; without any, nothing is moved."""
    names = [name for name, origin in entity.columns.items() if origin.generated]
    if not names:
        return rows
    held = F.to_json(F.col(TEXT).dropFields(*names))  # names its fields, and leaves out NULLs
    equal = W.partitionBy(BUSINESS_DATE, "_held").orderBy(*place_of(rows))
    numbered = rows.withColumn("_held", held).withColumn("_number", F.row_number().over(equal))
    ids = F.concat_ws("-", pseudonym("_held"), F.col("_number").cast("string"))
    text = F.col(TEXT)
    for name in names:
        text = text.withField(name, F.col("_id"))
    return numbered.withColumn("_id", ids).withColumn(TEXT, text).drop("_held", "_number", "_id")
