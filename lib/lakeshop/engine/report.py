"""What a person reads at the end of a night: figures side by side, and a few recommendations."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from lakeshop.config.settings import Settings
from lakeshop.storage.run_log import LOG

SHOWN = ("ndcg", "recall", "precision", "hit_rate", "coverage", "novelty")
LISTS = ("merged", "again", "new")


def report(title: str, figures: DataFrame, settings: Settings, counted: str = "users") -> None:
    """Log the figures of recommendations as one table per list, ours first."""
    values = {(r["segment"], r["method"], r["metric"]): r["value"] for r in figures.collect()}
    k = settings.evaluation.cutoff
    LOG.info("")
    LOG.info("Recommendations of %s, by the %d days after", title, settings.evaluation.horizon_days)
    for segment in LISTS:
        methods = {method for (s, method, _) in values if s == segment}
        if not methods:
            continue
        users = values[segment, "lakeshop", "users"]
        heads = "".join(f"{name + f'@{k}' if name in SHOWN[:4] else name:>14}" for name in SHOWN)
        LOG.info(
            "  %-26s%s   ours less this, nDCG (95 %%)", f"{segment}, {users:,.0f} {counted}", heads
        )
        for method in sorted(methods, key=lambda m: (m != "lakeshop", m)):
            cells = "".join(_cell(values.get((segment, method, name))) for name in SHOWN)
            LOG.info("  %-26s%s   %s", method, cells, _gain(values, segment, method))


def _cell(value: float | None) -> str:
    return f"{'-':>14}" if value is None else f"{value:>14.4f}"


def _gain(values: dict[tuple[str, str, str], float], segment: str, method: str) -> str:
    names = ("ndcg_gain_of_ours", "ndcg_gain_low", "ndcg_gain_high")
    found = [values.get((segment, method, name)) for name in names]
    if any(value is None for value in found):
        return ""
    mean, low, high = (float(value or 0) for value in found)
    return f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"


def show_examples(
    recommendations: DataFrame, products: DataFrame, *, users: int, rows: int
) -> None:
    """Log the first rows of both lists of those likeliest to buy, by product name."""
    names = products.select("product_id", "name")
    best = recommendations.where(~F.col("is_fallback")).groupBy("user_id")
    chosen = best.agg(F.max("score").alias("score")).orderBy(F.desc("score"), "user_id")
    picked = (
        recommendations.where(F.col("rank") <= rows)
        .join(F.broadcast(chosen.limit(users)), on="user_id", how="left_semi")
        .join(names, on="product_id", how="left")
        .orderBy("user_id", "list", "rank")
        .select("user_id", "list", F.coalesce("name", "product_id").alias("name"), "reason")
    )
    LOG.info("")
    for row in picked.collect():
        user = row["user_id"][:8]
        LOG.info("  user %s  %-5s  %-38.38s  %s", user, row["list"], row["name"], row["reason"])


FRAUD = ("average_precision", "roc_auc", "precision@{k}", "precision@{k}_share", "recall@1%fpr")


def report_fraud(title: str, figures: Sequence[Row], k: int) -> None:
    """Log how well each method finds fraud, the best first."""
    values = {(r["method"], r["metric"]): r["value"] for r in figures if r["segment"] == "all"}
    shown = [name.format(k=k) for name in FRAUD]
    methods = {method for method, _ in values}
    lines, frauds = (max(values[m, name] for m in methods) for name in ("lines", "frauds"))
    LOG.info("")
    LOG.info("Fraud in the weeks before %s, by models of their time", title)
    heads = "".join(f"{name:>21}" for name in shown)
    LOG.info("  %-26s%s", f"{lines:,.0f} lines, {frauds:,.0f} frauds", heads)
    for method in sorted(methods, key=lambda m: -_number(values[m, shown[0]])):
        cells = "".join(f"{_number(values[method, name]):>21.4f}" for name in shown)
        LOG.info("  %-26s%s", method, cells)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


FORECAST = ("wrmsse", "weekly_wape", "bias", "scaled_pinball")
FORECASTERS = (
    "lakeshop", "network", "mean_56", "seasonal_naive", "tsb", "croston_sba", "own_quantiles"
)  # fmt: skip


def report_forecasts(title: str, figures: Sequence[tuple[str, str, str, float]]) -> None:
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
            cells = "".join(f"{_cell(values.get((method, name))):>16}" for name in FORECAST)
            LOG.info("  %-26s%s", method, cells)


def report_plan(figures: Sequence[tuple[str, str, str, float]]) -> None:
    """Log what the reorder plan kept and lost beside a fixed rule; nothing where no stock is.

    Args:
        figures: rows of method, metric, segment, value.
    """
    values = {(method, metric): value for method, metric, _, value in figures}
    methods = {method for method, metric in values if metric == "fill_rate"}
    for method in sorted(methods, key=lambda m: m != "lakeshop"):
        rate, stock, cost = (values[method, m] for m in ("fill_rate", "average_stock", "cost"))
        LOG.info(
            "  %-26s%s",
            "orders by our plan" if method == "lakeshop" else method.replace("_", " "),
            f"{100 * rate:.1f} % served, stock {stock:,.0f}, cost {cost:,.0f}",
        )
