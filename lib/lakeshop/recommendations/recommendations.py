"""gold.recommendations: for each user two lists, products to buy again and products to try.

Candidates come from what the user bought and looked at, from neighbours of these, and from their
departments. The champion of models.recommendations gives each the probability of a purchase in the
coming week, so that both lists merge by score; without one the prior terms do. Rules of the shop
have the last word. Each pick has a reason.

Fallback: users who did nothing get popular products. So does "*", for users outside the table.
Products that are no longer sold are left out, and those that cannot be `offered`.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import bounded
from lakeshop.features.exclusions import without_excluded
from lakeshop.recommendations.discover import popular_list
from lakeshop.recommendations.features import are_known
from lakeshop.recommendations.listing import PICKS, Night, Ranker, lists_of
from lakeshop.recommendations.offered import newest_units, offered
from lakeshop.recommendations.pairs import Known, acted_on, in_slices, shelf, shelf_rows, user_rows
from lakeshop.recommendations.rules import as_excluded, groups_of, hidden_of, rules_of
from lakeshop.recommendations.settings import RecommendationSettings
from lakeshop.recommendations.training import serving
from lakeshop.training.inference import Network

EVERYBODY = "*"
DIGITS = 6  # of a score


def recommendations(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user, list and rank."""
    settings = context.settings.section(RecommendationSettings)
    # Its newest versions are read several times.
    tables = {**tables, "silver.products": context.cache(tables["silver.products"])}
    known = Known(
        context.day,
        tables["features.user_products"],
        tables["features.users"],
        tables["features.products"],
        tables["similarity.neighbours"],
    )
    night = _night(known, tables, context)
    sent = tables["features.users"].sparkSession.sparkContext.broadcast(night)
    rows = user_rows(known, tables, context)
    listed = rows.mapInArrow(_lister(sent), PICKS).withColumns(_written())
    catalogue = tables["silver.products"]
    is_sold = F.col("days_since_purchase") < settings.active_days
    on_sale = offered(tables["features.products"].where(is_sold), tables, context)
    never = as_excluded(settings.rules.never)
    on_sale, in_range = (
        without_excluded(rows_, catalogue, never)
        for rows_ in (on_sale, offered(catalogue, tables, context))
    )
    popular = popular_list(on_sale, in_range, strangers(known, tables, context), settings)
    return (
        listed.drop("times", "interval", "last_age")
        .unionByName(popular, allowMissingColumns=True)
        .transform(with_sentences, catalogue)
        .withColumn("score", probability(F.col("log_odds")))
    )


def _night(known: Known, tables: Tables, context: BuildContext) -> Night:
    settings = context.settings.section(RecommendationSettings)
    rows = shelf_rows(known, tables, context)
    rules = rules_of(settings, rows, _stock(tables, context))
    for name in rules.unmatched:
        context.warn(f"recommendations.rules: {name} fits no product that may be shown")
    row = serving(tables["models.recommendations"])
    ranker = None
    if row is not None and are_known(row["inputs"]):
        ranker = Ranker(Network.of(row), tuple(row["inputs"]), np.array(row["usual"]))
    elif row is not None:
        context.warn(
            "recommendations: the champion reads inputs of another version, the prior ranks"
        )
    # What is never shown takes no candidate's place.
    shown = rows.assign(is_offered=~rules.never)
    return Night(
        known.day,
        shelf(shown, known, context),
        groups_of(rows),
        rules,
        settings,
        context.settings.features.preferred_departments,
        ranker,
        hidden_of(settings, rows),
    )


def _stock(tables: Tables, context: BuildContext) -> pd.DataFrame | None:
    """Units in stock by product, where a rule of the shop asks for them."""
    boosts = context.settings.section(RecommendationSettings).rules.boost
    if all(boost.stock_above is None for boost in boosts):
        return None
    return newest_units(tables["silver.stock"], context.day).toPandas()


def _lister(
    night: Broadcast[Night],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def made(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in in_slices(batches):
            yield lists_of(batch, night.value)

    return made


def _written() -> dict[str, Column]:
    """The sentences of reasons that need no name, and that nothing here is a fallback."""
    code = F.col("reason_code")
    ago = F.when(F.col("last_age") == 0, F.lit("today")).otherwise(
        F.concat(F.col("last_age").cast("string"), F.lit(" days ago"))
    )
    every = F.format_string("you buy this about every %d days", "interval")
    return {
        "reason": F.when(code == "rebuy_interval", every).when(
            code == "bought_before", F.concat(F.lit("you bought this "), ago)
        ),
        "is_fallback": F.lit(False),
    }


def probability(log_odds: Column) -> Column:
    """The probability of log-odds, to six digits: never 0 or 1, however sure the terms are."""
    rounded = F.round(1 / (1 + F.exp(-log_odds)), DIGITS)
    return bounded(rounded, 10**-DIGITS, 1 - 10**-DIGITS)


def strangers(known: Known, tables: Tables, context: BuildContext) -> DataFrame:
    """user_id of users known to the shop who did nothing yet, and "*" for everybody else."""
    everybody = known.users.sparkSession.createDataFrame([(EVERYBODY,)], "user_id STRING")
    named = tables["silver.users"].select("user_id")
    seen = tables["features.user_product_days"].where(F.col("lines") <= 0).select("user_id")
    acting = known.habits.select("user_id").union(
        acted_on(known, tables, context).select("user_id")
    )
    others = named.union(seen).distinct().join(acting.distinct(), "user_id", "left_anti")
    return everybody.union(others)


def with_sentences(listed: DataFrame, products: DataFrame) -> DataFrame:
    """Write out the reasons that name a product or a department of the catalogue."""
    departments = products.select(
        "product_id",
        F.initcap("department").alias("_department"),
        F.initcap("category").alias("_category"),
    )
    causes = products.select(
        F.col("product_id").alias("because_product_id"), F.col("name").alias("_because")
    )
    return (
        listed.join(departments, on="product_id", how="left")
        .join(causes, on="because_product_id", how="left")
        .withColumn("reason", F.coalesce("reason", _sentence()))
        .drop("_department", "_category", "_because")
    )


def _sentence() -> Column:
    cause = F.coalesce("_because", F.concat(F.lit("product "), F.col("because_product_id")))
    place = F.coalesce(F.concat(F.lit(" in "), F.col("_department")), F.lit(""))
    group = F.coalesce("_category", "_department", F.lit("this"))
    texts = {
        "bought_with": F.concat(F.lit("bought with "), cause),
        "popular": F.concat(F.lit("popular"), place, F.lit(" this week")),
        "in_the_range": F.concat(F.lit("part of our range"), place),
        "looked_at": F.lit("you looked at this lately"),
        "of_your_taste": F.concat(F.lit("as you often buy "), group),
        "promoted": F.lit("on promotion"),
        "cheaper_now": F.lit("costs less than it used to"),
        "new_arrival": F.concat(F.lit("new"), place),
        "to_try": F.concat(F.lit("something else"), place),
        "chosen_by_shop": F.lit("recommended by the shop"),
    }
    code = F.col("reason_code")
    return F.coalesce(*[F.when(code == name, text) for name, text in texts.items()])
