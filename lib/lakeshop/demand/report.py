"""Figures of forecasts side by side."""

from collections.abc import Sequence

from lakeshop.engine.metrics import Figure, cell
from lakeshop.storage.run_log import LOG

FORECAST = ("wrmsse", "weekly_wape", "bias", "scaled_pinball")
FORECASTERS = (
    "lakeshop", "network", "mean_56", "seasonal_naive", "tsb", "croston_sba", "own_quantiles"
)  # fmt: skip


def report_forecasts(title: str, figures: Sequence[Figure]) -> None:
    """Log how well methods forecast demand in a backtest, ours first.

    Args:
        title: the training day.
        figures: rows of method, metric, segment, value.
    """
    values = {(method, metric): v for method, metric, segment, v in figures if segment == "all"}
    methods = {method for method, _ in values}
    LOG.info("")
    LOG.info("Forecasts of demand from the nights before %s, all methods on the same days", title)
    LOG.info("  %-26s%s", "", "".join(f"{name:>16}" for name in FORECAST))
    for method in FORECASTERS:
        if method in methods:
            cells = "".join(f"{cell(values.get((method, name))):>16}" for name in FORECAST)
            LOG.info("  %-26s%s", method, cells)
