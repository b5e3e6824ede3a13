"""Expressions of a shop's mapping, looked at before a run: SQL over known columns of a row."""

from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.config.shop import ColumnMapping, Entity
from lakeshop.config.validation import repeatable_faults
from lakeshop.errors import ConfigError

OF_ONE_ROW = {"Project", "LocalRelation", "LogicalRDD"}


def assert_expressions(spark: SparkSession, entities: Mapping[str, Entity]) -> None:
    """Each expression should be Spark SQL over one row, of the columns that it says it reads.

    Raises:
        ConfigError: some are not; all of them in one text.
    """
    faults = [
        f"  shop.entities.{name}, {column}: {fault}"
        for name, entity in entities.items()
        for column, origin in entity.origins.items()
        for fault in _faults(spark, origin)
    ]
    if faults:
        listed = "\n".join(faults)
        msg = (
            "Expressions should be Spark SQL over one row, of the columns listed under `reads`. "
            f"Received:\n{listed}"
        )
        raise ConfigError(msg)


def _faults(spark: SparkSession, origin: ColumnMapping) -> Iterator[str]:
    if origin.expression is None:
        return
    yield from repeatable_faults(origin.expression)
    columns = [T.StructField(name, T.StringType()) for name in origin.reads]
    try:
        # To analyse an empty frame runs nothing.
        found = spark.createDataFrame([], T.StructType(columns)).select(F.expr(origin.expression))
    except (ParseException, AnalysisException) as error:
        yield f"{origin.expression!r}: {_said(error)}"
        return
    if steps := sorted(_steps(found) - OF_ONE_ROW):
        yield f"{origin.expression!r}: should be of one row alone, received {', '.join(steps)}"


def _steps(rows: DataFrame) -> set[str]:
    """Return the names of the steps of a plan without joins."""
    plan: Any = rows._jdf.queryExecution().analyzed()
    names = {str(plan.nodeName())}
    while not plan.children().isEmpty():
        plan = plan.children().head()
        names.add(str(plan.nodeName()))
    return names


def _said(error: ParseException | AnalysisException) -> str:
    """Return the first line of what Spark says, without the place in a query of ours."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "not SQL")[:300]
