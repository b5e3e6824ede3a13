"""Figures of fraud side by side."""

from collections.abc import Sequence

from lakeshop.engine.metrics import Figure
from lakeshop.storage.run_log import LOG

FRAUD = ("average_precision", "roc_auc", "precision@{k}", "precision@{k}_share", "recall@1%fpr")


def report_fraud(title: str, figures: Sequence[Figure], k: int) -> None:
    """Log how well each method finds fraud, the best first."""
    values = {(method, metric): v for method, metric, segment, v in figures if segment == "all"}
    shown = [name.format(k=k) for name in FRAUD]
    methods = {method for method, _ in values}
    lines, frauds = (max(_number(values[m, name]) for m in methods) for name in ("lines", "frauds"))
    LOG.info("")
    LOG.info("Fraud in the weeks before %s, by models of their time", title)
    heads = "".join(f"{name:>21}" for name in shown)
    LOG.info("  %-26s%s", f"{lines:,.0f} lines, {frauds:,.0f} frauds", heads)
    for method in sorted(methods, key=lambda m: -_number(values[m, shown[0]])):
        cells = "".join(f"{_number(values[method, name]):>21.4f}" for name in shown)
        LOG.info("  %-26s%s", method, cells)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
