"""gold.fraud_scores: probability of fraud and decision of each order line of the day.

The newest model promoted by the business date scores the features of the day. Without a model, a
line is compared with its customer's own amounts (`amount_deviation`): standard deviations of its
log amount above their mean. Alerts carry up to three reasons with the numbers of their line.
"""

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.fraud.decisions import with_decision
from lakeshop.fraud.promotion import is_supervised
from lakeshop.fraud.reasons import reasons_of
from lakeshop.fraud.settings import Fraud
from lakeshop.fraud.training import MODEL_NAME
from lakeshop.training.inference import Network
from lakeshop.training.registry import LAYER_MODULES, champion
from lakeshop.training.scoring import score
from lakeshop.training.specification import FeatureSpec

WITHOUT_MODEL = "amount_deviation"
DIGITS = 6  # of a score: further ones differ between processors
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
    """Add score, probability (of a supervised model), method and the model's day and digest."""
    columns = FeatureSpec({"features": tuple(model["inputs"])}, ())
    found = score(lines, Network.of(model), columns, "_found", modules=LAYER_MODULES)
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
    """Add as score the deviation above the customer's amounts, where these are known."""
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
    """Add the reasons of alerts; an alert without any has its rank as reason."""
    rank = F.format_string("customer %d by risk of the day", "customer_rank")
    stated = F.when(F.size(why) > 0, why).otherwise(F.array(rank))
    nothing = F.array().cast("array<string>")
    return decided.withColumn("reasons", F.when(is_alert(), stated).otherwise(nothing))


def is_alert() -> Column:
    """True for lines to review or to block."""
    return F.col("decision") != "pass"


def _above_usual() -> Column:
    return F.format_string(
        "amount %s is %.1f standard deviations above this customer's usual %.2f, of %.0f lines",
        F.col("amount").cast("string"), "score", "user_mean_amount", "user_count",
    )  # fmt: skip
