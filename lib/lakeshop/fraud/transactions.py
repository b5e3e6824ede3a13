"""features.transactions: what is known of each order line when it is delivered.

One row per line, for training and for scoring alike. A line's history within an entity (its
user, store, product, payment or device) are the lines that happened before it, within 90 days,
and were delivered no later than it; refunds are none. Lines of one time do not see each other.
Labels count from the business date they came on, until a later one takes them back.

A night reads the lines delivered within 97 days and their labels: a line that is itself more
than a week late sees as much less of its 90 days. A label that came more than 30 days before
its line is not heeded, and an order's lines are those of one user: so every row depends on
finitely many days, and a range of days in one go gives what each night alone gives.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext, Tables
from lakeshop.fraud.columns import Prior
from lakeshop.fraud.entities import ALL_NAMES, per_fraud, per_line, with_histories
from lakeshop.fraud.settings import Fraud

NIGHT_ENDS = 6  # o'clock
SATURDAY = 5  # counted from Monday, 0


def transactions(tables: Tables, night: BuildContext) -> DataFrame:
    """One row per order line delivered on the days asked for."""
    lines, labels = tables["silver.transactions"], tables["silver.fraud_labels"]
    settings, first = night.settings.section(Fraud), night.first_day
    numbers = per_line(lines, first).unionByName(
        per_fraud(lines, labels, settings.label_delay_days)
    )
    prior = Prior(settings.prior_lines, settings.prior_rate)
    asked = lines.where(F.col(BUSINESS_DATE) >= F.lit(first))
    return (
        with_line(asked, night.settings.shop.zone)
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
)
LINE = (
    "line_amount",
    "quantity",
    "unit_price",
    "discount_share",
    "hour",
    "is_night",
    "is_weekend",
    "has_coupon",
)


def with_line(lines: DataFrame, zone: str) -> DataFrame:
    """Add what the line itself says; hours and days are those of the shop's clock."""
    local = F.from_utc_timestamp("occurred_at", zone)
    second = F.hour(local) * 3600 + F.minute(local) * 60 + F.second(local)
    discount = F.coalesce(F.col("discount"), F.lit(0))
    share = F.when(F.col("amount") >= 0, F.try_divide(discount, F.col("amount") + discount))
    return lines.withColumns(
        {
            "is_refund": (F.col("quantity") < 0) | (F.col("amount") < 0),
            "line_amount": F.col("amount").cast("double"),
            "quantity": F.col("quantity").cast("double"),
            "unit_price": F.col("unit_price").cast("double"),
            "discount_share": share.cast("double"),
            "hour": second / 3600,
            "is_night": _flag(F.hour(local) < NIGHT_ENDS),
            "is_weekend": _flag(F.weekday(local) >= SATURDAY),
            "has_coupon": _flag(F.col("coupon_id").isNotNull()),
        }
    )


def _flag(holds: Column) -> Column:
    return holds.cast("double")
