"""Lines and labels by their age on one day."""

from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession

from lakeshop.fraud.settings import Fraud

DAY = date(2026, 3, 30)
LINE = (
    "transaction_id STRING, business_date DATE, event_date DATE, is_refund BOOLEAN, n DOUBLE, "
    "corrects STRING"
)
LABEL = "transaction_id STRING, business_date DATE, is_fraud BOOLEAN, pattern STRING"


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def lines(spark: SparkSession, *rows: tuple[str, int], refund: bool = False) -> DataFrame:
    """Lines from (id, days before DAY), delivered on the day they happened."""
    made = [(i, ago(days), ago(days), refund, float(days), None) for i, days in rows]
    return spark.createDataFrame(made, LINE)


def labels(spark: SparkSession, *rows: tuple[str, int, bool]) -> DataFrame:
    """Labels from (id, days before DAY, verdict)."""
    made = [(i, ago(days), verdict, None) for i, days, verdict in rows]
    return spark.createDataFrame(made, LABEL)


def options_of(settings: Fraud) -> Fraud:
    """Lines are mature after 10 days; 20 days train and 5 validate."""
    changes = {"maturity_days": 10, "train_days": 20, "validation_days": 5, "label_delay_days": 0}
    return settings.model_copy(update=changes)
