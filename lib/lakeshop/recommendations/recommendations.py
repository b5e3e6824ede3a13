"""gold.recommendations: for each user two lists, products to buy again and products to try.

`again` ranks the user's past products by habit, recency, the repeat rate of the product, and
whether it is due. `new` ranks other products by the linear item-item model of the user's purchases,
by popularity and by promotion. Scores of both are probabilities of a purchase in the coming week,
so that the lists merge by score.

Fallback: users without purchases get popular products. So does "*", for users outside the table.
Products that are no longer sold are left out, and those that cannot be `offered`.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import bounded
from lakeshop.recommendations.buy_again import again_list
from lakeshop.recommendations.discover import new_list, popular_list
from lakeshop.recommendations.offered import offered
from lakeshop.recommendations.settings import RecommendationSettings

EVERYBODY = "*"
DIGITS = 6  # of a score


def recommendations(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user, list and rank."""
    settings = context.settings.section(RecommendationSettings)
    # Its newest versions are read six times.
    tables = {**tables, "silver.products": context.cache(tables["silver.products"])}
    products, users = tables["features.products"], tables["features.users"]
    is_sold = F.col("days_since_purchase") < settings.active_days
    on_sale = offered(products.where(is_sold), tables, context)
    habits = tables["features.user_products"]
    weights = tables["similarity.neighbours"].where(F.col("measure") == settings.new_measure)
    again = again_list(habits, on_sale, users, settings)
    new = new_list(habits, on_sale, users, weights, settings)
    catalogue, strangers = tables["silver.products"], users_without_purchase(tables)
    popular = popular_list(on_sale, offered(catalogue, tables, context), strangers, settings)
    return (
        again.unionByName(new)
        .unionByName(popular)
        .transform(with_sentences, catalogue)
        .withColumn("score", probability(F.col("log_odds")))
    )


def probability(log_odds: Column) -> Column:
    """The probability of log-odds, to six digits: never 0 or 1, however sure the terms are."""
    rounded = F.round(1 / (1 + F.exp(-log_odds)), DIGITS)
    return bounded(rounded, 10**-DIGITS, 1 - 10**-DIGITS)


def users_without_purchase(tables: Tables) -> DataFrame:
    """user_id of users known to the shop who never bought, and "*" for everybody else."""
    users = tables["features.users"]
    everybody = users.sparkSession.createDataFrame([(EVERYBODY,)], "user_id STRING")
    known = tables["silver.users"].select("user_id")
    seen = tables["features.user_product_days"].where(F.col("lines") <= 0).select("user_id")
    return everybody.union(known.union(seen).distinct().join(users, "user_id", "left_anti"))


def with_sentences(listed: DataFrame, products: DataFrame) -> DataFrame:
    """Write out the reasons that name a product or a department of the catalogue."""
    departments = products.select("product_id", F.initcap("department").alias("_department"))
    causes = products.select(
        F.col("product_id").alias("because_product_id"), F.col("name").alias("_because")
    )
    return (
        listed.join(departments, on="product_id", how="left")
        .join(causes, on="because_product_id", how="left")
        .withColumn("reason", F.coalesce("reason", _sentence()))
        .drop("_department", "_because")
    )


def _sentence() -> Column:
    cause = F.coalesce("_because", F.concat(F.lit("product "), F.col("because_product_id")))
    place = F.coalesce(F.concat(F.lit(" in "), F.col("_department")), F.lit(""))
    code = F.col("reason_code")
    return (
        F.when(code == "bought_with", F.concat(F.lit("bought with "), cause))
        .when(code == "popular", F.concat(F.lit("popular"), place, F.lit(" this week")))
        .when(code == "in_the_range", F.concat(F.lit("part of our range"), place))
    )
