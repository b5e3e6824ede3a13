"""Figures of recommendations side by side, and a few recommendations by product name."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Settings
from lakeshop.engine.metrics import Figure, cell
from lakeshop.storage.run_log import LOG

SHOWN = ("ndcg", "recall", "precision", "hit_rate", "coverage", "gini", "novelty")
LISTS = ("merged", "again", "new")  # named here too: each job's start imports this module
OURS = "lakeshop"
GAIN = ("ndcg_gain_of_ours", "ndcg_gain_low", "ndcg_gain_high")
GAP = ("ndcg_gap", "ndcg_gap_low", "ndcg_gap_high")
Values = dict[tuple[str, str, str], float | None]  # by segment, method and metric


def report(
    title: str, figures: Sequence[Figure], settings: Settings, counted: str = "users"
) -> None:
    """Log the figures of recommendations as one table per list, ours first."""
    values: Values = {
        (segment, method, metric): value for method, metric, segment, value in figures
    }
    k = settings.evaluation.cutoff
    LOG.info("")
    LOG.info("Recommendations of %s, by the %d days after", title, settings.evaluation.horizon_days)
    for segment in LISTS:
        methods = {method for (s, method, _) in values if s == segment}
        if not methods:
            continue
        users = values.get((segment, OURS, "users")) or 0  # none where nobody bought any of it
        heads = "".join(f"{name + f'@{k}' if name in SHOWN[:4] else name:>14}" for name in SHOWN)
        LOG.info(
            "  %-26s%s   ours less this, nDCG (95 %%)", f"{segment}, {users:,.0f} {counted}", heads
        )
        for method in sorted(methods, key=lambda m: (m != OURS, m)):
            cells = "".join(cell(values.get((segment, method, name))) for name in SHOWN)
            LOG.info("  %-26s%s   %s", method, cells, _interval(values, segment, method, GAIN))
        _report_groups(values, segment, k)


def report_models(night: date, figures: Sequence[Figure]) -> None:
    """Log how networks rank a night held out, and what each source of its candidates reached."""
    LOG.info("")
    LOG.info("Ranking of candidates, on the week after %s, which no network learned from", night)
    for method, metric, _, value in figures:
        if metric == "ndcg":
            LOG.info("  %-26s ndcg %s", method, cell(value))
    shares = {(name, of): value for name, metric, of, value in figures if metric != "ndcg"}
    for name in dict.fromkeys(name for name, _ in shares):
        again, new = (cell(shares.get((name, of))) for of in LISTS[1:])
        LOG.info("  bought and a candidate: %-26s again %s, new %s", name, again, new)


def _report_groups(values: Values, of: str, k: int) -> None:
    """Log the groups that a list serves worse than all others, by more than chance."""
    groups = sorted({segment for segment, _, _ in values if segment.startswith(f"{of} ")})
    for group in groups:
        least_gap = values.get((group, OURS, GAP[-1]))
        if least_gap is None or least_gap >= 0:
            continue
        users, ndcg, coverage, gini = (
            values.get((group, OURS, name)) or 0.0 for name in ("users", "ndcg", "coverage", "gini")
        )
        LOG.info(
            "  served worse: %s, %s users: ndcg@%d %.4f, less that of all others %s; "
            "coverage %.4f, gini %.4f",
            *(group, f"{users:,.0f}", k, ndcg, _interval(values, group, OURS, GAP)),
            *(coverage, gini),
        )


def _interval(values: Values, segment: str, method: str, names: Sequence[str]) -> str:
    """A mean with its 95 % interval, nothing where one of the three is missing."""
    found = [values.get((segment, method, name)) for name in names]
    if any(value is None for value in found):
        return ""
    mean, low, high = (float(value or 0) for value in found)
    return f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"


def show_examples(
    recommendations: DataFrame, products: DataFrame, *, users: int, rows: int
) -> None:
    """Log the first rows of both lists of those likeliest to buy, by product name."""
    # A user's best product is the first of one of the two lists.
    first = recommendations.where(~F.col("is_fallback") & (F.col("rank") == 1))
    best = first.orderBy(F.desc("score"), "user_id").limit(2 * users).select("user_id").collect()
    chosen = list(dict.fromkeys(row["user_id"] for row in best))[:users]
    picked = (
        recommendations.where((F.col("rank") <= rows) & F.col("user_id").isin(chosen))
        .select("user_id", "list", "rank", "product_id", "reason")
        .collect()
    )
    picked.sort(key=lambda row: (row["user_id"], row["list"], row["rank"]))
    ids = sorted({row["product_id"] for row in picked})
    named = products.where(F.col("product_id").isin(ids)).select("product_id", "name").collect()
    names = {row["product_id"]: row["name"] for row in named}
    LOG.info("")
    for row in picked:
        user, name = row["user_id"][:8], names.get(row["product_id"]) or row["product_id"]
        LOG.info("  user %s  %-5s  %-38.38s  %s", user, row["list"], name, row["reason"])
