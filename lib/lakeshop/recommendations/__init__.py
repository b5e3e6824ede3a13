"""Recommendations: what to offer to whom.

Two lists per user, of products bought before and of others, and similar products of each product.
"""

from lakeshop.contracts.application import Application, Evaluation
from lakeshop.contracts.model import Input

APPLICATION = Application(
    name="recommendations",
    package="lakeshop.recommendations",
    settings="lakeshop.recommendations.settings:RecommendationSettings",
    needs=("transactions",),
    sections=("similarity", "shop"),
    evaluation=Evaluation(
        "lakeshop.recommendations.evaluation:evaluate",
        inputs=(
            Input("gold.recommendations", 7),
            Input("features.user_product_days", 7),
            Input("features.users", 7),
            Input("features.products", 7),
            Input("features.user_products", 7),
            Input("similarity.neighbours", 20),
        ),
    ),
    faults="lakeshop.recommendations.settings:faults",
)
