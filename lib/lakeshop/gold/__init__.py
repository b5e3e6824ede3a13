"""features, similarity, models -> gold: the tables that people open in the morning."""

from collections.abc import Mapping

from lakeshop.builder import Builder
from lakeshop.gold.category_forecasts import category_forecasts
from lakeshop.gold.fraud_scores import fraud_scores
from lakeshop.gold.inventory_forecasts import inventory_forecasts
from lakeshop.gold.recommendations import recommendations
from lakeshop.gold.reorder_plan import reorder_plan
from lakeshop.gold.similar_products import similar_products

TABLES: Mapping[str, Builder] = {
    "gold.recommendations": recommendations,
    "gold.similar_products": similar_products,
    "gold.inventory_forecasts": inventory_forecasts,
    "gold.category_forecasts": category_forecasts,
    "gold.reorder_plan": reorder_plan,
    "gold.fraud_scores": fraud_scores,
}
