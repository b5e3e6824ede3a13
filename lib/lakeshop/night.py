"""The night: its stages in order, each a function of a run. `jobs/` runs one of them or all."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from lakeshop import features, gold, similarity, trainers
from lakeshop.builder import Builder
from lakeshop.failures import said
from lakeshop.frames import latest_versions
from lakeshop.journal import LOG
from lakeshop.ops.metrics import evaluate
from lakeshop.ops.report import show_examples
from lakeshop.run import Run
from lakeshop.silver.clean import clean, verify_mapping
from lakeshop.sources.ingest import ingest
from lakeshop.trainers.champions import verify_champions

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


# Those that others wait for come first.
BUILT = {**similarity.TABLES, **features.TABLES, **trainers.TABLES, **gold.TABLES}
STAGES: Mapping[str, Stage] = {
    "ingest": load,
    "clean": clean,
    "build_features": partial(build, features.TABLES),
    "build_similarity": partial(build, similarity.TABLES),
    "train": partial(build_with_models, trainers.TABLES),
    "publish": partial(build_with_models, gold.TABLES),
    "evaluate": evaluate,
}


def nightly(run: Run) -> None:
    """All stages in order, then a summary.

    What is built from silver is made as one, so that a table waits for its own inputs only. What
    comes after it only tells of the night: where that fails, a warning says so.
    """
    started = time.monotonic()
    for stage in (verify_champions, load, clean, partial(build, BUILT)):
        stage(run)
    told("metrics", evaluate, run)
    told("the summary", lambda run: summary(run, time.monotonic() - started), run)


def told(what: str, tell: Stage, run: Run) -> None:
    """Tell of a night whose tables are published: they are right, whatever goes wrong here."""
    try:
        tell(run)
    except Exception as error:
        LOG.warning(
            "%s of %s failed, all tables are published; jobs/evaluate.py makes metrics again: %s",
            *(what, run.last, said(error)),
        )


def summary(run: Run, seconds: float) -> None:
    """Tell a person what the night left behind, with a few recommendations by name."""
    LOG.info("")
    days = f"{run.last}" if run.first == run.last else f"{run.first} to {run.last}"
    LOG.info("%s, %s: done in %.0f s.", run.settings.shop.name, days, seconds)
    for table in gold.TABLES:
        published = run.ledger.publication(table, run.last)
        rows = published.content.rows if published else 0
        LOG.info("  %-26s %10s rows of %s", table, f"{rows:,}", run.last)
    products = run.lake.read("silver.products", None, run.last)
    show_examples(
        run.lake.read("gold.recommendations", run.last, run.last),
        latest_versions(products, ["product_id"]),
        users=2,
        rows=3,
    )
    LOG.info("Tables lie below %s", run.lake.root)
