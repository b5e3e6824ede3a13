"""gold.fraud_scores: how likely each order line of the day is fraud, and what to do about it.

The newest model promoted by the business date scores the features of the day. Before there is
one, a line is compared with what its customer pays (`amount_deviation`): standard deviations of
its log amount above the mean of the customer's own. Alerts carry up to three reasons, each with
the numbers of the line it is about.
"""

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.fraud.decisions import with_decision
from lakeshop.fraud.explanations import reasons_of
from lakeshop.fraud.promotion import is_supervised
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.training import MODEL_NAME
from lakeshop.training.registry import LAYER_MODULES, champion
from lakeshop.training.scoring import score
from lakeshop.training.specification import FeatureSpec

WITHOUT_MODEL = "amount_deviation"
DIGITS = 6  # of a score: more would not be the same on another processor
MOST_REASONS = 3


def fraud_scores(tables: Tables, night: BuildContext) -> DataFrame:
    """One row per order line delivered on the business date."""
    options = night.settings.section(Fraud)
    lines = tables["features.transactions"]
    model = champion(tables["models.fraud"], MODEL_NAME)
    if model is None:
        scored = by_amount(lines, options.min_history)
        decided = with_decision(scored, options, least=options.review_score)
        return with_reasons(decided, F.array(_above_usual()))
    decided = night.cache(with_decision(by_model(lines, model), options))
    why = reasons_of(decided.where(is_alert()), model, MOST_REASONS)
    explained = decided.join(F.broadcast(why), on="transaction_id", how="left")
    return with_reasons(explained, F.filter("why", lambda reason: reason.isNotNull()))


def by_model(lines: DataFrame, model: Row) -> DataFrame:
    """Add score, probability (of a model that was taught by labels), method and which model."""
    columns = FeatureSpec({"features": tuple(model["inputs"])}, ())
    found = score(
        lines, bytes(model["model"]), model["sha256"], columns, "_found", modules=LAYER_MODULES
    )
    rounded = F.when(~F.col("is_refund"), F.round("_found", DIGITS))
    probability = rounded if is_supervised(model) else F.lit(None).cast("double")
    return found.withColumns(
        {
            "score": rounded,
            "probability": probability,
            "method": F.lit(model["method"]),
            "model_date": F.lit(model["business_date"]),
            "model_sha256": F.lit(model["sha256"]),
        }
    )


def by_amount(lines: DataFrame, min_history: int) -> DataFrame:
    """Add as score how far a line lies above what its customer pays, where that is known."""
    is_known = ~F.col("is_refund") & (F.col("user_count") >= min_history)
    above = F.greatest(F.round("amount_z", DIGITS), F.lit(0.0))
    return lines.withColumns(
        {
            "score": F.when(is_known & F.col("amount_z").isNotNull(), above),
            "probability": F.lit(None).cast("double"),
            "method": F.lit(WITHOUT_MODEL),
            "model_date": F.lit(None).cast("date"),
            "model_sha256": F.lit(None).cast("string"),
        }
    )


def with_reasons(decided: DataFrame, why: Column) -> DataFrame:
    """Add the reasons of alerts; one that no feature speaks for is an alert by its rank alone."""
    rank = F.format_string("customer %d by risk of the day", "customer_rank")
    told = F.when(F.size(why) > 0, why).otherwise(F.array(rank))
    nothing = F.array().cast("array<string>")
    return decided.withColumn("reasons", F.when(is_alert(), told).otherwise(nothing))


def is_alert() -> Column:
    """Whether a line is to be looked at or blocked."""
    return F.col("decision") != "pass"


def _above_usual() -> Column:
    return F.format_string(
        "amount %s is %.1f standard deviations above this customer's usual %.2f, of %.0f lines",
        F.col("amount").cast("string"), "score", "user_mean_amount", "user_count",
    )  # fmt: skip
