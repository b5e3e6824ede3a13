"""gold.similar_products: similar products of each product that is still sold and `offered`.

Products from the same baskets come first; where they are too few, products of the same users fill
the list.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import bounded, top_per
from lakeshop.recommendations.offered import offered
from lakeshop.recommendations.settings import RecommendationSettings

MEASURES = ("basket_cosine", "user_cosine")


def similar_products(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per product and rank."""
    settings = context.settings.section(RecommendationSettings)
    sold = tables["features.products"].where(F.col("days_since_purchase") < settings.active_days)
    pairs = between(tables["similarity.neighbours"], offered(sold, tables, context))
    return (
        pairs.transform(once)
        .transform(listed, settings.list_length)
        .transform(with_sentence)
        .withColumn("score", share(F.col("similarity")))
    )


def share(similarity: Column) -> Column:
    """A similarity above 0 to six digits: still above 0 where it is tiny, and 1 at most."""
    return bounded(F.round(similarity, 6), 1e-6, 1.0)


def between(neighbours: DataFrame, products: DataFrame) -> DataFrame:
    """Pairs of `products`, by the measures of this table in their order of preference."""
    mine = products.select("product_id")
    others = mine.select(F.col("product_id").alias("neighbour_id"))
    preference = F.array_position(F.array(*[F.lit(m) for m in MEASURES]), F.col("measure"))
    return (
        neighbours.where(F.col("measure").isin(*MEASURES))
        .join(mine, on="product_id", how="left_semi")
        .join(others, on="neighbour_id", how="left_semi")
        .withColumn("preference", preference)
    )


def once(pairs: DataFrame) -> DataFrame:
    """Each pair once, by the measure preferred."""
    # Partitioned as the lists are, by product: so the pairs are moved only once.
    of_product = W.partitionBy("product_id").orderBy("neighbour_id", "preference")
    is_first = ~F.lag("neighbour_id").over(of_product).eqNullSafe(F.col("neighbour_id"))
    return pairs.withColumn("_is_first", is_first).where("_is_first").drop("_is_first")


def listed(pairs: DataFrame, length: int) -> DataFrame:
    """The first `length` neighbours of each product."""
    best = [F.asc("preference"), F.desc("similarity"), F.asc("neighbour_id")]
    return top_per(pairs.drop("rank"), ["product_id"], best, length)


def with_sentence(pairs: DataFrame) -> DataFrame:
    """Name the similar product, with a sentence of the reason."""
    from_baskets = F.col("measure") == MEASURES[0]
    return pairs.select(
        "product_id",
        "rank",
        F.col("neighbour_id").alias("similar_product_id"),
        "similarity",
        "support",
        F.when(from_baskets, F.lit("same_basket"))
        .otherwise(F.lit("same_users"))
        .alias("reason_code"),
        F.when(from_baskets, F.format_string("bought together in %d baskets", "support"))
        .otherwise(F.format_string("bought by the same %d customers", "support"))
        .alias("reason"),
        F.col("measure").alias("source"),
    )
