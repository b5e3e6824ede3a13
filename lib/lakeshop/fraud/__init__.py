"""Fraud: transactions that people should review.

Networks are supervised where the shop has labels, else autoencoders. Scores come with reasons.
"""

from lakeshop.contracts.application import Application, Evaluation, Models
from lakeshop.contracts.model import Input

APPLICATION = Application(
    name="fraud",
    package="lakeshop.fraud",
    settings="lakeshop.fraud.settings:Fraud",
    needs=("transactions",),
    sections=("training", "shop"),
    models=Models(
        names=("fraud",),
        inputs=(Input("features.transactions", 400), Input("silver.fraud_labels", None)),
    ),
    evaluation=Evaluation(
        "lakeshop.fraud.evaluation:evaluate",
        inputs=(
            Input("gold.fraud_scores", 0),
            Input("models.fraud", None),
            Input("features.transactions", 400),
            Input("silver.fraud_labels", None),
            Input("silver.users", None),
        ),
    ),
)
