"""Start and end of a job: arguments, configuration, one run per lake, exit codes.

0 is done, 1 failed and published nothing half, 2 wrong arguments or configuration, nothing
touched. Every job may be run again at any time.
"""

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from pyspark.sql import SparkSession

from lakeshop.config.settings import Settings
from lakeshop.config.validation import FIRST_DAY, LAST_DAY, assert_no_file, assert_place, local_path
from lakeshop.contracts.derived import entities
from lakeshop.contracts.model import Contract
from lakeshop.engine.applications import Applications
from lakeshop.engine.code import CodeDigests
from lakeshop.engine.console import (
    FORMATS,
    JSON,
    TEXT,
    Arguments,
    Console,
    log_format,
    writing_records,
)
from lakeshop.engine.failures import summarize_error
from lakeshop.engine.outcome import report_failures
from lakeshop.engine.preflight import check_disk_space
from lakeshop.engine.progress import Progress
from lakeshop.engine.run import Run
from lakeshop.engine.session import spark_session
from lakeshop.errors import ConfigError, ShopError
from lakeshop.events import ERROR, RUN, SUMMARY, days_of, event, in_words
from lakeshop.privacy.erasure_list import requested
from lakeshop.privacy.pseudonyms import USER_KEYS, pseudonym_key, pseudonym_of
from lakeshop.storage.lake import Lake
from lakeshop.storage.lock import acquire_lock
from lakeshop.storage.publications import Ledger
from lakeshop.storage.run_log import LOG

NOISY = ("DataFrameQueryContextLogger", "absl", "tensorflow")  # but for what ends a run


class Configure(Protocol):
    """Reads what a job is configured by: settings, applications and contracts."""

    def __call__(
        self, conf: Path, schemas: Path, *, env: str, shop: str
    ) -> tuple[Settings, Applications, dict[str, Contract]]:
        """Read the configuration of a shop and the contracts."""
        ...


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        name: as in `jobs/<name>.py`.
        work: does it, given a run.
        configure: reads settings, applications and contracts.
        look: refuses settings that Spark cannot do, before anything is touched.
        preview: shows what the work would do, given a run, and touches nothing; returns the exit
            code. None where there is no such look.
    """

    name: str
    work: Callable[[Run], None]
    configure: Configure
    look: Callable[[SparkSession, Settings], None] = lambda spark, settings: None
    preview: Callable[[Run], int] | None = None


def main(job: Job, argv: Sequence[str] | None = None) -> int:
    """Run one job and return its exit code.

    Args:
        job: the job.
        argv: the arguments, by default those of the process.
    """
    with writing_records(log_format(argv)) as console:
        LOG.setLevel(logging.INFO)
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return _exit_code(job, argv, console)


def _exit_code(job: Job, argv: Sequence[str] | None, console: Console) -> int:
    """Run the job, and explain how it failed where it did."""
    try:
        return _run(job, _options(job, argv), console)
    except ShopError as error:
        figures = event(ERROR, job=job.name, exit_code=error.exit_code)
        LOG.error("%s failed: %s", job.name, error, extra=figures)
        return error.exit_code
    except Exception as error:
        where = "".join(traceback.format_tb(error.__traceback__))
        text = f"{job.name} failed: {summarize_error(error)}\nDays not reported are as they were."
        figures = event(ERROR, job=job.name, exit_code=1, message=text, trace=where)
        LOG.error("%s%s", where, text, extra=figures)
        return 1


@dataclass(frozen=True)
class _Plan:
    """What a job is to do, as its arguments and the configuration say."""

    job: Job
    options: argparse.Namespace
    settings: Settings
    applications: Applications
    contracts: Mapping[str, Contract]
    key: bytes = field(repr=False)
    first: date
    last: date

    @classmethod
    def of(cls, job: Job, options: argparse.Namespace) -> "_Plan":
        first, last = _days(options)
        settings, applications, contracts = job.configure(
            options.conf, options.schemas, env=options.env, shop=options.shop
        )
        settings = _with_places(settings, options)
        key = pseudonym_key(settings.pseudonyms)
        _assert_known(settings, contracts)
        return cls(job, options, settings, applications, contracts, key, first, last)

    def run_on(self, lake: Lake, console: Console) -> Run:
        """Return the run on a lake."""
        _assert_same_key(lake, self.key)
        return Run(
            job=self.job.name,
            lake=lake,
            ledger=Ledger.load(lake),
            settings=self.settings,
            first=self.first,
            last=self.last,
            code=CodeDigests(self.contracts, self.applications, self.settings),
            applications=self.applications,
            redo_stale=self.job.name == "nightly",
            is_history=self.options.history,
            key=self.key,
            erase=getattr(self.options, "erase", ()),
            progress=Progress(console.draw),
        )


def _run(job: Job, options: argparse.Namespace, console: Console) -> int:
    plan = _Plan.of(job, options)
    settings, lake = plan.settings, plan.settings.lake
    if getattr(options, "check", False) and job.preview is not None:
        spark = spark_session(job.name)
        job.look(spark, settings)
        return job.preview(plan.run_on(Lake(spark, lake, plan.contracts), console))
    begun = time.monotonic()
    if job.name != "maintain":  # which makes room
        check_disk_space(lake, settings.maintenance.least_free_mib)
    figures = {"job": job.name, "shop": settings.shop.name, **days_of(plan.first, plan.last)}
    title = f"{settings.shop.name}, {in_words(plan.first, plan.last)}"
    LOG.info("%s: %s", title, job.name, extra=event(RUN, **figures, lake=lake))
    spark = spark_session(job.name)
    job.look(spark, settings)
    with acquire_lock(lake, job.name, plan.first, plan.last, settings.lease) as commit_lock:
        run = plan.run_on(Lake(spark, lake, plan.contracts, commit_lock), console)
        console.count_by(run.progress.line)
        job.work(run)
        run.flush()
    return _conclude(run, title, time.monotonic() - begun, figures)


def _conclude(run: Run, title: str, seconds: float, figures: Mapping[str, object]) -> int:
    """Say how a run ended; return the exit code."""
    code = 1 if run.failures else 0
    report_failures(run.failures)
    ended = event(SUMMARY, **figures, exit_code=code, seconds=round(seconds, 3))
    how = "ended, not all of it done," if run.failures else "done"
    LOG.info("%s: %s %s in %.0f s.", title, run.job, how, seconds, extra=ended)
    return code


def _options(job: Job, argv: Sequence[str] | None) -> argparse.Namespace:
    arguments = parser(job.name)
    arguments.is_for_machines = log_format(argv) == JSON
    return arguments.parse_args(argv)


def parser(job: str) -> Arguments:
    """The arguments of a job."""
    home = Path(sys.argv[0]).resolve().parent.parent
    arguments = Arguments(prog=f"{job}.py", description=f"Lakeshop's job {job}.")
    add = arguments.add_argument
    add("--date", type=business_day, help="the business date, YYYY-MM-DD")
    add("--from", type=business_day, dest="first", help="first business date of a range")
    add("--to", type=business_day, dest="last", help="last business date of a range")
    add("--history", action="store_true", help="first delivery: file rows by event day")
    add("--shop", default="complete_journey", help="the shop, from conf/shops")
    add("--env", default="local", help="the environment, from conf")
    add("--conf", type=Path, default=home / "conf", help="the folder conf")
    add("--schemas", type=Path, default=home / "schemas", help="the folder schemas")
    add("--log-format", choices=FORMATS, default=TEXT, help="for a person, or a JSON object a line")
    add("--lake", help="root of the lake, instead of the configured one")
    add("--landing", help="folder of the drops, instead of the configured one")
    if job == "nightly":
        add("--check", action="store_true", help="show what a night would make of the newest drops")
    if job == "maintain":
        add("--erase", type=requested, default=(), metavar="FILE", help="erase users, an id a line")
    return arguments


def business_day(text: str) -> date:
    """A day as an argument, YYYY-MM-DD and nothing else.

    Raises:
        argparse.ArgumentTypeError: it is none, or lies out of any shop's time.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.max
    if f"{day}" != text or not FIRST_DAY <= day <= LAST_DAY:
        msg = f"should be a day as YYYY-MM-DD, {FIRST_DAY} or later, received {text[:100]!r}"
        raise argparse.ArgumentTypeError(msg)
    return day


def _days(options: argparse.Namespace) -> tuple[date, date]:
    if getattr(options, "check", False) and not (options.date or options.first or options.last):
        today = datetime.now(UTC).date()  # of a look that writes nothing
        return today, today
    if options.date and not options.first and not options.last:
        return options.date, options.date
    if options.first and options.last and not options.date and options.first <= options.last:
        return options.first, options.last
    msg = (
        "The days should be given as --date D or as --from A --to B with A not after B. "
        f"Received date {options.date}, from {options.first}, to {options.last}."
    )
    raise ConfigError(msg)


def _with_places(settings: Settings, options: argparse.Namespace) -> Settings:
    """Return settings with the places of the command line; relative ones lie beside `conf`."""
    home = options.conf.resolve().parent
    key_file = settings.pseudonyms.key_file
    pseudonyms = {"key_file": home / key_file} if key_file else {}
    landing = settings.shop.landing if options.landing is None else options.landing
    landing = placed(landing, home)
    erased = str(settings.maintenance.erased).replace("{shop}", options.shop)
    upkeep = settings.maintenance.model_copy(update={"erased": home / erased})
    lake = placed(settings.lake if options.lake is None else options.lake, home)
    assert_place("The lake", lake, refused="`*?[]{}\\%#;,$")
    if "://" not in lake:
        assert_no_file("The lake", Path(lake))
    return settings.model_copy(
        update={
            "lake": lake,
            "shop": settings.shop.model_copy(update={"landing": landing}),
            "pseudonyms": settings.pseudonyms.model_copy(update=pseudonyms),
            "maintenance": upkeep,
        }
    )


def _assert_known(settings: Settings, contracts: Mapping[str, Contract]) -> None:
    known = entities(contracts.values())
    unknown = sorted(set(settings.shop.entities) - set(known))
    if unknown:
        msg = (
            f"shop.entities should be some of {', '.join(known)}. Received "
            f"{', '.join(map(repr, unknown))[:300]}; a new one is a contract in schemas/silver."
        )
        raise ConfigError(msg)


def _assert_same_key(lake: Lake, key: bytes) -> None:
    """See to it that persons go on under the pseudonyms that the lake has for them."""
    known = lake.read(USER_KEYS).first() if lake.exists(USER_KEYS) else None
    if known is not None and pseudonym_of(known["raw_user_id"], key) != known["user_id"]:
        msg = (
            f"The key of the pseudonyms should be the one that {lake.root} was written with. "
            "Received another: every person would become a second one. Give the old key, or "
            "load the shop anew into another lake."
        )
        raise ConfigError(msg)


def placed(place: str, home: Path) -> str:
    """A place with a scheme (s3a://, hdfs://) as it is, any other as a path, below `home`."""
    assert_place("A place", place)
    place = local_path("A place", place)
    return place if "://" in place else str(home / place)
