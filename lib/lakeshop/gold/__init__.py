"""features, similarity, models -> gold: the tables that people open in the morning."""

from collections.abc import Mapping

from lakeshop.gold.recommendations import recommendations
from lakeshop.gold.similar_products import similar_products
from lakeshop.run import Builder

TABLES: Mapping[str, Builder] = {
    "gold.recommendations": recommendations,
    "gold.similar_products": similar_products,
}
