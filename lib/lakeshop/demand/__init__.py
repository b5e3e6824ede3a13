"""Demand: how many units will be sold, with quantiles, per series and day.

Local methods and one network of all series compete in a backtest; each kind of series is served by
what did best there.
"""

from lakeshop.contracts.application import Application, Evaluation, Models
from lakeshop.contracts.model import Input

APPLICATION = Application(
    name="demand",
    package="lakeshop.demand",
    settings="lakeshop.demand.settings:DemandSettings",
    needs=("transactions",),
    sections=("training", "shop"),
    models=Models(
        names=("demand", "demand_backtest"),
        inputs=(Input("features.demand", 0),),
    ),
    evaluation=Evaluation(
        "lakeshop.demand.evaluation:evaluate",
        inputs=(
            Input("gold.inventory_forecasts", 7),
            Input("ops.backtests", 0),
            Input("features.product_days", 7),
            Input("silver.stock", 7),
            Input("silver.products", None),
        ),
    ),
)
