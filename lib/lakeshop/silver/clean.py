"""bronze -> silver and quarantine, with every row accounted for; pseudonyms -> restricted."""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from functools import partial, reduce

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE, Contract
from lakeshop.dates import days_between
from lakeshop.engine.inputs import read_inputs
from lakeshop.engine.run import Run
from lakeshop.privacy.pseudonyms import USER_KEYS
from lakeshop.silver.cleaning import REASONS, Cleaning, validate
from lakeshop.silver.counting import ACCEPTED, OUTCOME, QUARANTINED, REPEATED, counted
from lakeshop.silver.drift import assert_columns
from lakeshop.silver.duplicates import (
    DUPLICATE,
    VALID,
    with_repeated_events,
    with_unchanged_versions,
)
from lakeshop.silver.entities import (
    FRAUD_LABELS_DERIVED,
    STOCK_DERIVED,
    TRANSACTIONS_DERIVED,
    USER_ACTIONS_DERIVED,
    CleaningContext,
    fraud_labels,
    stock,
    transactions,
    user_actions,
)
from lakeshop.silver.pseudonyms import pseudonymiser
from lakeshop.silver.quality import USUAL_DAYS, Balance, unusual_share
from lakeshop.sources.mapping import assert_mapped
from lakeshop.storage.run_log import Counts

# The longest first; transactions wait for the products that they are checked against.
CLEANINGS: Mapping[str, Cleaning] = {
    "transactions": Cleaning(transactions, TRANSACTIONS_DERIVED),
    "products": Cleaning(),
    "promotions": Cleaning(),
    "user_actions": Cleaning(user_actions, USER_ACTIONS_DERIVED),
    "users": Cleaning(),
    "stock": Cleaning(stock, STOCK_DERIVED),
    "fraud_labels": Cleaning(fraud_labels, FRAUD_LABELS_DERIVED),
}
# Who somebody is, by the shop's own ids: of the user, the card or account, the device.
IDENTIFIERS = ("user_id", "payment_id", "device_id")


def clean(run: Run) -> None:
    """Clean the days of every entity that the shop delivers.

    Raises:
        ConfigError: the shop does not map an entity as its contract asks.
        InputError: files lack a required column, or drift where the shop allows none.
        QualityError: too many rows or files are bad, or rows were lost.
    """
    verify_mapping(run)
    entities = _entities(run)
    tables = [f"{layer}.{name}" for name in entities for layer in ("silver", "quarantine")]
    for first, last in run.todo(*tables, USER_KEYS):
        _clean_days(run, entities, first, last)


def verify_mapping(run: Run) -> None:
    """Refuse to start with a shop that could be delivered and not be cleaned.

    Raises:
        ConfigError: the shop does not map an entity as its contract asks.
    """
    for name in _entities(run):
        derived = CLEANINGS[name].derived | {BUSINESS_DATE}
        contract = run.lake.contract(f"silver.{name}")
        assert_mapped(name, run.settings.shop.entities[name], contract, derived)


def _entities(run: Run) -> list[str]:
    return [name for name in CLEANINGS if name in run.settings.shop.entities]


def _clean_days(run: Run, entities: list[str], first: date, last: date) -> None:
    pseudonym = pseudonymiser(run.lake.spark, run.key)
    accepted: list[DataFrame] = []

    def clean_entity(name: str) -> None:
        if run.ledger.rows(f"bronze.{name}", first, last):
            good = _clean_entity(run, name, pseudonym, first, last)
            if "user_id" in good.columns:
                accepted.append(good.select(BUSINESS_DATE, F.col("user_id").alias("raw_user_id")))
        else:
            for table in (f"quarantine.{name}", f"silver.{name}"):
                _publish_nothing(run, table, first, last)

    run.side_by_side({f"silver.{name}": partial(clean_entity, name) for name in entities})
    _publish_user_keys(run, accepted, pseudonym, first, last)
    run.lake.spark.catalog.clearCache()


def _publish_nothing(run: Run, table: str, first: date, last: date) -> None:
    started = time.monotonic()
    run.publish(table, run.lake.empty_frame(table), first, last, started=started, contents={})


def _clean_entity(
    run: Run, name: str, pseudonym: Callable[[str], Column], first: date, last: date
) -> DataFrame:
    """Publish the days of one entity; return the accepted rows, still with the shop's ids."""
    started = time.monotonic()
    contract = run.lake.contract(f"silver.{name}")
    rows = _with_outcome(run, name, first, last).persist(StorageLevel.MEMORY_AND_DISK)
    entity = run.settings.shop.entities[name]
    counts = counted(contract, entity, rows)
    drift = assert_columns(entity, contract, counts.drifts, rows)
    held_back = _publish_rejected(run, name, rows, counts.quarantined, first, last)
    counts.assert_shares(contract.name, run.settings.quality)
    unusual = _unusual_share(run, name, first, held_back, counts.rows)
    warnings = (*counts.warnings, *unusual, *drift)
    good = rows.where(F.col(OUTCOME) == ACCEPTED)
    published = run.publish(
        contract.name,
        _with_pseudonyms(good, entity.columns, pseudonym),
        first,
        last,
        started=started,
        contents={} if counts.rows == held_back + counts.duplicates else None,
        counts=Counts(counts.rows, held_back, counts.duplicates, warnings),
    )
    Balance(
        contract.name,
        first,
        last,
        rows_in=run.ledger.rows(f"bronze.{name}", first, last),
        accepted=published,
        quarantined=held_back,
        duplicates=counts.duplicates,
    ).assert_even()
    return good.select(*[c for c in (BUSINESS_DATE, "user_id") if c in contract.column_names])


def _unusual_share(run: Run, name: str, first: date, rejected: int, rows: int) -> tuple[str, ...]:
    """What to warn of where a delivery is far worse than those before it."""
    since, until = first - timedelta(days=USUAL_DAYS), first - timedelta(days=1)
    rejected_before, rows_before = (
        run.ledger.rows(f"{layer}.{name}", since, until) for layer in ("quarantine", "bronze")
    )
    told = unusual_share(rejected, rows, rejected_before, rows_before)
    return (told,) if told else ()


def _with_outcome(run: Run, name: str, first: date, last: date) -> DataFrame:
    """The days' delivered rows, typed, each accepted, quarantined or a duplicate."""
    contract = run.lake.contract(f"silver.{name}")
    tables = read_inputs(run.lake, contract, first, last)
    around = CleaningContext(tables, run.settings.shop.zone)
    entity = run.settings.shop.entities[name]
    raw = run.lake.read(f"bronze.{name}", first, last)
    rows = validate(raw, entity, contract, CLEANINGS[name], around)
    rows = rows.withColumn(VALID, F.size(REASONS) == 0)
    before = tables[contract.name].where(F.col(BUSINESS_DATE) < F.lit(first))
    before = _with_raw_ids(before, contract, run)
    if contract.rows == "event":
        window = contract.look_back_days or 0
        rows = with_repeated_events(rows, before, contract.key, look_back_days=window)
    else:
        content = [c for c in contract.column_names if c not in (*contract.key, BUSINESS_DATE)]
        rows = with_unchanged_versions(rows, before, contract.key, content)
    outcome = F.when(~F.col(VALID), F.lit(QUARANTINED)).when(F.col(DUPLICATE), F.lit(REPEATED))
    return rows.withColumn(OUTCOME, F.coalesce(outcome, F.lit(ACCEPTED)))


def _with_raw_ids(before: DataFrame, contract: Contract, run: Run) -> DataFrame:
    """Where the key itself is a user, earlier rows are compared by the shop's own ids."""
    if "user_id" not in contract.key:
        return before
    keys = run.lake.read(USER_KEYS).select("user_id", "raw_user_id").distinct()
    return (
        before.join(keys, on="user_id", how="left")
        .withColumn("user_id", F.col("raw_user_id"))
        .drop("raw_user_id")
    )


def _publish_rejected(
    run: Run, name: str, rows: DataFrame, number: int, first: date, last: date
) -> int:
    table = f"quarantine.{name}"
    started = time.monotonic()
    pairs = ((day, run.run_id(table, day)) for day in days_between(first, last))
    run_ids = F.create_map(*[F.lit(value) for pair in pairs for value in pair])
    rejected = rows.where(F.col(OUTCOME) == QUARANTINED)
    rejected = rejected.withColumn("run_id", run_ids[F.col(BUSINESS_DATE)])
    return run.publish(
        table, rejected, first, last, started=started, contents=None if number else {}
    )


def _with_pseudonyms(
    rows: DataFrame, delivered: Collection[str], pseudonym: Callable[[str], Column]
) -> DataFrame:
    return rows.withColumns({name: pseudonym(name) for name in IDENTIFIERS if name in delivered})


def _publish_user_keys(
    run: Run,
    accepted: list[DataFrame],
    pseudonym: Callable[[str], Column],
    first: date,
    last: date,
) -> None:
    """Each user once, on the business date that first named them."""
    if not accepted:
        _publish_nothing(run, USER_KEYS, first, last)
        return
    started = time.monotonic()
    known = run.lake.read(USER_KEYS, None, first - timedelta(days=1)).select("raw_user_id")
    new = (
        reduce(DataFrame.unionByName, accepted)
        .where(F.col("raw_user_id").isNotNull())
        .groupBy("raw_user_id")
        .agg(F.min(BUSINESS_DATE).alias(BUSINESS_DATE))
        .join(known, on="raw_user_id", how="left_anti")
        .withColumn("user_id", pseudonym("raw_user_id"))
    )
    run.publish(USER_KEYS, new, first, last, started=started)
