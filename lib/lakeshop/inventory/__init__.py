"""Inventory: order quantities and order days.

Orders follow from the quantiles of demand until the next order arrives, levels and packs.
"""

from lakeshop.contracts.application import Application, Evaluation
from lakeshop.contracts.model import Input

APPLICATION = Application(
    name="inventory",
    package="lakeshop.inventory",
    settings="lakeshop.inventory.settings:InventorySettings",
    needs=("transactions", "demand"),
    sections=("demand", "training"),
    evaluation=Evaluation(
        "lakeshop.inventory.evaluation:evaluate", inputs=(Input("ops.backtests", 0),)
    ),
    extensions={"ops.backtests": "lakeshop.inventory.backtest:reorder_segment"},
)
