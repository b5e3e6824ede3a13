"""The reorder plan in ops.metrics: stock, service and cost on the days of a backtest.

`reorder` is filed under a training day. The plan is replayed over the origins of its backtest.
"""

import json
from collections.abc import Sequence
from datetime import date

from pyspark.sql import functions as F

from lakeshop.dates import newest_weekday
from lakeshop.demand.evaluation import figures_of
from lakeshop.demand.forecasting.backtest import ALL
from lakeshop.engine.metrics import EvaluationContext, Figure
from lakeshop.inventory.backtest import REORDER
from lakeshop.inventory.planned import PLAN
from lakeshop.storage.run_log import LOG

BACKTESTS = "ops.backtests"


def evaluate(context: EvaluationContext) -> None:
    """Publish the figures that the replay of the newest training day found."""
    if "stock" not in context.settings.shop.entities:  # no plan was replayed
        return
    day = newest_weekday(context.settings.training.weekday_number, context.last)
    source = (context.content(BACKTESTS, day),)
    if not source[0] or context.is_published(day, REORDER, source):
        return
    figures = _figures(context, day)
    report_plan(figures)
    context.publish(day, REORDER, figures, source)


def _figures(context: EvaluationContext, day: date) -> Sequence[Figure]:
    rows = context.read(BACKTESTS, day, day).where(F.col("segment") == REORDER)
    row = rows.select("figures").first()
    return [] if row is None else figures_of(ALL, json.loads(row["figures"]), chosen=PLAN)


def report_plan(figures: Sequence[Figure]) -> None:
    """Log what the reorder plan kept and lost beside a fixed rule; nothing where no stock is.

    Args:
        figures: rows of method, metric, segment, value.
    """
    values = {(method, metric): value or 0.0 for method, metric, _, value in figures}
    methods = {method for method, metric in values if metric == "fill_rate"}
    for method in sorted(methods, key=lambda m: m != "lakeshop"):
        rate, stock, cost = (values[method, m] for m in ("fill_rate", "average_stock", "cost"))
        LOG.info(
            "  %-26s%s",
            "orders by our plan" if method == "lakeshop" else method.replace("_", " "),
            f"{100 * rate:.1f} % served, stock {stock:,.0f}, cost {cost:,.0f}",
        )
