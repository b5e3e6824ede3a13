"""gold.similar_products: similar products of each product that is still sold and `offered`.

Complements are bought with it: in the same baskets, more often than by chance. Substitutes are
alternatives of its category: looked at in the same visits, or bought by the same users, more often
than by chance, but not in the same baskets. So do McAuley et al. ("Inferring networks of
substitutable and complementary products", 2015) tell them apart by what is viewed and what is
bought together. Tian et al. ("Extracting complements and substitutes from sales data", 2021) do it
by sales alone, against chance. Other pairs are `related`.

A pair that is not among the basket neighbours counts as not bought together.
"""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.engine.transforms import bounded, top_per
from lakeshop.recommendations.offered import offered
from lakeshop.recommendations.settings import RecommendationSettings

PAIR = ("product_id", "neighbour_id", "relation", "basis")
COMPLEMENT, SUBSTITUTE, RELATED = "complement", "substitute", "related"
# Of a relation with several, in the order of preference.
MEASURES = {"visit": "visit_cosine", "user": "user_cosine", "basket": "basket_cosine"}
REASON_CODES = {"visit": "same_visit", "user": "same_users", "basket": "same_basket"}
REASONS = {
    "visit": "looked at in the same %d visits",
    "user": "bought by the same %d customers",
    "basket": "bought together in %d baskets",
}
ALTERNATIVES = {"visit": "an alternative, ", "user": "an alternative of the same kind, "}


def similar_products(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per product and rank."""
    settings = context.settings.section(RecommendationSettings)
    sold = tables["features.products"].where(F.col("days_since_purchase") < settings.active_days)
    products = with_kind(offered(sold, tables, context), tables["silver.products"])
    return (
        between(tables["similarity.neighbours"], context.cache(products))
        .transform(told_apart)
        .transform(listed, settings.list_length)
        .transform(with_sentence)
        .withColumn("score", share(F.col("similarity")))
    )


def share(similarity: Column) -> Column:
    """A similarity above 0 to six digits: still above 0 where it is tiny, and 1 at most."""
    return bounded(F.round(similarity, 6), 1e-6, 1.0)


def with_kind(products: DataFrame, catalogue: DataFrame) -> DataFrame:
    """product_id and `kind`, a hash of department and category; NULL without a category."""
    kind = F.when(F.col("category").isNotNull(), F.xxhash64("department", "category"))
    kinds = catalogue.select("product_id", kind.alias("kind"))
    return products.select("product_id").join(kinds, on="product_id", how="left")


def between(neighbours: DataFrame, products: DataFrame) -> DataFrame:
    """Pairs of `products` by the measures of this table: a row per pair and measure.

    `met` is the place of the measure in MEASURES, from 1. `is_often` tells whether they meet more
    often than by chance. Neighbours of an older lake do not say so: theirs do.
    """
    others = products.select(
        F.col("product_id").alias("neighbour_id"), F.col("kind").alias("other_kind")
    )
    is_often = F.coalesce(F.col("support") > F.col("expected_support"), F.lit(True))
    measures = F.array(*[F.lit(measure) for measure in MEASURES.values()])
    # One id and number per product: small beside their neighbours, which are moved once.
    return (
        neighbours.where(F.col("measure").isin(*MEASURES.values()))
        .join(F.broadcast(products), on="product_id")
        .join(F.broadcast(others), on="neighbour_id")
        .select(
            "product_id",
            "neighbour_id",
            F.array_position(measures, F.col("measure")).cast("int").alias("met"),
            is_often.alias("is_often"),
            (F.col("kind") == F.col("other_kind")).alias("is_same_kind"),
            "similarity",
            "support",
        )
    )


def told_apart(pairs: DataFrame) -> DataFrame:
    """Each pair once, with its `relation`, and the `basis` that tells of it."""
    # Partitioned as the lists are, by product: so the pairs are moved only once.
    found = (
        pairs.repartition("product_id")
        .groupBy("product_id", "neighbour_id")
        .agg(
            F.bool_or("is_same_kind").alias("is_same_kind"),
            *[
                F.max(F.when(F.col("met") == place, F.col(name))).alias(f"{basis}_{name}")
                for place, basis in enumerate(MEASURES, 1)
                for name in ("is_often", "similarity", "support")
            ],
        )
    )
    looked_at, bought, together = (
        F.coalesce(f"{basis}_is_often", F.lit(False)) for basis in ("visit", "user", "basket")
    )
    # Of unknown categories views can tell, but purchases cannot.
    may_be, is_same = (F.coalesce("is_same_kind", F.lit(unknown)) for unknown in (True, False))
    relation = (
        F.when(together, F.lit(COMPLEMENT))
        .when((looked_at & may_be) | (bought & is_same), F.lit(SUBSTITUTE))
        .otherwise(F.lit(RELATED))
    )
    basis = (
        F.when(together, F.lit("basket"))
        .when(looked_at, F.lit("visit"))
        .when(F.col("user_support").isNotNull(), F.lit("user"))
        .when(F.col("visit_support").isNotNull(), F.lit("visit"))
        .otherwise(F.lit("basket"))
    )
    told = found.withColumns({"relation": relation, "basis": basis})
    values = {
        name: by_basis({basis: F.col(f"{basis}_{name}") for basis in MEASURES})
        for name in ("similarity", "support")
    }
    return told.withColumns(values).select(*PAIR, *values)


def by_basis(values: Mapping[str, Column]) -> Column:
    """The value of a row's basis."""
    return F.coalesce(*[F.when(F.col("basis") == b, value) for b, value in values.items()])


def listed(pairs: DataFrame, length: int) -> DataFrame:
    """The `length` neighbours of each product: complements, substitutes, then related ones.

    Complements and substitutes have half of the list each, and what the others leave free.
    """
    preference = F.array_position(F.array(*[F.lit(basis) for basis in MEASURES]), F.col("basis"))
    best = [preference, F.desc("similarity"), F.asc("neighbour_id")]
    # Sorted by product and relation, rows need not be sorted again to be counted by product.
    first = top_per(pairs, ["product_id", "relation"], best, length)
    complements, substitutes = (
        F.count_if(F.col("relation") == relation).over(W.partitionBy("product_id"))
        for relation in (COMPLEMENT, SUBSTITUTE)
    )
    half = F.lit((length + 1) // 2)
    counted = first.withColumns({"_complements": complements, "_substitutes": substitutes})
    shared = F.least("_complements", F.greatest(half, length - F.col("_substitutes")))
    left = F.least(F.col("_substitutes"), length - F.col("_complements"))
    rooms = counted.withColumn("_complements", shared).withColumn("_substitutes", left)
    room = by_relation(F.col("_complements"), F.col("_substitutes"), F.lit(length))
    before = F.col("_complements"), F.col("_complements") + F.col("_substitutes")
    place = F.col("rank") + by_relation(F.lit(0), *before)
    return (
        rooms.where(F.col("rank") <= room)
        .withColumn("rank", place.cast("int"))
        .where(F.col("rank") <= length)
        .drop("_complements", "_substitutes")
    )


def by_relation(complement: Column, substitute: Column, related: Column) -> Column:
    """The value of a row's relation."""
    relation = F.col("relation")
    of_others = F.when(relation == SUBSTITUTE, substitute).otherwise(related)
    return F.when(relation == COMPLEMENT, complement).otherwise(of_others)


def with_sentence(pairs: DataFrame) -> DataFrame:
    """Name the similar product, with a sentence of the reason."""
    sentences = {basis: F.format_string(said, "support") for basis, said in REASONS.items()}
    is_alternative = F.col("relation") == SUBSTITUTE
    beginnings = {basis: F.lit(said) for basis, said in ALTERNATIVES.items()}
    beginning = F.when(is_alternative, by_basis(beginnings)).otherwise(F.lit(""))
    return pairs.select(
        "product_id",
        "rank",
        F.col("neighbour_id").alias("similar_product_id"),
        "similarity",
        "support",
        "relation",
        by_basis({basis: F.lit(code) for basis, code in REASON_CODES.items()}).alias("reason_code"),
        F.concat(beginning, by_basis(sentences)).alias("reason"),
        by_basis({basis: F.lit(measure) for basis, measure in MEASURES.items()}).alias("source"),
    )
