"""The applications, and the order in which things run; `jobs/` runs a stage or all."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from lakeshop import demand, features, fraud, inventory, recommendations, similarity
from lakeshop.bronze.ingest import ingest
from lakeshop.config.base import FrozenModel
from lakeshop.config.settings import Settings
from lakeshop.config.settings import read_settings as read_any_settings
from lakeshop.contracts.application import Evaluation, resolve
from lakeshop.contracts.model import DAILY, Contract
from lakeshop.engine import cli
from lakeshop.engine.applications import (
    Applications,
    assert_builders,
    choose,
    find,
    section_classes,
)
from lakeshop.engine.catalogue import assemble
from lakeshop.engine.context import BuildContext, Builder, Tables
from lakeshop.engine.metrics import (
    EvaluationContext,
    PublishedFigures,
    SubjectFigures,
    publish_figures,
)
from lakeshop.engine.outcome import Failure, explain, failing_alone
from lakeshop.engine.run import METRICS, Run
from lakeshop.engine.transforms import latest_versions
from lakeshop.events import SUMMARY, days_of, event
from lakeshop.maintenance.maintain import maintain
from lakeshop.preview.check import check
from lakeshop.recommendations.report import show_examples
from lakeshop.silver.clean import assert_entity_mapped, clean
from lakeshop.sources.expressions import assert_expressions
from lakeshop.storage.run_log import LOG
from lakeshop.training.takeover import take_over_models

# A new application is a folder, and its name here.
APPLICATIONS = (
    recommendations.APPLICATION,
    fraud.APPLICATION,
    demand.APPLICATION,
    inventory.APPLICATION,
)
SHARED = features.APPLICATION, similarity.APPLICATION
EVERY_APPLICATION = Applications(SHARED, APPLICATIONS)

Stage = Callable[[Run], None]


def main(job: str, work: Stage | None = None, argv: Sequence[str] | None = None) -> int:
    """Run one job and return its exit code.

    Args:
        job: its name, as in `jobs/<name>.py`.
        work: a function of a run; by default the stage of that name.
        argv: the arguments, by default those of the process.
    """
    stage = work or {**STAGES, "nightly": nightly, "maintain": maintain}[job]
    prepared = stage if job == "maintain" else partial(_prepared, stage)
    shown = check if job == "nightly" else None
    return cli.main(cli.Job(job, prepared, configuration, _look, shown), argv)


def _look(spark: SparkSession, settings: Settings) -> None:
    """Refuse a mapping that Spark cannot do.

    Raises:
        ConfigError: an expression is no SQL over one row.
    """
    assert_expressions(spark, settings.shop.entities)


def configuration(
    conf: Path, schemas: Path, *, env: str, shop: str
) -> tuple[Settings, Applications, dict[str, Contract]]:
    """Read the settings of a shop, choose its applications, and assemble all contracts.

    Raises:
        ConfigError: a file of the configuration is wrong, or an application lacks what it needs.
        ContractError: a contract is not well formed.
    """
    settings = read_settings(conf, env=env, shop=shop)
    applications = choose(settings, APPLICATIONS, SHARED)
    assert_builders(settings, applications)
    contracts = assemble(schemas, applications, find(settings.applications, APPLICATIONS))
    if settings.similarity.schedule == "nightly":
        for table in (similarity.NEIGHBOURS, similarity.USER_NEIGHBOURS):
            contracts[table] = replace(contracts[table], schedule=DAILY)
    return settings, applications, contracts


def all_contracts(schemas: Path) -> dict[str, Contract]:
    """Return the contracts of all tables, every application of this package being on.

    Raises:
        ContractError: a contract is not well formed.
    """
    return assemble(schemas, EVERY_APPLICATION, APPLICATIONS)


def read_settings(conf: Path, *, env: str, shop: str) -> Settings:
    """Read the settings of a shop, its applications' sections among them.

    Raises:
        ConfigError: a file is missing or wrong; all faults in one text.
    """

    def sections(names: tuple[str, ...] | None) -> Mapping[str, type[FrozenModel]]:
        return section_classes(find(names, APPLICATIONS))

    return read_any_settings(conf, env=env, shop=shop, sections=sections)


def _prepared(stage: Stage, run: Run) -> None:
    """Do a stage on a lake that is as this version has it."""
    take_over_models(run)
    stage(run)


def builders(run: Run, *layers: str) -> dict[str, Builder]:
    """Return the builders of the wanted tables of some layers, by table."""
    wanted = run.applications.wanted(run.lake.contracts)
    return {t: _builder(run, t) for t in wanted if t.partition(".")[0] in layers}


def _builder(run: Run, table: str) -> Builder:
    """Return a table's builder; its module is imported as it is called, and may fail alone."""
    owner = run.applications.owner(run.lake.contract(table))
    assert owner is not None, f"{table} is made by an application"
    place = owner.builder(table)

    def build(tables: Tables, context: BuildContext) -> DataFrame:
        made: DataFrame = resolve(place)(tables, context)
        return made

    return build


def load(run: Run) -> None:
    """Load the delivered rows of each entity, if it could be cleaned."""
    ingest(run, assert_entity_mapped)


def build(run: Run, *layers: str) -> None:
    """Make the wanted tables of some layers."""
    run.build(builders(run, *layers))


def build_tables(run: Run, *tables: str) -> None:
    """Make some tables, each after those of them that it reads."""
    run.build({table: _builder(run, table) for table in tables})


def evaluate(run: Run) -> list[str]:
    """Publish the figures of each application; return why some could not be computed."""
    started = time.monotonic()
    published = PublishedFigures(run)
    found: list[SubjectFigures] = []
    faults = []
    for application in run.applications.active:
        if application.evaluation is None:
            continue
        context = EvaluationContext(run, application, published)
        with failing_alone() as errors:
            found += _figures(context, application.evaluation)
        faults += [f"{application.name}: {explain(error)}" for error in errors]
    publish_figures(run, found, started)
    return faults


def _figures(context: EvaluationContext, evaluation: Evaluation) -> list[SubjectFigures]:
    """Return the figures of one application."""
    try:
        resolve(evaluation.function)(context)
    finally:
        context.release()
    return context.found


def evaluate_or_fail(run: Run) -> None:
    """Publish the figures of each application; those that fail end the job with 1."""
    for fault in evaluate(run):
        run.failures.append(Failure(METRICS, run.first, run.last, fault))


STAGES: Mapping[str, Stage] = {
    "ingest": load,
    "clean": clean,
    "build_features": lambda run: build(run, "features"),
    "build_similarity": lambda run: build(run, "similarity"),
    "train": lambda run: build(run, "models", "ops"),
    "publish": lambda run: build(run, "gold"),
    "evaluate": evaluate_or_fail,
}


def nightly(run: Run) -> None:
    """Run all stages in order, then evaluate and sum up the night.

    Tables built from silver are made as one, so that each waits for its own inputs only. Figures
    and summary come after its tables: where they fail, a warning says so.
    """
    entities = run.settings.shop.entities
    run.progress.expect(f"{layer}.{name}" for layer in ("bronze", "silver") for name in entities)
    run.progress.expect(builders(run, "similarity", "features", "models", "ops", "gold"))
    load(run)
    run.progress.end("bronze")
    clean(run)
    run.progress.end("silver")
    build(run, "similarity", "features", "models", "ops", "gold")
    for fault in _best_effort(evaluate, run):
        text = "metrics of %s failed, tables are published; jobs/evaluate.py makes them again: %s"
        LOG.warning(text, run.last, fault)
    for fault in _best_effort(summary, run):
        LOG.warning("the summary of %s failed, tables are published: %s", run.last, fault)


def _best_effort(work: Callable[[Run], list[str] | None], run: Run) -> Iterator[str]:
    """Do work on a night whose tables are published; yield what goes wrong."""
    try:
        yield from work(run) or ()
    except Exception as error:
        yield explain(error)


def summary(run: Run) -> None:
    """Log what the night left behind, with a few recommendations by name."""
    LOG.info("", extra=event(SUMMARY))
    for table in run.applications.wanted(run.lake.contracts):
        published = run.ledger.publication(table, run.last)
        rows = published.content.rows if published and table.startswith("gold.") else 0
        if rows and not run.ledger.failed_days(table, run.last, run.last):
            figures = event(SUMMARY, table=table, rows=rows, **days_of(run.last, run.last))
            LOG.info("  %-28s%-26s%11s rows", table, run.last, f"{rows:,}", extra=figures)
    if recommendations.APPLICATION in run.applications.active:
        products = run.lake.read("silver.products", None, run.last)
        show_examples(
            run.lake.read("gold.recommendations", run.last, run.last),
            latest_versions(products, ["product_id"]),
            users=2,
            rows=3,
        )
    if run.late:
        days, nights = sorted(run.late), {day for day in run.redone | run.late if day < run.first}
        how = "%s: files came late or anew; made again for them: nights of %d days"
        listed = ", ".join(map(str, days))
        LOG.info(how, listed, len(nights), extra=event(SUMMARY, nights_redone=len(nights)))
    LOG.info("Tables lie below %s", run.lake.root)
