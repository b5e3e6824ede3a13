"""Labels of fraud by order line, also where the shop's labels are of orders."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.shop import Shop
from lakeshop.contracts.model import BUSINESS_DATE


def of_lines(labels: DataFrame, lines: DataFrame, shop: Shop) -> DataFrame:
    """Versions of labels by line: all lines of an order bear the label of the order.

    Of several labels of a line and day fraud counts. A shop that labels lines pays nothing.

    Args:
        labels: versions of silver.fraud_labels.
        lines: have `transaction_id`, `corrects` and `order_id`.
        shop: maps an `order_id` of its labels, or does not.
    """
    entity = shop.entities.get("fraud_labels")
    if entity is None or "order_id" not in entity.columns:
        return labels
    kept = [name for name in labels.columns if name not in ("transaction_id", BUSINESS_DATE)]
    of_orders = labels.where("order_id IS NOT NULL").drop("transaction_id")
    line = F.coalesce("corrects", "transaction_id").alias("transaction_id")  # as labels name it
    spread = lines.select(line, "order_id").join(F.broadcast(of_orders), "order_id")
    newest = F.max(F.struct("is_fraud", *[name for name in kept if name != "is_fraud"]))
    return (
        labels.where("order_id IS NULL")
        .unionByName(spread)
        .groupBy("transaction_id", BUSINESS_DATE)
        .agg(newest.alias("newest"))
        .select("transaction_id", BUSINESS_DATE, "newest.*")
    )
