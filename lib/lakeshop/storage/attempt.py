"""An expression of SQL that may fail on a row, as a column that does not."""

from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

VALUE = "value"


def attempted(expression: str) -> Column:
    """A struct with the expression's `value` as text, or NULL for a row on which it fails.

    ANSI SQL ends a query for one `CAST('n/a' AS INT)`, written or implied by a comparison. Spark
    has no function for what its own `try_` functions do: Catalyst's TryEval around any expression.

    Generated code computes what occurs twice ahead of both, outside of any attempt. It does not
    look into functions of arrays: so the attempt is the only element of one.
    """
    jvm: Any = SparkSession.active()._jvm
    found = F.struct(F.expr(expression).cast("string").alias(VALUE))
    columns = getattr(getattr(jvm.org.apache.spark.sql.classic, "ExpressionUtils$"), "MODULE$")
    attempt = jvm.org.apache.spark.sql.catalyst.expressions.TryEval(columns.expression(found._jc))
    tried = Column(columns.column(attempt))
    return F.get(F.transform(F.array(F.lit(0)), lambda _: tried), F.lit(0))
