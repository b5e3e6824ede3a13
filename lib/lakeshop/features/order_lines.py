"""What an order line counts for: a reversal takes back a line, a line of nothing is no purchase."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def is_reversal() -> Column:
    """True for a row that takes back a line which came again changed."""
    return F.coalesce(F.col("is_reversal"), F.lit(False))


def sign() -> Column:
    """1 of a line, -1 of a reversal, whose sums are the negative of what it takes back."""
    return F.when(is_reversal(), F.lit(-1)).otherwise(F.lit(1))


def is_sale() -> Column:
    """True for a line that is no refund, and for its reversal.

    Without units and money it is none: an order that was cancelled, or a line that says something.
    """
    is_nothing = (F.col("quantity") == 0) & (F.col("amount") == 0)
    return (F.col("quantity") * sign() >= 0) & ~is_nothing


def is_purchase() -> Column:
    """True for a sale, but not for a credit without units, which corrects a price."""
    return is_sale() & ((F.col("quantity") != 0) | (F.col("amount") * sign() >= 0))


def is_refund() -> Column:
    """True for a line with negative quantity, and for its reversal."""
    return F.col("quantity") * sign() < 0
