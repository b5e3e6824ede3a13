"""The night: its stages in order, each a function of a run. `jobs/` runs one of them or all."""

from collections.abc import Callable, Mapping
from functools import partial

from lakeshop import features, gold, similarity
from lakeshop.run import Builder, Run
from lakeshop.ops.metrics import evaluate
from lakeshop.silver.clean import clean
from lakeshop.sources.ingest import ingest

Stage = Callable[[Run], None]


def build(tables: Mapping[str, Builder], run: Run) -> None:
    """Make the tables of one stage."""
    run.build(tables)


STAGES: Mapping[str, Stage] = {
    "ingest": ingest,
    "clean": clean,
    "build_features": partial(build, features.TABLES),
    "build_similarity": partial(build, similarity.TABLES),
    "publish": partial(build, gold.TABLES),
    "evaluate": evaluate,
}


def nightly(run: Run) -> None:
    """All stages in order."""
    for stage in STAGES.values():
        stage(run)
