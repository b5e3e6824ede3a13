"""Decisions on fraud scores: pass, review or block.

Reviewers have time for a number of customers a day. So the budget bounds customers, not lines (as
the card precision of Le Borgne et al. 2022). Alternatively a review has a cost, and lines with a
larger expected loss are reviewed. Lines that are almost certainly fraud are blocked at once.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.fraud.settings import Fraud
from lakeshop.ml.alerts import RISKIEST_FIRST


def with_decision(scored: DataFrame, options: Fraud, *, least: float = 0.0) -> DataFrame:
    """Add expected_loss, customer_rank and decision to the lines of one day.

    Customers rank in the order of `RISKIEST_FIRST`; the `alerts_per_day` first are alerted. By
    budget their lines are reviewed that are no less risky than the last alerted customer. By cost
    a line is reviewed if its expected loss reaches the cost of a review. Lines without score pass,
    and by budget those that are no riskier than `least`.

    Args:
        scored: lines with score, probability, amount, user_id and order_id. Score and probability
            may be NULL. Without user_id, a guest's order is a customer of its own.
        options: the policy.
        least: by budget, lines no riskier than this value pass.
    """
    loss = F.round(F.col("probability") * F.col("amount").cast("double"), 4)
    valued = scored.withColumn("expected_loss", loss).withColumns(
        {"_risk": _risk(options), "_customer": F.coalesce("user_id", "order_id")}
    )
    return (
        valued.join(_ranks(valued, options.alerts_per_day), on="_customer", how="left")
        .withColumn("customer_rank", F.when(F.col("_risk").isNotNull(), F.col("customer_rank")))
        .withColumn("decision", _decision(options, least))
        .drop("_risk", "_limit", "_customer")
    )


def _risk(options: Fraud) -> Column:
    """Risk of a line, by which its customer ranks."""
    if options.rank_by == "score":
        return F.col("score")
    return F.when(F.col("score").isNotNull(), F.coalesce("expected_loss", "score"))


def _ranks(valued: DataFrame, alerts: int) -> DataFrame:
    """customer_rank of each customer with a score, and the `_limit` of risk for an alert."""
    everybody = W.partitionBy()  # one task, of the day's customers
    ranks = {"risk": "_best", "customer": "_customer"}
    order = [F.asc(ranks[name]) if up else F.desc(ranks[name]) for name, up in RISKIEST_FIRST]
    return (
        valued.where(F.col("_risk").isNotNull())
        .groupBy("_customer")
        .agg(F.max("_risk").alias("_best"))
        .withColumn("customer_rank", F.row_number().over(everybody.orderBy(*order)))
        .withColumn("_limit", F.min(F.when(_is_among(alerts), F.col("_best"))).over(everybody))
        .drop("_best")
    )


def _is_among(alerts: int) -> Column:
    return F.col("customer_rank") <= F.lit(alerts)


def _decision(options: Fraud, least: float) -> Column:
    is_certain = F.coalesce(F.col("probability") >= options.block_probability, F.lit(False))
    if options.policy == "cost":
        is_alert = F.col("expected_loss") >= options.review_cost
    else:
        is_risky = (F.col("_risk") >= F.col("_limit")) & (F.col("_risk") > least)
        is_alert = _is_among(options.alerts_per_day) & is_risky
    is_alert = F.coalesce(is_alert, F.lit(False))
    return (
        F.when(is_certain, F.lit("block"))
        .when(is_alert, F.lit("review"))
        .when(~is_alert, F.lit("pass"))
    )
