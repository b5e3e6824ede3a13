"""Recommendations: what to offer to whom.

Two lists per user, of products bought before and of others, and similar products of each product.
"""

from lakeshop.contracts.application import Application, Evaluation, Models
from lakeshop.contracts.model import Input

APPLICATION = Application(
    name="recommendations",
    package="lakeshop.recommendations",
    settings="lakeshop.recommendations.settings:RecommendationSettings",
    needs=("transactions",),
    sections=("similarity", "features", "training", "shop", "evaluation"),
    models=Models(
        names=("recommendations",),
        inputs=(
            Input("features.user_product_days", 440),
            Input("features.product_days", 440),
            Input("features.user_products", 35),
            Input("features.users", 35),
            Input("features.products", 35),
            Input("similarity.neighbours", 35),
            Input("silver.transactions", 440),
            Input("silver.promotions", None, all_versions=True),
            Input("silver.products", None, all_versions=True),
            Input("silver.stock", 50),
        ),
    ),
    evaluation=Evaluation(
        "lakeshop.recommendations.evaluation:evaluate",
        inputs=(
            Input("gold.recommendations", 7),
            Input("features.user_product_days", 7),
            Input("features.users", 7),
            Input("features.products", 7),
            Input("features.user_products", 7),
            Input("similarity.neighbours", 20),
            Input("silver.users", None),
            Input("models.recommendations", 7),
        ),
    ),
    faults="lakeshop.recommendations.settings:faults",
)
