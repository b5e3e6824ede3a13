"""Figures of recommendations side by side, and a few recommendations by product name."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakeshop.config.settings import Settings
from lakeshop.engine.metrics import Figure, cell
from lakeshop.storage.run_log import LOG

SHOWN = ("ndcg", "recall", "precision", "hit_rate", "coverage", "novelty")
LISTS = ("merged", "again", "new")


def report(
    title: str, figures: Sequence[Figure], settings: Settings, counted: str = "users"
) -> None:
    """Log the figures of recommendations as one table per list, ours first."""
    values: dict[tuple[str, str, str], float | None] = {
        (segment, method, metric): value for method, metric, segment, value in figures
    }
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
            cells = "".join(cell(values.get((segment, method, name))) for name in SHOWN)
            LOG.info("  %-26s%s   %s", method, cells, _gain(values, segment, method))


def _gain(values: dict[tuple[str, str, str], float | None], segment: str, method: str) -> str:
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
