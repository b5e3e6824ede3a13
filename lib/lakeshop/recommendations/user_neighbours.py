"""similarity.user_neighbours: the users most like each user, by what they bought.

The kernel, blocks and laws are those of `similarity.neighbours`, turned round: users are the items,
and a product is the history of its buyers. Of a product with more than `max_history` buyers the
newest count: what everybody buys says little of anybody, and costs most.

The driver holds nothing of a user: Spark numbers them, in one task that sorts their pseudonyms, and
names the neighbours found. A worker holds some 100 bytes per buyer of a product while it packs,
and 60 per user while it computes. It is off by default, and costs nothing then.
"""

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.engine.context import BuildContext, Tables
from lakeshop.features.exclusions import without_excluded
from lakeshop.features.user_products import habits, kept, purchases_and_refunds
from lakeshop.similarity.catalogue import Numbers
from lakeshop.similarity.interactions import buyer_interactions
from lakeshop.similarity.neighbours import neighbours_of, packed_by

COLUMNS = ("user_id", "rank", "neighbour_id", "similarity", "support")
# As the kernel finds them, users by their numbers.
PAIR = T.StructType(
    [
        T.StructField("measure", T.StringType()),
        *[T.StructField(name, T.IntegerType()) for name in ("product_id", "neighbour_id", "rank")],
        T.StructField("similarity", T.DoubleType()),
        T.StructField("support", T.LongType()),
        T.StructField("expected_support", T.DoubleType()),
    ]
)


def user_neighbours(tables: Tables, context: BuildContext) -> DataFrame:
    """One row per user and rank; none where the shop does not ask for them."""
    options = context.settings.similarity
    days = tables["features.user_product_days"]
    if not options.user_neighbours:
        return days.sparkSession.createDataFrame([], context.schema(*COLUMNS))
    goods = without_excluded(
        days, tables["silver.products"], context.settings.shop.exclude_products
    )
    bought = context.cache(pairs_bought(goods, context))
    users = context.cache(numbered(bought))
    n_users, n_pairs = users.agg(F.count("*"), F.coalesce(F.sum("products"), F.lit(0))).collect()[0]
    interactions = buyer_interactions(bought.join(users, on="user_id"), options.half_life_days)
    histories = packed_by(Numbers(n_users), n_pairs, interactions, options, context.cache)
    if histories.cut.histories:
        context.warn(
            f"{histories.cut.histories} products had more than {options.max_history} buyers: of "
            f"these the newest count, and {histories.cut.interactions} were left out"
        )
    wanted = options.model_copy(update={"neighbours": options.user_neighbours})
    return named(neighbours_of(histories, "user", ("cosine",), wanted, PAIR), users)


def pairs_bought(days: DataFrame, context: BuildContext) -> DataFrame:
    """user_id, product_id and days_since_purchase of all that was bought and not brought back."""
    plain, moved = (
        kept(habits(part, context.day, context.settings.features))
        for part in purchases_and_refunds(days)
    )
    return plain.unionByName(moved).select("user_id", "product_id", "days_since_purchase")


def numbered(bought: DataFrame) -> DataFrame:
    """user_id, its count of `products` and its `number` from 0: most products first, then by id."""
    users = bought.groupBy("user_id").agg(F.count("*").alias("products"))
    place = F.row_number().over(W.orderBy(F.desc("products"), F.asc("user_id")))
    return users.withColumn("number", place - 1)


def named(found: DataFrame, users: DataFrame) -> DataFrame:
    """Neighbours by pseudonyms instead of numbers."""
    own = users.select(F.col("number").alias("product_id"), "user_id")
    other = users.select(F.col("number").alias("_other"), F.col("user_id").alias("_other_id"))
    return (
        found.withColumnRenamed("neighbour_id", "_other")
        .join(own, on="product_id")
        .join(other, on="_other")
        .withColumnRenamed("_other_id", "neighbour_id")
        .select(*COLUMNS)
    )
