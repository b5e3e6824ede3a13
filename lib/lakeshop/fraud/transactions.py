"""features.transactions: features of each order line, as known when it is delivered.

One row per line serves training and scoring alike. A line has a history within each entity: its
user, store, product, payment and device. It holds the lines of the 90 days before, delivered no
later than the line itself. Refunds are no history. Lines of one time do not see each other.
Labels count from their business date until a later label revokes them. A line that came again
changed is a line of its own, with the label of the first; the first is no history from then on.

A night reads the lines delivered within 97 days and their labels. A line that is more than a week
late sees as much less of its 90 days. A label that came more than 30 days before its line is
ignored. An order holds the lines of one user. So every row depends on finitely many days, and a
range of days gives the rows of its single nights.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.fraud.entities import (
    ALL_NAMES,
    payments,
    per_fraud,
    per_line,
    with_histories,
    with_reversed_on,
)
from lakeshop.fraud.features import FEATURES
from lakeshop.fraud.labels import of_lines
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.terms import Prior


def transactions(tables: Tables, night: BuildContext) -> DataFrame:
    """One row per order line delivered on the days of the run."""
    lines, labels = tables["silver.transactions"], tables["silver.fraud_labels"]
    labels = of_lines(labels, lines, night.settings.shop)
    settings, first = night.settings.section(Fraud), night.first_day
    if night.settings.shop.corrects_lines:
        lines = with_reversed_on(lines)
    lines = payments(lines)
    numbers = per_line(lines, first).unionByName(
        per_fraud(lines, labels, settings.label_delay_days)
    )
    prior = Prior(settings.prior_lines, settings.prior_rate)
    delivered = lines.where(F.col(BUSINESS_DATE) >= F.lit(first))
    return (
        with_line(delivered, night.settings.shop.zone)
        .withColumn("key", F.xxhash64("transaction_id"))
        .join(with_histories(numbers, prior), on="key")
        .select(*CARRIED, *LINE, *ALL_NAMES)
    )


CARRIED = (
    BUSINESS_DATE,
    "transaction_id",
    "order_id",
    "user_id",
    "product_id",
    "store_id",
    "payment_id",
    "occurred_at",
    "event_date",
    "amount",
    "currency",
    "is_refund",
    "corrects",
)
LINE = tuple(feature.name for feature in FEATURES.line)


def with_line(lines: DataFrame, zone: str) -> DataFrame:
    """Add the features of the line alone; `shop_time` is the time of the shop's clock."""
    is_refund = (F.col("quantity") < 0) | (F.col("amount") < 0)
    features = {feature.name: F.expr(feature.compute) for feature in FEATURES.line}
    return lines.withColumn("shop_time", F.from_utc_timestamp("occurred_at", zone)).withColumns(
        {"is_refund": is_refund, **features}
    )
