"""The night: its stages in order, each a function of a run. `jobs/` runs one of them or all."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module

from lakeshop.bronze.ingest import ingest
from lakeshop.engine.context import Builder
from lakeshop.engine.failures import summarize_error
from lakeshop.engine.report import show_examples
from lakeshop.engine.run import Run
from lakeshop.engine.transforms import latest_versions
from lakeshop.events import SUMMARY, days_of, event
from lakeshop.recommendations.evaluation import evaluate
from lakeshop.silver.clean import clean, verify_mapping
from lakeshop.storage.run_log import LOG
from lakeshop.training.champions import verify_champions

Stage = Callable[[Run], None]


def build(tables: Mapping[str, Builder], run: Run) -> None:
    """Make the tables of one stage, or of several."""
    run.build(tables)


def load(run: Run) -> None:
    """Load what was delivered, if it could be cleaned."""
    verify_mapping(run)
    ingest(run)


def build_with_models(tables: Mapping[str, Builder], run: Run) -> None:
    """Make the tables of a stage that uses the models there are."""
    verify_champions(run)
    build(tables, run)


# Each table's builder is the function of its name in the module of that name. Those that others
# wait for come first.
PACKAGES: Mapping[str, Mapping[str, str]] = {
    "similarity": {"similarity.neighbours": "similarity"},
    "features": {
        "features.user_product_days": "features",
        "features.product_days": "features",
        "features.user_products": "features",
        "features.users": "features",
        "features.products": "features",
        "features.demand": "demand",
        "features.transactions": "fraud",
    },
    "models": {"ops.models": "training", "ops.backtests": "demand"},
    "gold": {
        "gold.recommendations": "recommendations",
        "gold.similar_products": "recommendations",
        "gold.inventory_forecasts": "demand",
        "gold.category_forecasts": "demand",
        "gold.reorder_plan": "inventory",
        "gold.fraud_scores": "fraud",
    },
}


def _builder(table: str, package: str) -> Builder:
    name = table.partition(".")[2]
    builder: Builder = getattr(import_module(f"lakeshop.{package}.{name}"), name)
    return builder


TABLES = {
    layer: {table: _builder(table, package) for table, package in tables.items()}
    for layer, tables in PACKAGES.items()
}
BUILT = {table: builder for tables in TABLES.values() for table, builder in tables.items()}
STAGES: Mapping[str, Stage] = {
    "ingest": load,
    "clean": clean,
    "build_features": partial(build, TABLES["features"]),
    "build_similarity": partial(build, TABLES["similarity"]),
    "train": partial(build_with_models, TABLES["models"]),
    "publish": partial(build_with_models, TABLES["gold"]),
    "evaluate": evaluate,
}


def nightly(run: Run) -> None:
    """All stages in order, then a summary.

    What is built from silver is made as one, so that a table waits for its own inputs only. What
    comes after it only tells of the night: where that fails, a warning says so.
    """
    entities = run.settings.shop.entities
    run.progress.expect(f"{layer}.{name}" for layer in ("bronze", "silver") for name in entities)
    run.progress.expect(BUILT)
    verify_champions(run)
    load(run)
    run.progress.end("bronze")
    clean(run)
    run.progress.end("silver")
    build(BUILT, run)
    best_effort("metrics", evaluate, run)
    best_effort("the summary", summary, run)


def best_effort(what: str, tell: Stage, run: Run) -> None:
    """Tell of a night whose tables are published: they are right, whatever goes wrong here."""
    try:
        tell(run)
    except Exception as error:
        LOG.warning(
            "%s of %s failed, all tables are published; jobs/evaluate.py makes metrics again: %s",
            *(what, run.last, summarize_error(error)),
        )


def summary(run: Run) -> None:
    """Tell a person what the night left behind, with a few recommendations by name."""
    LOG.info("", extra=event(SUMMARY))
    for table in TABLES["gold"]:
        published = run.ledger.publication(table, run.last)
        if rows := published.content.rows if published else 0:
            figures = event(SUMMARY, table=table, rows=rows, **days_of(run.last, run.last))
            LOG.info("  %-28s%-26s%11s rows", table, run.last, f"{rows:,}", extra=figures)
    products = run.lake.read("silver.products", None, run.last)
    show_examples(
        run.lake.read("gold.recommendations", run.last, run.last),
        latest_versions(products, ["product_id"]),
        users=2,
        rows=3,
    )
    LOG.info("Tables lie below %s", run.lake.root)
