"""silver.transactions: one row per order line.

What counts is the amount. A unit price that was not delivered is amount by quantity; a line
without quantity (a coupon, a correction) gets none.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.contract import DAY
from lakeshop.silver.events import Surroundings, with_event_date

DERIVED = {"event_date", "is_known_product"}
PRICE = "decimal(14,4)"  # as in the contract; a large amount of a tiny quantity does not fit


def transactions(lines: DataFrame, around: Surroundings) -> DataFrame:
    """Typed order lines with event date, unit price and whether the product was known."""
    return (
        lines.transform(with_event_date, around.zone)
        .transform(with_unit_price)
        .transform(with_known_product, around.tables["silver.products"])
    )


def with_unit_price(lines: DataFrame) -> DataFrame:
    """Fill a missing unit price by amount by quantity, where that is a price one can store."""
    paid = F.try_divide("amount", "quantity").try_cast(PRICE)
    price = F.coalesce("unit_price", paid) if "unit_price" in lines.columns else paid
    return lines.withColumn("unit_price", price)


def with_known_product(lines: DataFrame, products: DataFrame) -> DataFrame:
    """Add `is_known_product`: the catalogue had the product by the line's business date."""
    known = products.groupBy("product_id").agg(F.min(DAY).alias("known_since"))
    return (
        lines.join(known, on="product_id", how="left")
        .withColumn(
            "is_known_product", F.coalesce(F.col("known_since") <= F.col(DAY), F.lit(False))
        )
        .drop("known_since")
    )
